/** The replay of Quint traces must be able to fail: a hand-made trace is replayed as it is, and with one lie in it. */
import { expect } from "chai";
import { replayEpochTrace } from "../../scripts/verify/epoch-traces.ts";
import { replayTrace } from "../../scripts/verify/traces.ts";

const N = 4;
const UNDECIDED = -2;
const big = (value: number) => ({ "#bigint": String(value) });
const set = (values: readonly number[]) => ({ "#set": values.map(big) });
const map = (entries: readonly (readonly [unknown, unknown])[]) => ({ "#map": entries });

interface Lies {
  /** Verdict on the block that lacks a quorum. */
  readonly isPoorValid?: boolean;
  /** Status of slot (1, 0) as member 0 sees it. */
  readonly status?: number;
}

/** Three full rounds (ids 4 to 15), seen whole by member 0, and a block of round 2 with two strong parents (id 16). */
function trace({ isPoorValid = false, status = 4 }: Lies): unknown {
  const block = (id: number, author: number, round: number, parents: number[], isValid = true) => ({
    author: big(author),
    round: big(round),
    parents: parents.map(big),
    isValid,
    cone: set([...Array.from({ length: round * N }, (_, i) => i), id]),
  });
  const blocks = Array.from({ length: N }, (_, author) => block(author, author, 0, []));
  for (let round = 1; round <= 3; round++) {
    for (let author = 0; author < N; author++) {
      const below = Array.from({ length: N }, (_, i) => (round - 1) * N + i);
      const own = below[author]!;
      blocks.push(block(round * N + author, author, round, [own, ...below.filter((id) => id !== own)]));
    }
  }
  blocks.push(block(16, 3, 2, [7, 4], isPoorValid));
  const whole = Array.from({ length: 16 }, (_, id) => id);
  const statuses = map(
    [0, 1, 2].map((member) => [
      big(member),
      map(
        Array.from({ length: N }, (_, author) => {
          const decided = member !== 0 ? UNDECIDED : author === 0 ? status : N + author;
          return [{ "#tup": [big(1), big(author)] }, big(decided)] as const;
        }),
      ),
    ]),
  );
  const accepted = map([0, 1, 2].map((member) => [big(member), set(member === 0 ? whole : [0, 1, 2, 3])]));
  return { states: [{ blocks, accepted, statuses, coin: map([[big(6), big(1)]]) }] };
}

describe("formal: replaying traces of the Quint specification", () => {
  it("what the specification says is what the shipping code says", () => {
    const replay = replayTrace(trace({}));
    expect(replay.differences).deep.equal([]);
    expect(replay).deep.include({ states: 1, valid: 12, invalid: 1, commits: 4, skips: 0 });
  });

  it("a wrong verdict on a block is found", () => {
    expect(replayTrace(trace({ isPoorValid: true })).differences.join()).match(/block 16/);
  });

  it("a wrong status is found: another block, Skip, Undecided", () => {
    for (const status of [5, -1, UNDECIDED]) {
      expect(replayTrace(trace({ status })).differences.join()).match(/slot 1\/0/);
    }
  });
});

type Kind = "approve" | "deal" | "ready" | "batch";
interface Told {
  epoch: number;
  approvals: number[];
  dealers: number[];
  readies: number[];
  headers: { epoch: number; isClosing: boolean }[];
}

/** What is ordered, and after each event what the specification says (`lie` changes what it says after the event of an index). */
function epochTrace(
  events: readonly (readonly [Kind, number, number?, boolean?])[],
  lie?: [number, Partial<Told>],
): unknown {
  let told: Told = { epoch: 0, approvals: [], dealers: [], readies: [], headers: [] };
  const meanings = [told];
  for (const [i, [kind, by, epoch = 0, isGood = true]] of events.entries()) {
    told = structuredClone(told);
    if (epoch === told.epoch) {
      if (kind === "approve") told.approvals = [...new Set([...told.approvals, by])];
      if (kind === "deal" && isGood && told.approvals.length >= 3) told.dealers = [...new Set([...told.dealers, by])];
      if (kind === "ready" && told.dealers.length >= 3) told.readies = [...new Set([...told.readies, by])];
    }
    if (told.readies.length === 3) {
      const headers = [...told.headers, { epoch: told.epoch, isClosing: true }];
      told = { epoch: told.epoch + 1, approvals: [], dealers: [], readies: [], headers };
    }
    meanings.push(lie?.[0] === i ? { ...told, ...lie[1] } : told);
  }
  const tagged = meanings.map(({ epoch, approvals, dealers, readies, headers }) => ({
    epoch: big(epoch),
    approvals: set(approvals),
    dealers: set(dealers),
    readies: set(readies),
    headers: headers.map((header) => ({ ...header, epoch: big(header.epoch) })),
  }));
  const order = events.map(([kind, by, epoch = 0, isGood = true]) => ({
    kind,
    by: big(by),
    epoch: big(epoch),
    isGood,
  }));
  return { states: [{ "rule::epochs::order": order, "rule::epochs::meanings": tagged }] };
}

describe("formal: replaying traces of the epoch change specification into the ledger", () => {
  const change = (epoch: number) => [
    ...([0, 1, 2] as const).map((by) => ["approve", by, epoch] as const),
    ["deal", 3, epoch, false] as const,
    ...([0, 1, 2] as const).map((by) => ["deal", by, epoch] as const),
    ...([3, 0, 1] as const).map((by) => ["ready", by, epoch] as const),
  ];
  const events = [["batch", 0] as const, ...change(0), ["deal", 3, 0, false] as const, ...change(1)];

  it("two changes, a bad deal in each and what comes too late: specification and ledger say the same", () => {
    const replay = replayEpochTrace(epochTrace(events));
    expect(replay.differences).deep.equal([]);
    expect(replay).deep.include({ approvals: 6, deals: 6, badDeals: 2, readies: 6, late: 1, changes: 2 });
  });

  it("a wrong approval, deal, READY or epoch is found, where it is", () => {
    const lies: [number, Partial<Told>, RegExp][] = [
      [1, { approvals: [1] }, /^event 1 .*approvals/],
      [4, { dealers: [3] }, /^event 4 .*deals of 3/],
      [8, { readies: [] }, /^event 8 .*READYs/],
      [9, { epoch: 1 }, /^event 9 .*epoch 1/],
      [10, { headers: [] }, /^event 10 .*closed epochs/],
    ];
    for (const [at, lie, expected] of lies) {
      expect(replayEpochTrace(epochTrace(events, [at, lie])).differences.join(), `${at}`).match(expected);
    }
  });
});

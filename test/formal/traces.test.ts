/** The replay of Quint traces must be able to fail: a hand-made trace is replayed as it is, and with one lie in it. */
import { expect } from "chai";
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

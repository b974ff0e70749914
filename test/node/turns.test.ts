import { expect } from "chai";
import fc from "fast-check";
import { encodeConsensusMessage } from "../../src/consensus/wire.ts";
import { costOf, largestCost } from "../../src/member/cost.ts";
import type { MemberInput } from "../../src/member/types.ts";
import { encodeMessage } from "../../src/member/wire.ts";
import { MAX_LANE_BYTES, MAX_LANE_MESSAGES, QUANTUM, Turns } from "../../src/node/turns.ts";
import { seed } from "../seed.ts";

const epoch = 0n;

/** A message that looks as if it held so many blocks. */
function bundle(blocks: number, bytesEach = 0): Uint8Array {
  const list = Array.from({ length: blocks }, () => new Uint8Array(bytesEach));
  return encodeMessage(epoch, { kind: "consensus", bytes: encodeConsensusMessage({ kind: "bundle", blocks: list }) });
}

const message = (from: number, bytes: Uint8Array): MemberInput => ({ kind: "message", epoch, from, bytes });
const honest = bundle(3, 100);

describe("node turns", () => {
  it("prices a message by what it may make us check, before it is decoded", () => {
    expect(costOf(bundle(200))).to.be.within(200, 202);
    const fetched = encodeConsensusMessage({
      kind: "fetched",
      blocks: [new Uint8Array(10), new Uint8Array(20)],
      notFound: [],
      floor: 3,
    });
    expect(costOf(encodeMessage(epoch, { kind: "consensus", bytes: fetched }))).to.equal(1 + 1 + 2);
    const wanted = encodeMessage(epoch, { kind: "certificatesWanted", from: 1n });
    // Eight bytes that make us look up and encode a whole answer; a coin costs a pairing.
    expect(costOf(wanted)).to.be.greaterThan(16);
    const coin = encodeConsensusMessage({ kind: "coin", round: 9, signature: new Uint8Array(48) });
    expect(costOf(encodeMessage(epoch, { kind: "consensus", bytes: coin }))).to.be.greaterThan(16);
    const partial = {
      sequence: 1n,
      suite: "bn254",
      digest: `0x${"00".repeat(32)}`,
      signature: new Uint8Array(64),
    } as const;
    expect(costOf(encodeMessage(epoch, { kind: "partials", partials: [partial, partial] }))).to.be.greaterThan(32);
  });

  it(`prices any bytes, and none beyond the bound (seed ${seed})`, () => {
    const bytes = fc.uint8Array({ maxLength: 64 });
    const tagged = fc.tuple(fc.nat(6), fc.nat(8), bytes).map(([tag, selector, rest]) => {
      return Uint8Array.from([0, 0, 0, 0, tag, selector, ...rest]);
    });
    fc.assert(
      fc.property(fc.oneof(bytes, tagged), (any) => {
        expect(costOf(any)).to.be.within(1, largestCost(any.length));
      }),
      { seed },
    );
  });

  it(`hands out a lone message after a bounded amount of others' work, however much of it waits (seed ${seed})`, () => {
    const flood = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(400)), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(flood, fc.nat(60), fc.nat(200), (messages, blocks, after) => {
        const turns = new Turns(() => {});
        for (const [from, size] of messages) turns.push(message(from, bundle(size)));
        for (let k = 0; k < after; k++) turns.next();
        const ours = message(0, bundle(blocks));
        const cost = costOf(bundle(blocks));
        turns.push(ours);
        let others = 0;
        for (let next = turns.next(); next !== undefined && next.input !== ours; next = turns.next())
          others += next.units;
        const lanes = new Set(messages.map(([from]) => from)).size;
        const largest = Math.max(...messages.map(([, size]) => costOf(bundle(size))));
        expect(others).to.be.at.most(lanes * (Math.ceil(cost / QUANTUM) * QUANTUM + largest));
      }),
      { seed },
    );
  });

  it("lets a flood of the most expensive messages delay an honest peer by one of them and a turn", () => {
    const turns = new Turns(() => {});
    for (let k = 0; k < 4_000; k++) turns.push(message(1, bundle(1_024)));
    turns.push(message(2, honest));
    let others = 0;
    for (let next = turns.next()!; next.input.kind !== "message" || next.input.from !== 2; next = turns.next()!)
      others += next.units;
    expect(others).to.be.at.most(QUANTUM + largestCost(bundle(1_024).length));
  });

  it("keeps the order of each peer's messages, and always its own clock first", () => {
    const turns = new Turns(() => {});
    const sent = Array.from({ length: 50 }, (_, k) => message(k % 3, bundle(k)));
    for (const input of sent) turns.push(input);
    turns.push({ kind: "tick" });
    expect(turns.next()?.input.kind).to.equal("tick");
    const got: MemberInput[] = [];
    for (let next = turns.next(); next !== undefined; next = turns.next()) got.push(next.input);
    for (let peer = 0; peer < 3; peer++) {
      const of = (inputs: readonly MemberInput[]) =>
        inputs.filter((input) => input.kind === "message" && input.from === peer);
      expect(of(got)).to.deep.equal(of(sent));
    }
    expect(turns.isEmpty).to.equal(true);
  });

  it("stops reading a peer whose messages pile up, reads it again later, and never holds more than the bound", () => {
    const holds: [number, boolean][] = [];
    const turns = new Turns((peer, isHeld) => holds.push([peer, isHeld]));
    const large = new Uint8Array(1 << 20);
    for (let k = 0; k < 40; k++) turns.push(message(1, large));
    expect(holds).to.deep.equal([[1, true]]);
    expect(turns.sizes.bytes).to.be.at.most(2 * MAX_LANE_BYTES);
    for (let k = 0; k < 3 * MAX_LANE_MESSAGES; k++) turns.push(message(2, honest));
    expect(turns.sizes.messages).to.be.at.most(2 * MAX_LANE_MESSAGES + 16);
    expect(turns.sizes.dropped).to.be.greaterThan(0);
    while (turns.next() !== undefined);
    expect(holds.filter(([, isHeld]) => !isHeld).map(([peer]) => peer)).to.have.members([1, 2]);
    expect(turns.sizes).to.include({ messages: 0, bytes: 0 });
  });

  it("never drops what users hand in, and lets no user delay a peer beyond its turn", () => {
    const turns = new Turns(() => {});
    for (let k = 0; k < 3 * MAX_LANE_MESSAGES; k++) turns.push({ kind: "transactions", transactions: [large8] });
    turns.push(message(1, honest));
    let before = 0;
    for (let next = turns.next()!; next.input.kind === "transactions"; next = turns.next()!) before += next.units;
    expect(before).to.be.at.most(QUANTUM + 17);
    expect(turns.sizes.messages).to.be.greaterThan(2 * MAX_LANE_MESSAGES);
  });

  const large8 = new Uint8Array(8);
});

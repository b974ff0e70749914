import { expect } from "chai";
import { decodePayload, encodeSignedInstruction } from "../../src/ledger/codec.ts";
import { accountIdOf, instructionId } from "../../src/ledger/instruction.ts";
import { MAX_PAYLOAD_BYTES, MAX_PAYLOAD_INSTRUCTIONS } from "../../src/ledger/limits.ts";
import type { Observation, SignedInstruction } from "../../src/ledger/types.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { Mempool } from "../../src/member/mempool.ts";
import { cpuMs } from "../lib/cpu-time.ts";

const OWNER: Address = `0x${"11".repeat(20)}`;
const SIGNATURE: Hex = `0x${"22".repeat(65)}`;
const K = 64;

function signed(nonce: bigint, signature: Hex = SIGNATURE): SignedInstruction {
  const head = { signer: OWNER, lane: 0n, nonce, namedBatch: 0n };
  const body = {
    kind: "transfer",
    from: accountIdOf(OWNER),
    to: accountIdOf(OWNER, 1n),
    asset: `0x${"33".repeat(32)}`,
    amount: 1n,
  } as const;
  return { instruction: { head, body }, signature };
}

function idOf(nonce: bigint): Hex {
  return instructionId(signed(nonce).instruction);
}

function noncesIn(payload: Uint8Array): bigint[] {
  return payload.length === 0
    ? []
    : decodePayload(payload).instructions.map(({ instruction }) => instruction.head.nonce);
}

describe("mempool", () => {
  const create = (limits = {}): Mempool => new Mempool({ ...DEFAULT_MEMBER_LIMITS, ...limits }, K, 4);

  it("proposes its own users' instructions at once, others' only after K/2 rounds", () => {
    const mempool = create();
    mempool.add(idOf(0n), signed(0n), undefined, 10);
    mempool.add(idOf(1n), signed(1n), 1, 10);
    expect(noncesIn(mempool.take(10, 100_000))).to.deep.equal([0n]);
    expect(mempool.hasWork(41)).to.equal(false);
    expect(noncesIn(mempool.take(42, 100_000))).to.have.members([0n, 1n]);
  });

  it("proposes again what is not output within K/2 rounds, and forgets what is", () => {
    const mempool = create();
    mempool.add(idOf(0n), signed(0n), undefined, 1);
    mempool.take(1, 100_000);
    expect(noncesIn(mempool.take(2, 100_000))).to.deep.equal([]);
    expect(noncesIn(mempool.take(33, 100_000))).to.deep.equal([0n]);
    mempool.ordered(idOf(0n), SIGNATURE);
    expect(mempool.size).to.equal(0);
  });

  it("does not let a false signature of the same id make it forget the valid one", () => {
    const mempool = create();
    mempool.add(idOf(0n), signed(0n), undefined, 1);
    mempool.ordered(idOf(0n), `0x${"44".repeat(65)}`);
    expect(mempool.has(idOf(0n))).to.equal(true);
  });

  it("takes no more bytes than fit a block and leaves the rest for the next", () => {
    const mempool = create();
    for (let nonce = 0n; nonce < 100n; nonce++) mempool.add(idOf(nonce), signed(nonce), undefined, 1);
    const first = mempool.take(1, 4_096);
    expect(first.length).to.be.at.most(4_096);
    const second = mempool.take(2, 1_000_000);
    expect([...noncesIn(first), ...noncesIn(second)]).to.deep.equal(Array.from({ length: 100 }, (_, i) => BigInt(i)));
  });

  it("refuses when full, keeps half of its room from gossip, and loses nothing it took", () => {
    const mempool = create({ maxPendingInstructions: 16 });
    // Half for gossip, a fourth of it for each of four members.
    expect(mempool.add(idOf(0n), signed(0n), 1, 1)).to.equal(true);
    expect(mempool.add(idOf(1n), signed(1n), 1, 1)).to.equal(true);
    expect(mempool.add(idOf(2n), signed(2n), 1, 1)).to.equal(false);
    expect(mempool.add(idOf(2n), signed(2n), 2, 1)).to.equal(true);
    for (let nonce = 3n; nonce < 16n; nonce++) {
      expect(mempool.add(idOf(nonce), signed(nonce), undefined, 1)).to.equal(true);
    }
    expect(mempool.add(idOf(16n), signed(16n), undefined, 1)).to.equal(false);
    expect(mempool.size).to.equal(16);
    // Room comes back when something is ordered.
    mempool.remove(idOf(0n));
    expect(mempool.add(idOf(16n), signed(16n), 1, 1)).to.equal(true);
  });

  it("keeps gossip within its bytes, too", () => {
    const bytes = encodeSignedInstruction(signed(0n)).length;
    const mempool = create({ maxPendingBytes: 8 * 2 * bytes });
    expect(mempool.add(idOf(0n), signed(0n), 1, 1)).to.equal(true);
    expect(mempool.add(idOf(1n), signed(1n), 1, 1)).to.equal(true);
    expect(mempool.add(idOf(2n), signed(2n), 1, 1)).to.equal(false);
  });

  it("never makes a payload that its own encoding refuses, however much waits", () => {
    const mempool = create();
    const count = MAX_PAYLOAD_INSTRUCTIONS + 1000;
    for (let nonce = 0; nonce < count; nonce++) {
      mempool.add(idOf(BigInt(nonce)), signed(BigInt(nonce)), undefined, 1);
    }
    const times = Array.from({ length: 300 }, (_, i): Observation => ({ kind: "time", seconds: BigInt(i) }));
    mempool.observe(times, 1);
    const first = decodePayload(mempool.take(1, MAX_PAYLOAD_BYTES));
    const second = decodePayload(mempool.take(2, MAX_PAYLOAD_BYTES));
    expect([first.observations.length, second.observations.length]).to.deep.equal([256, 44]);
    expect(first.instructions.length).to.be.at.most(MAX_PAYLOAD_INSTRUCTIONS);
    expect(first.instructions.length + second.instructions.length).to.equal(count);
  });

  it("a step costs what it does, not what waits", () => {
    const mempool = create();
    for (let nonce = 0n; nonce < 8_000n; nonce++) mempool.add(idOf(nonce), signed(nonce), Number(nonce % 4n), 1);
    const startedMs = cpuMs();
    for (let i = 0; i < 1_000_000; i++) mempool.hasWork(2);
    // Milliseconds; 8,000 entries looked at a million times take half a minute.
    expect(cpuMs() - startedMs).to.be.below(10_000);
  });

  it("says what others should hold as well: what no block of ours brought to the order in time, each once", () => {
    const mempool = create();
    for (let nonce = 0n; nonce < 3n; nonce++) mempool.add(idOf(nonce), signed(nonce), undefined, 10);
    mempool.add(idOf(3n), signed(3n), 1, 10);
    expect(mempool.gossip(idOf(0n))).to.deep.equal(encodeSignedInstruction(signed(0n)));
    // Blocks leave, so what waits for one is on its way.
    expect(mempool.takeUngossiped(10, false)).to.deep.equal([]);
    mempool.take(10, 100_000);
    mempool.ordered(idOf(1n), SIGNATURE);
    expect(mempool.takeUngossiped(41, true)).to.deep.equal([]);
    expect(mempool.takeUngossiped(42, false)).to.deep.equal([encodeSignedInstruction(signed(2n))]);
    expect(mempool.takeUngossiped(100, true)).to.deep.equal([]);
    // No block of ours leaves.
    mempool.add(idOf(4n), signed(4n), undefined, 11);
    expect(mempool.takeUngossiped(11, true)).to.deep.equal([encodeSignedInstruction(signed(4n))]);
  });

  it("keeps an observation once and gives it up when our block with it is output", () => {
    const mempool = create();
    const time: Observation = { kind: "time", seconds: 5n };
    mempool.observe([time, { ...time }], 1);
    const payload = decodePayload(mempool.take(1, 10_000));
    expect(payload.observations).to.deep.equal([time]);
    mempool.observed(payload.observations);
    expect(mempool.hasWork(1_000)).to.equal(false);
  });

  it("gives up times, which are told again, before what an inbox said, which is not", () => {
    const mempool = create({ maxPendingObservations: 4 });
    const inbox: Observation = { kind: "inbox", chainId: 1n, entries: [] };
    mempool.observe([inbox], 1);
    for (let seconds = 1n; seconds <= 100n; seconds++) mempool.observe([{ kind: "time", seconds }], 1);
    const { observations } = decodePayload(mempool.take(1, 10_000));
    expect(observations).to.have.length(4);
    expect(observations).to.deep.include(inbox).and.to.deep.include({ kind: "time", seconds: 100n });
  });

  it("proposes in a new epoch, from round 1, what no block of the old one brought to a decision", () => {
    const mempool = create();
    mempool.add(idOf(0n), signed(0n), undefined, 500);
    mempool.add(idOf(1n), signed(1n), 1, 500);
    mempool.add(idOf(2n), signed(2n), 2, 500);
    mempool.observe([{ kind: "time", seconds: 7n }], 500);
    expect(noncesIn(mempool.take(500, 100_000))).to.deep.equal([0n]);
    // Member 1 becomes member 0; member 2 leaves, so that nobody else proposes what its user gave it.
    mempool.renew(4, (index) => (index === 1 ? 0 : undefined));
    const payload = decodePayload(mempool.take(1, 100_000));
    expect(payload.instructions.map(({ instruction }) => instruction.head.nonce)).to.deep.equal([0n, 2n]);
    expect(payload.observations).to.deep.equal([]);
    expect(noncesIn(mempool.take(1 + K / 2, 100_000))).to.have.members([0n, 1n, 2n]);
    expect(mempool.own().map(({ instruction }) => instruction.head.nonce)).to.deep.equal([0n, 2n]);
  });

  it("counts what peers hold here by their new indices, and drops nothing when the shares get smaller", () => {
    const mempool = create({ maxPendingInstructions: 16 });
    for (const nonce of [0n, 1n]) expect(mempool.add(idOf(nonce), signed(nonce), 3, 1)).to.equal(true);
    mempool.renew(8, (index) => index + 2);
    expect(mempool.size).to.equal(2);
    expect(mempool.add(idOf(2n), signed(2n), 5, 1)).to.equal(false);
    expect(mempool.add(idOf(2n), signed(2n), 3, 1)).to.equal(true);
    mempool.remove(idOf(0n));
    mempool.remove(idOf(1n));
    expect(mempool.add(idOf(3n), signed(3n), 5, 1)).to.equal(true);
  });

  it("promises to its user what a peer had gossiped before: it hands it on when it leaves the committee", () => {
    const mempool = create({ maxPendingInstructions: 8 });
    expect(mempool.add(idOf(0n), signed(0n), 1, 1)).to.equal(true);
    expect(mempool.add(idOf(1n), signed(1n), 1, 1)).to.equal(false);
    expect(mempool.own()).to.deep.equal([]);
    expect(mempool.add(idOf(0n), signed(0n), undefined, 1)).to.equal(true);
    expect(mempool.own()).to.have.length(1);
    // And it no longer fills the peer's part.
    expect(mempool.add(idOf(1n), signed(1n), 1, 1)).to.equal(true);
  });
});

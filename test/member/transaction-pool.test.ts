import { expect } from "chai";
import type { EpochTransaction } from "../../src/ledger/reconfiguration/types.ts";
import type { Address } from "../../src/lib/hex.ts";
import { TransactionPool } from "../../src/member/transaction-pool.ts";

const address = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;
const PARTIALS = { "bls12-381": `0x${"11".repeat(48)}`, bn254: `0x${"22".repeat(64)}` } as const;

/** The pool looks at kind, author and attempt, and at bytes: it does not decode them. */
const ready = (member: number, attempt = 1n): EpochTransaction => ({
  kind: "ready",
  epoch: 1n,
  attempt,
  member: address(member),
  partials: PARTIALS,
  signature: "0x",
});
const approval = (member: number, attempt: bigint): EpochTransaction => ({
  kind: "approve",
  proposal: { epoch: 1n, attempt, members: [] },
  member: address(member),
  signature: "0x",
});
const bytes = (tag: number, length = 10): Uint8Array => new Uint8Array(length).fill(tag);

describe("transaction pool", () => {
  it("holds one transaction per kind, author and attempt", () => {
    const pool = new TransactionPool(32);
    expect(pool.add(ready(1), bytes(1))).to.equal("accepted");
    expect(pool.add(ready(1), bytes(2))).to.equal("known");
    expect(pool.add(ready(2), bytes(3))).to.equal("accepted");
    expect(pool.add(ready(1, 2n), bytes(4))).to.equal("accepted");
    expect(pool.has("ready", address(1), 1n)).to.equal(true);
    expect(pool.has("deal", address(1), 1n)).to.equal(false);
    expect(pool.size).to.equal(3);
  });

  it("lets one member fill nothing with proposals of its own invention", () => {
    const pool = new TransactionPool(32);
    const codes = Array.from({ length: 100 }, (_, i) => pool.add(approval(1, BigInt(i + 1)), bytes(i)));
    expect(codes.filter((code) => code === "accepted")).to.have.length(4);
    expect(codes.at(-1)).to.equal("tooMany");
    expect(pool.add(approval(2, 1n), bytes(200))).to.equal("accepted");
  });

  it("proposes what fits, again after a while, and no more once it is ordered", () => {
    const pool = new TransactionPool(32);
    pool.add(ready(1), bytes(1, 60));
    pool.add(ready(2), bytes(2, 60));
    pool.add(ready(3), bytes(3, 30));
    expect(pool.take(5, 100, 10)).to.deep.equal([bytes(1, 60), bytes(3, 30)]);
    expect(pool.take(6, 100, 10)).to.deep.equal([bytes(2, 60)]);
    expect(pool.hasDue(7)).to.equal(false);
    pool.ordered(bytes(1, 60));
    expect(pool.take(37, 1000, 10)).to.deep.equal([bytes(3, 30)]);
    expect(pool.take(38, 1000, 0)).to.deep.equal([]);
    expect(pool.take(38, 1000, 10)).to.deep.equal([bytes(2, 60)]);
  });

  it("forgets what no longer counts", () => {
    const pool = new TransactionPool(32);
    pool.add(ready(1), bytes(1));
    pool.add(approval(1, 2n), bytes(2));
    pool.prune(({ kind }) => kind === "approve");
    expect(pool.take(1, 1000, 10)).to.deep.equal([bytes(2)]);
    pool.clear();
    expect(pool.size).to.equal(0);
  });
});

import { expect } from "chai";
import type { InboxEntry } from "../../src/batch/types.ts";
import { encodeObservations } from "../../src/ledger/codec.ts";
import { MAX_FORCED_BYTES } from "../../src/ledger/limits.ts";
import { bytesToHex, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { INBOX_REPEAT_MS, InboxFeed } from "../../src/node/inbox-feed.ts";

const forced = (index: number, bytes: number): InboxEntry => ({
  kind: "forced",
  index: BigInt(index),
  instruction: bytesToHex(new Uint8Array(bytes)),
});
const cursor = (index: number) => ({ index: BigInt(index), hash: ZERO_BYTES32, block: 1n });

describe("node: inbox feed", () => {
  it("cuts a flood of the largest forced instructions into observations that a block can hold", () => {
    const feed = new InboxFeed(10n, 256n, 0n);
    const entries = Array.from({ length: 100 }, (_, k) => forced(k, k % 3 === 0 ? 40 : MAX_FORCED_BYTES));
    feed.add(entries, cursor(100));
    const observations = feed.take(0n, 0);
    const told = observations.flatMap((observation) => (observation.kind === "inbox" ? observation.entries : []));
    expect(told.map(({ index }) => index)).to.deep.equal(entries.map(({ index }) => index));
    for (const observation of observations)
      expect(encodeObservations([observation]).length).to.be.lessThan(3 * MAX_FORCED_BYTES);
  });

  it("stops at an entry that no observation can carry, without taking anything", () => {
    const feed = new InboxFeed(10n, 256n, 0n);
    expect(() => feed.add([forced(0, 1), forced(1, MAX_FORCED_BYTES + 1)], cursor(2))).to.throw("inboxEntryTooLarge");
    expect(feed.seen).to.equal(0n);
    feed.add([forced(0, 1)], cursor(1));
    expect(feed.take(0n, 0)).to.have.length(1);
  });

  it("tells everything once, and after a change of the epoch once more what the ledger has not consumed", () => {
    const feed = new InboxFeed(10n, 4n, 0n);
    const indexes = (ledgerCursor: bigint) =>
      feed
        .take(ledgerCursor, 0)
        .flatMap((observation) => (observation.kind === "inbox" ? observation.entries : []))
        .map(({ index }) => Number(index));
    feed.add(
      Array.from({ length: 8 }, (_, k) => forced(k, 1)),
      cursor(8),
    );
    expect(indexes(0n)).to.deep.equal([0, 1, 2, 3]);
    expect(indexes(0n)).to.deep.equal([]);
    expect(indexes(2n)).to.deep.equal([4, 5]);
    feed.reset();
    expect(indexes(2n)).to.deep.equal([2, 3, 4, 5]);
    expect(indexes(7n)).to.deep.equal([7]);
    feed.reset();
    expect(indexes(8n)).to.deep.equal([]);
  });

  it("tells again what the ledger has not consumed for long: a later block of ours may have been output without an earlier one", () => {
    const feed = new InboxFeed(10n, 4n, 0n);
    const told = (ledgerCursor: bigint, nowMs: number): number =>
      feed.take(ledgerCursor, nowMs).flatMap((it) => (it.kind === "inbox" ? it.entries : [])).length;
    feed.add([forced(0, 1), forced(1, 1), forced(2, 1)], cursor(3));
    expect(told(0n, 1_000)).to.equal(3);
    expect(told(0n, 999 + INBOX_REPEAT_MS)).to.equal(0);
    expect(told(0n, 1_000 + INBOX_REPEAT_MS)).to.equal(3);
    // The ledger gets on: nothing is repeated while it does.
    expect(told(1n, 500 + 2 * INBOX_REPEAT_MS)).to.equal(0);
    expect(told(1n, 1_000 + 2 * INBOX_REPEAT_MS)).to.equal(0);
    expect(told(1n, 500 + 3 * INBOX_REPEAT_MS)).to.equal(2);
    expect(told(3n, 10 * INBOX_REPEAT_MS)).to.equal(0);
    expect(told(3n, 20 * INBOX_REPEAT_MS)).to.equal(0);
  });
});

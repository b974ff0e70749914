import { expect } from "chai";
import * as z from "zod";
import { batchAnswer } from "../../src/api/schema.ts";
import { createReceiptTree, verifyReceipt } from "../../src/batch/receipts.ts";
import type { Receipt, SettledBatch } from "../../src/ledger/types.ts";
import { decodeBatchHead, decodeBatchJson, encodeBatchJson } from "../../src/node/batch-json.ts";
import { createBatches } from "../../src/node/batches.ts";
import type { Store } from "../../src/storage/port.ts";
import { createWorld, hash } from "../api/world.ts";

function settled(): SettledBatch {
  const world = createWorld();
  world.settle({ payouts: 3, receipts: [hash(1), hash(2), hash(3)] });
  return world.batch(1n)!;
}

describe("node: batches in the store", () => {
  it("are the API's JSON, in two lines of which the first is the head", () => {
    const batch = settled();
    const json = encodeBatchJson(batch);
    expect(decodeBatchJson(json)).to.deep.equal(batch);
    const [head, lists, ...more] = json.split("\n");
    expect(more).to.deep.equal([]);
    const { counts, ...fields } = JSON.parse(head!);
    expect({ ...fields, ...JSON.parse(lists!) }).to.deep.equal(z.encode(batchAnswer, batch));
    expect(counts).to.deep.equal({ receipts: 3, entries: 3 });
    const { header, digest, stateParts, destinations } = batch;
    expect(decodeBatchHead(json)).to.deep.equal({ header, digest, stateParts, destinations, counts });
  });

  it("take whatever a batch holds: text that breaks lines, and more receipts than members could carry before", () => {
    const batch = settled();
    const receipt: Receipt = { ...batch.receipts[0]!, figures: { odd: 'a\n"b\u2028' } };
    const many: SettledBatch = { ...batch, receipts: new Array<Receipt>(120_000).fill(receipt) };
    const json = encodeBatchJson(many);
    expect(decodeBatchHead(json).counts.receipts).to.equal(120_000);
    expect(decodeBatchJson(json).receipts).to.have.length(120_000);
    expect(decodeBatchJson(json).receipts[7]).to.deep.equal(receipt);
  });

  it("keep every receipt provable, reading a batch once for many", () => {
    const batch = settled();
    let reads = 0;
    const store = {
      batch: (sequence: bigint) => {
        if (sequence !== 1n) return undefined;
        reads++;
        return { sequence, digest: batch.digest, json: encodeBatchJson(batch) };
      },
    } as Partial<Store> as Store; // CAST: the only call that reading batches makes
    const batches = createBatches(store);
    for (const receipt of batch.receipts) {
      const proof = batches.proveReceipt(receipt)!;
      expect(proof).to.deep.equal(createReceiptTree(batch.receipts, batch.stateParts).prove(receipt.position));
      expect(verifyReceipt(batch.header.state, receipt, proof)).to.equal(true);
    }
    expect(reads).to.equal(1);
    expect(batches.proveReceipt({ ...batch.receipts[0]!, sequence: 9n })).to.equal(undefined);
    expect(batches.head(1n)?.digest).to.equal(batch.digest);
    expect(batches.head(2n)).to.equal(undefined);
  });
});

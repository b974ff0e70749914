import { expect } from "chai";
import { verifyReceipt } from "../../src/batch/receipts.ts";
import { verifyAccount } from "../../src/batch/state.ts";
import { verifyInclusion } from "../../src/batch/tree.ts";
import { detailsHash } from "../../src/ledger/details.ts";
import { instructionId } from "../../src/ledger/instruction.ts";
import type { SettledBatch } from "../../src/ledger/types.ts";
import { createNodeMetrics } from "../../src/node/metrics.ts";
import type { Node } from "../../src/node/node.ts";
import { WriteCollector } from "../../src/node/records.ts";
import { createNodeView } from "../../src/node/view.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import { silentMetrics } from "../../src/telemetry/silent.ts";
import { createTestCommitteeWith } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createStandInEngine } from "../../src/testing/stand-in.ts";
import { alice, bob, Harness, transfer, USDC } from "../ledger/fixtures.ts";

const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };

/** A node's view over a real ledger and store; the member around them says only how far it has certified. */
function createWorld() {
  const harness = new Harness();
  const store = createMemoryStore();
  const batches: SettledBatch[] = [];
  const member = { ledger: harness.ledger, certifiedSequence: 0n, isPending: () => false };
  const keep = (batch: SettledBatch | undefined): SettledBatch => {
    const writes = new WriteCollector();
    writes.batch(batch!);
    store.write(writes.take());
    batches.push(batch!);
    return batch!;
  };
  const view = createNodeView({
    node: { member } as unknown as Node, // CAST: the part that these reads touch
    first: createTestCommitteeWith(4, createRandom(1, "view"), "stand-in", engines).committee,
    genesis: harness.genesis,
    store,
    metrics: createNodeMetrics(silentMetrics()),
  });
  return { harness, member, view, keep, batches };
}

describe("node: what its API serves", () => {
  it("proves every receipt of every batch, and calls it final only when its batch is certified", () => {
    const { harness, member, view, keep, batches } = createWorld();
    keep(harness.deposit(alice, 1_000n));
    for (let k = 0; k < 12; k++)
      keep(
        harness.submit(
          harness.sign(alice, transfer(alice, bob, 1n)),
          harness.sign(alice, transfer(alice, bob, 10_000n)),
          harness.sign(alice, transfer(bob, alice, 1n)),
        ),
      );
    member.certifiedSequence = 9n;
    for (const batch of batches) {
      for (const receipt of batch.receipts) {
        const answer = view.instruction(receipt.instructionId)!;
        expect(answer.receipt).to.deep.equal(receipt);
        expect(answer.status).to.equal(receipt.sequence <= 9n ? "final" : "ordered");
        expect(verifyReceipt(batch.header.state, receipt, answer.proof!)).to.equal(true);
        expect(verifyReceipt(batch.header.state, { ...receipt, code: "late" }, answer.proof!)).to.equal(false);
      }
    }
    expect(batches.flatMap(({ receipts }) => receipts)).to.have.length(36);
    expect(view.instruction(instructionId(harness.sign(bob, transfer(bob, alice, 1n)).instruction))).to.equal(
      undefined,
    );
  });

  it("tells accounts as of any retained batch, with the preimage of what the proven leaf commits to", () => {
    const { harness, member, view, keep, batches } = createWorld();
    for (let k = 1n; k <= 5n; k++) keep(harness.deposit(alice, k));
    member.certifiedSequence = 4n;
    expect(view.account(alice.account, undefined, undefined)?.sequence).to.equal(4n);
    for (const sequence of [1n, 3n, 5n]) {
      const { view: told, proofs } = view.account(alice.account, USDC, sequence)!;
      expect(told.cash.find(({ asset }) => asset === USDC)?.amount).to.equal((sequence * (sequence + 1n)) / 2n);
      expect(verifyAccount(batches[Number(sequence) - 1]!.header.state, proofs[0]!)).to.equal(true);
      expect(detailsHash(told)).to.equal(proofs[0]!.leaf.details);
    }
    for (const sequence of [0n, 6n, (1n << 64n) - 1n])
      expect(view.account(alice.account, undefined, sequence)).to.equal(undefined);
    expect(view.account(bob.account, undefined, 5n)).to.equal(undefined);
  });

  it("answers every sequence a stranger may name, without reading batches that do not exist", () => {
    const { harness, member, view, keep, batches } = createWorld();
    for (let k = 1n; k <= 3n; k++) keep(harness.deposit(alice, k));
    member.certifiedSequence = 3n;
    const { header, proof } = view.history(1n, undefined)!;
    expect(verifyInclusion(batches[2]!.header.history, batches[0]!.digest, proof)).to.equal(true);
    expect(header).to.deep.equal(batches[0]!.header);
    expect(view.summary(2n)).to.include({ digest: batches[1]!.digest, receipts: 0, entries: 0 });
    expect(view.batch(2n)).to.deep.equal(batches[1]);
    for (const sequence of [0n, 4n, (1n << 64n) - 1n]) {
      expect(view.batch(sequence)).to.equal(undefined);
      expect(view.summary(sequence)).to.equal(undefined);
      expect(view.certificate(sequence, "bn254")).to.equal(undefined);
      expect(view.destination(10n, sequence)).to.equal(undefined);
      expect(view.history(sequence, undefined)).to.equal(undefined);
      expect(view.history(1n, sequence)).to.equal(undefined);
    }
    expect(view.outbox(10n, { kind: "range", from: 0n, limit: 10 }, 1n)).to.equal(undefined);
    expect(view.outbox(10n, { kind: "indexes", indexes: [7n] }, 0n)?.entries).to.deep.equal([]);
  });
});

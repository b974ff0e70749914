import { expect } from "chai";
import type { EpochsView } from "../../src/ledger/reconfiguration/types.ts";
import { storedEpochOf } from "../../src/node/epoch-start.ts";
import { createEpochView } from "../../src/node/epoch-view.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import { createTestCommitteeWith, createTestGenesis } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createStandInEngine } from "../../src/testing/stand-in.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import { hash } from "../api/world.ts";

const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
const { committee: first } = createTestCommitteeWith(4, createRandom(3, "epoch view"), "stand-in", engines);
const genesis = createTestGenesis(first);

function startOf(epoch: bigint) {
  const committee: Committee = { ...first, epoch };
  const words = { previous: hash(1), history: hash(2), outboxes: hash(3), state: hash(4), commit: hash(5) };
  const header = { sequence: 10n * epoch, epoch: epoch - 1n, ...words };
  const certificates = [{ header, suite: "bn254", signature: `0x${"11".repeat(64)}` }] as const;
  return { header, certificates, committee, peers: [], snapshot: new Uint8Array(100).fill(Number(epoch)) };
}

describe("node: what its API tells of epochs", () => {
  const store = createMemoryStore();
  let live: Partial<EpochsView> | undefined;
  const view = createEpochView({
    first,
    genesis,
    store,
    // CAST: the parts that these answers are made of
    epochs: () => live as EpochsView | undefined,
    submit: async (transactions) => transactions.map(() => "accepted" as const),
  });

  it("answers the first epoch from the committee file, and later ones from what the store has of their beginning", () => {
    expect(view.epoch(undefined)).to.deep.equal(view.epoch(0n));
    expect(view.epoch(0n)).to.deep.include({ peers: [], certificates: [] });
    expect(view.epoch(0n)).not.to.have.property("header");
    live = { committee: first, handovers: [] };
    expect(view.current.committee.epoch).to.equal(0n);

    // The closing batch is there and its certificates are not: nobody could prove the new epoch to anybody.
    live = { committee: { ...first, epoch: 1n }, handovers: [] };
    expect(view.current.committee.epoch).to.equal(0n);
    const start = startOf(1n);
    store.write({ epoch: storedEpochOf(start, true) });
    const answer = view.epoch(undefined)!;
    expect(answer).to.deep.include({ header: start.header, peers: [] });
    expect(answer.certificates).to.deep.equal(start.certificates);
    expect(answer.committee.epoch).to.equal(1n);
    // Each epoch's consensus starts from a hash of its own, the ledger's genesis stays.
    expect(answer.committee.genesisHash).not.to.equal(view.epoch(0n)!.committee.genesisHash);
    expect(answer.committee.genesis).to.deep.equal(genesis);
    for (const unknown of [2n, 1n << 62n, 1n << 63n, (1n << 64n) - 1n])
      expect(view.epoch(unknown), `${unknown}`).to.equal(undefined);
  });

  it("hands out one array of a snapshot to everybody, and none that the store has dropped", () => {
    const snapshot = view.snapshot(1n);
    expect(snapshot).to.deep.equal(startOf(1n).snapshot);
    expect(view.snapshot(1n)).to.equal(snapshot);
    for (const unknown of [0n, 2n, (1n << 64n) - 1n]) expect(view.snapshot(unknown)).to.equal(undefined);
  });

  it("passes transactions on and answers for each", async () => {
    expect(await view.submitTransactions([Uint8Array.of(1), Uint8Array.of(2)])).to.deep.equal([
      { code: "accepted" },
      { code: "accepted" },
    ]);
  });
});

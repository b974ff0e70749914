import { expect } from "chai";
import type { ApiClient } from "../../src/api/client.ts";
import { ApiError } from "../../src/api/errors.ts";
import type { BatchAnswer } from "../../src/api/schema.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import type { InstructionBody } from "../../src/ledger/types.ts";
import { backfill, faultOfBatch, gapBefore, loadGaps } from "../../src/node/backfill.ts";
import { decodeBatchJson } from "../../src/node/batch-json.ts";
import { createMemoryStore } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { silentLogger } from "../../src/telemetry/silent.ts";
import { TEST_ASSET, TEST_CHAIN_ID } from "../../src/testing/committee.ts";
import { until } from "./support.ts";
import { ACCOUNT, createWorld, N, OWNER, OWNER_SECRET, type World } from "./world.ts";

describe("node: batches that it did not settle itself", () => {
  let world: World;
  let newest: bigint;
  const stop = new AbortController();

  before(async () => {
    world = createWorld();
    for (let index = 0; index < N; index++) await world.start(index);
    await until("the deposit", () => world.nodes[0]!.member.certifiedSequence >= 1n);
    for (let nonce = 0n; nonce < 4n; nonce++) {
      const [asset, amount] = [TEST_ASSET, 10n];
      const body: InstructionBody =
        nonce % 2n === 0n
          ? {
              ...{ kind: "withdraw", account: ACCOUNT, asset, amount, chainId: TEST_CHAIN_ID },
              ...{ recipient: OWNER, relayerFee: 1n },
            }
          : { kind: "transfer", from: ACCOUNT, to: accountIdOf(OWNER, 1n), asset, amount };
      const instruction = { head: { signer: OWNER, lane: 0n, nonce, namedBatch: 0n }, body };
      const signed = signInstruction(OWNER_SECRET, world.test.committee.id, instruction);
      await world.nodes[0]!.submit([signed]);
      await until("its receipt", () => world.stores[0]!.receipt(instructionId(signed.instruction)) !== undefined);
    }
    await Promise.all(world.nodes.map((node) => node.stop()));
    newest = world.stores[0]!.latestBatch()!.sequence;
    expect(newest).to.be.at.least(4n);
    expect(world.stores[0]!.entryCount({ chainId: TEST_CHAIN_ID, hub: hub() })).to.equal(2n);
  });

  const hub = () => world.genesis.chains[0]!.hub;
  const batch = (sequence: bigint): BatchAnswer => decodeBatchJson(world.stores[0]!.batch(sequence)!.json);
  const api = (change: (answer: BatchAnswer) => BatchAnswer = (answer) => answer, url = "http://a"): ApiClient => {
    const client: Pick<ApiClient, "url" | "batch"> = {
      url,
      batch: async (sequence) => {
        if (world.stores[0]!.batch(sequence) === undefined) throw new ApiError("unknownSequence", "none");
        return change(batch(sequence));
      },
    };
    return client as ApiClient; // CAST: nothing else of it is used
  };
  const late = (): Store => {
    const store = createMemoryStore();
    store.write(gapBefore(store, batch(newest).header, world.test.committee.id));
    return store;
  };
  const fill = (store: Store, clients: readonly ApiClient[], signal = stop.signal): Promise<void> =>
    backfill({
      ...{ store, clients, committeeId: world.test.committee.id, logger: silentLogger(), signal },
      ledger: () => world.nodes[0]!.member.ledger,
      ...{ paceMs: 0, retryMs: 10 },
    });

  it("come from others, with receipts and entries, and nothing is missing then", async () => {
    const store = late();
    expect(loadGaps(store).map(({ from, to }) => [from, to])).to.deep.equal([[1n, newest]]);
    await fill(store, [api()]);
    expect(loadGaps(store)).to.deep.equal([]);
    for (let sequence = 1n; sequence <= newest; sequence++) {
      const found = decodeBatchJson(store.batch(sequence)!.json);
      expect(found).to.deep.equal({ ...batch(sequence), events: [] });
      for (const { instructionId: id } of found.receipts)
        expect(store.receipt(id)).to.deep.equal(world.stores[0]!.receipt(id));
    }
    const destination = { chainId: TEST_CHAIN_ID, hub: hub() };
    expect(store.entries(destination, 0n, 9n, 9)).to.deep.equal(world.stores[0]!.entries(destination, 0n, 9n, 9));
  });

  it("are not taken from whoever changes anything that a header commits to", async () => {
    const { id } = world.test.committee;
    const { ledger } = world.nodes[0]!.member;
    let changed = 0;
    for (let sequence = 2n; sequence <= newest; sequence++) {
      const whole = batch(sequence);
      const before = batch(sequence - 1n).destinations;
      const fault = (answer: BatchAnswer): string | undefined => faultOfBatch(answer, whole.digest, id, ledger, before);
      expect(fault(whole)).to.equal(undefined);
      const { header, receipts, destinations, entries, stateParts } = whole;
      const wrong: BatchAnswer[] = [
        batch(sequence - 1n),
        { ...whole, header: { ...header, epoch: header.epoch + 1n } },
        { ...whole, receipts: [] },
        { ...whole, receipts: receipts.map((receipt) => ({ ...receipt, code: "overdraft" })) },
        { ...whole, receipts: [...receipts, ...receipts] },
        { ...whole, stateParts: { ...stateParts, assets: stateParts.assets + 1n } },
        { ...whole, destinations: [] },
        { ...whole, destinations: destinations.map((it) => ({ ...it, outboxSize: it.outboxSize + 1n })) },
        { ...whole, entries: [...entries, ...entries] },
        { ...whole, entries: entries.slice(1) },
        { ...whole, entries: entries.map((it) => ({ ...it, entry: { ...it.entry, reference: header.state } })) },
      ];
      for (const answer of wrong) {
        if (JSON.stringify(text(answer)) === JSON.stringify(text(whole))) continue;
        changed++;
        expect(fault(answer)).to.be.a("string");
      }
    }
    expect(changed).to.be.at.least(8 * Number(newest - 1n));
    const store = late();
    const liar = api((answer) => ({ ...answer, receipts: [] }), "http://liar");
    await fill(store, [liar, api()]);
    expect(store.batch(newest)!.digest).to.equal(batch(newest).digest);
  });

  it("are fetched on after a restart, and while nobody has them the member waits", async () => {
    const store = late();
    const first = new AbortController();
    let asked = 0;
    const client = api((answer) => {
      if (++asked > 2) throw new ApiError("networkFailure", "gone");
      return answer;
    });
    const running = fill(store, [client], first.signal);
    await until("it waits", () => asked > 6);
    first.abort();
    await running;
    const [gap] = loadGaps(store);
    expect(gap!.to).to.be.lessThan(newest);
    expect(store.batch(gap!.to)).to.equal(undefined);
    expect(store.batch(gap!.to + 1n)).to.not.equal(undefined);
    await fill(store, [api()]);
    expect(loadGaps(store)).to.deep.equal([]);
    expect(store.batch(1n)).to.not.equal(undefined);
  });

  it("one absence after another, with nothing settled between, is one gap; otherwise they are two", () => {
    const { id } = world.test.committee;
    const store = createMemoryStore();
    store.write(gapBefore(store, batch(2n).header, id));
    store.write(gapBefore(store, batch(3n).header, id));
    expect(loadGaps(store).map(({ from, to }) => [from, to])).to.deep.equal([[1n, 3n]]);
    const { sequence, digest, json } = world.stores[0]!.batch(4n)!;
    store.write({ batches: [{ sequence, digest, json }] });
    store.write(gapBefore(store, { ...batch(4n).header, sequence: 9n }, id));
    expect(loadGaps(store).map(({ from, to }) => [from, to])).to.deep.equal([
      [1n, 3n],
      [5n, 9n],
    ]);
    expect(gapBefore(store, batch(4n).header, id)).to.deep.equal({});
  });
});

function text(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? `${field}` : field)));
}

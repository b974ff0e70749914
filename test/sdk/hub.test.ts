import { expect } from "chai";
import { JsonRpcProvider } from "ethers";
import { createClient, http } from "viem";
import { sendTransaction, waitForTransactionReceipt } from "viem/actions";
import { foundry } from "viem/chains";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { createClockless } from "../../src/sdk/client.ts";
import { createCommittee, type TrustedCommittee } from "../../src/sdk/committee.ts";
import { connectHub } from "../../src/sdk/ethers/index.ts";
import { clocklessActions } from "../../src/sdk/viem/index.ts";
import { errorOf, start, stopAll } from "../api/server.ts";
import { ALICE, CHAIN_ID, createWorld, groupKeyOf, hash, type World } from "../api/world.ts";
import { type Anvil, startAnvil } from "../chain/support/anvil.ts";
import { COMMITTEE_ID } from "../relayer/support/committee.ts";
import { deployHub } from "../relayer/support/deploy.ts";

const SEED = 9;

describe("the hub through viem and ethers", () => {
  let anvil: Anvil | undefined;
  let world: World;
  let committee: TrustedCommittee;
  let hub: Hex;
  let balanceOf: (account: Hex) => Promise<bigint>;

  before(async function () {
    anvil = await startAnvil({ chainId: Number(CHAIN_ID) });
    if (anvil === undefined) return this.skip();
    const groupKey = groupKeyOf(SEED, "bn254");
    // CAST: deployHub reads the key and reports the addresses; the rest of a relayer's test committee plays no part here
    const keyHolder = { groupKey: () => groupKey, open: () => undefined } as unknown as Parameters<typeof deployHub>[1];
    const deployment = await deployHub(anvil, keyHolder, "bn254");
    ({ hub, balanceOf } = deployment);
    await deployment.deposit(1_000n, bytesToHex(new Uint8Array(32).fill(1)));
    world = createWorld({ seed: SEED, committeeId: COMMITTEE_ID, hub, token: deployment.token });
    committee = createCommittee({ committeeId: COMMITTEE_ID, groupKeys: { bn254: groupKey }, members: 4 });
  });
  after(async () => {
    await anvil?.stop();
  });
  afterEach(stopAll);

  it("accepts and delivers with viem, waits, and repeats without harm", async () => {
    world.certify(world.settle({ payouts: 2 }));
    const clockless = createClockless({ apis: [(await start(world)).client], committee });
    const account = (await anvil!.rpc<Hex[]>("eth_accounts"))[0]!;
    const client = createClient({ account, chain: foundry, transport: http(anvil!.url), pollingInterval: 20 }).extend(
      clocklessActions({ hub, committee }),
    );
    expect((await client.getHubHead()).sequence).to.equal(0n);
    const acceptance = await clockless.getAcceptance(CHAIN_ID);
    expect((await client.simulateAccept({ acceptance })).status).to.equal("accepted");
    const waiting = client.waitForAcceptance({ sequence: 1n, timeoutMs: 300_000 });
    const receipt = await waitForTransactionReceipt(client, { hash: await client.submitAccept({ acceptance }) });
    expect(receipt.status).to.equal("success");
    const head = await waiting;
    expect(head).to.include({ sequence: 1n, outboxSize: 2n });
    expect((await client.simulateAccept({ acceptance })).status).to.equal("repeated");

    const before = await balanceOf(ALICE);
    const delivery = await clockless.getDelivery(CHAIN_ID, { sequence: head.sequence, indexes: [1n] });
    expect((await client.simulateDeliver({ delivery, head })).delivered).to.equal(1n);
    const hash = await sendTransaction(client, {
      ...client.prepareDeliver({ delivery, head }),
      account,
      chain: foundry,
    });
    await waitForTransactionReceipt(client, { hash });
    expect((await balanceOf(ALICE)) - before).to.equal(5n);
    expect(await client.isDelivered({ index: 1n })).to.equal(true);
    expect(await client.isDelivered({ index: 0n })).to.equal(false);
  });

  it("does the same with ethers, byte for byte", async () => {
    const sequence = world.settle({ payouts: 1 });
    world.certify(sequence);
    const clockless = createClockless({ apis: [(await start(world)).client], committee });
    const provider = new JsonRpcProvider(anvil!.url, undefined, { cacheTimeout: -1, pollingInterval: 20 });
    try {
      const connected = connectHub(await provider.getSigner(1), { hub, committee });
      const viemClient = createClient({ transport: http(anvil!.url) }).extend(clocklessActions({ hub, committee }));
      const acceptance = await clockless.getAcceptance(CHAIN_ID);
      expect(connected.prepareAccept({ acceptance })).to.deep.equal(viemClient.prepareAccept({ acceptance }));
      expect((await connected.simulateAccept({ acceptance })).status).to.equal("accepted");
      await (await connected.submitAccept({ acceptance })).wait();
      const head = await connected.waitForAcceptance({ sequence, timeoutMs: 300_000, pollingIntervalMs: 20 });
      expect(head).to.deep.equal(await viemClient.getHubHead());
      const delivery = await clockless.getDelivery(CHAIN_ID, { sequence: head.sequence, from: 2n, limit: 1 });
      expect(connected.prepareDeliver({ delivery, head })).to.deep.equal(viemClient.prepareDeliver({ delivery, head }));
      expect((await connected.simulateDeliver({ delivery, head })).delivered).to.equal(1n);
      await (await connected.submitDeliver({ delivery, head })).wait();
      expect(await connected.isDelivered({ index: 2n })).to.equal(true);
    } finally {
      provider.destroy();
    }
  });

  it("tells whose hub it is", async () => {
    const mine = createClient({ transport: http(anvil!.url) }).extend(clocklessActions({ hub, committee }));
    const identity = await mine.getHubIdentity();
    expect(identity).to.include({ committeeId: COMMITTEE_ID, suite: "bn254", isOurs: true });
    const otherKey = { bn254: groupKeyOf(SEED + 1, "bn254") };
    const stranger = createCommittee({ committeeId: COMMITTEE_ID, groupKeys: otherKey, members: 4 });
    const otherId = createCommittee({ committeeId: hash(1), groupKeys: committee.groupKeys, members: 4 });
    const provider = new JsonRpcProvider(anvil!.url);
    try {
      expect(await connectHub(provider, { hub, committee }).getHubIdentity()).to.deep.equal(identity);
      expect((await connectHub(provider, { hub, committee: stranger }).getHubIdentity()).isOurs).to.equal(false);
      expect((await connectHub(provider, { hub, committee: otherId }).getHubIdentity()).isOurs).to.equal(false);
    } finally {
      provider.destroy();
    }
  });

  it("names the contract's own errors alike in both", async () => {
    const sequence = world.settle();
    world.certify(sequence);
    const clockless = createClockless({ apis: [(await start(world)).client], committee });
    const acceptance = await clockless.getAcceptance(CHAIN_ID);
    // A committee whose key the SDK is told to pin but the hub does not have: our check passes, the contract's must not.
    const other = createWorld({ seed: SEED + 1, committeeId: COMMITTEE_ID, hub });
    const groupKeys = { bn254: groupKeyOf(SEED + 1, "bn254") };
    const wrong = createCommittee({ committeeId: COMMITTEE_ID, groupKeys, members: 4 });
    const forged = { ...acceptance, certificate: other.sign(acceptance.certificate.header, "bn254") };
    const viemClient = createClient({ transport: http(anvil!.url) }).extend(
      clocklessActions({ hub, committee: wrong }),
    );
    const provider = new JsonRpcProvider(anvil!.url);
    try {
      const connected = connectHub(provider, { hub, committee: wrong });
      const fromViem = await errorOf(viemClient.simulateAccept({ acceptance: forged }));
      const fromEthers = await errorOf(connected.simulateAccept({ acceptance: forged }));
      expect(fromViem.code).to.equal("InvalidSignature");
      expect(fromEthers.code).to.equal("InvalidSignature");
      expect(fromEthers.details).to.deep.equal(fromViem.details);
    } finally {
      provider.destroy();
    }
  });

  it("pays for nobody's lie: forged arguments are refused before anything is sent", async () => {
    const clockless = createClockless({ apis: [(await start(world)).client], committee });
    const acceptance = await clockless.getAcceptance(CHAIN_ID);
    const delivery = await clockless.getDelivery(CHAIN_ID, { indexes: [0n] });
    const unreachable = createClient({ transport: http("http://127.0.0.1:1") });
    const client = unreachable.extend(clocklessActions({ hub, committee }));
    const { certificate, destination } = acceptance;
    const header = { ...certificate.header, outboxes: certificate.header.state };
    const forged = { ...acceptance, certificate: { ...certificate, header } };
    expect((await errorOf(client.submitAccept({ acceptance: forged }))).code).to.equal("badCertificate");
    const moved = { ...acceptance, destination: { ...destination, outboxSize: 9n } };
    expect((await errorOf(client.submitAccept({ acceptance: moved }))).code).to.equal("badDestinationProof");
    const foreign = unreachable.extend(clocklessActions({ hub: ALICE, committee }));
    expect((await errorOf(foreign.submitAccept({ acceptance }))).code).to.equal("badParameters");
    const head = { sequence: delivery.at.header.sequence, slot: 1 };
    const entries = delivery.entries.map((entry) => ({ ...entry, recipient: hub }));
    const submit = (changed: Partial<typeof delivery>) =>
      client.submitDeliver({ delivery: { ...delivery, ...changed }, head });
    expect((await errorOf(submit({ entries }))).code).to.equal("badEntryProof");
    const old = client.submitDeliver({ delivery, head: { ...head, sequence: head.sequence - 1n } });
    expect((await errorOf(old)).code).to.equal("badParameters");
  });

  it("bounds the wait for acceptance", async () => {
    const client = createClient({ transport: http(anvil!.url) }).extend(clocklessActions({ hub, committee }));
    const late = client.waitForAcceptance({ sequence: 1_000n, timeoutMs: 60, pollingIntervalMs: 10 });
    expect((await errorOf(late)).code).to.equal("timeout");
  });
});

import { expect } from "chai";
import { JsonRpcProvider } from "ethers";
import { createClient, http } from "viem";
import { sendTransaction, waitForTransactionReceipt } from "viem/actions";
import { foundry } from "viem/chains";
import type { Hex } from "../../src/lib/hex.ts";
import { type Clockless, createClockless } from "../../src/sdk/client.ts";
import { createCommittee, type TrustedCommittee } from "../../src/sdk/committee.ts";
import { connectHub } from "../../src/sdk/ethers/index.ts";
import { clocklessActions } from "../../src/sdk/viem/index.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import { errorOf, start, stopAll } from "../api/server.ts";
import { CHAIN_ID, createWorld, groupKeyOf, groupKeysOf, handoverBetween, type World } from "../api/world.ts";
import { type Anvil, startAnvil } from "../chain/support/anvil.ts";
import { COMMITTEE_ID } from "../relayer/support/committee.ts";
import { deployHub } from "../relayer/support/deploy.ts";

const SEED = 30;

for (const suite of SUITES) {
  describe(`a hub that is handed over through viem and ethers, ${suite}`, () => {
    let anvil: Anvil | undefined;
    let world: World;
    let pinned: TrustedCommittee;
    let clockless: Clockless;
    let hub: Hex;

    before(async function () {
      anvil = await startAnvil({ chainId: Number(CHAIN_ID) });
      if (anvil === undefined) return this.skip();
    });
    after(async () => {
      await anvil?.stop();
    });
    beforeEach(async () => {
      // CAST: deployHub reads the key and reports the addresses; the rest of a relayer's test committee plays no part here
      const keyHolder = {
        groupKey: (of: Suite) => groupKeyOf(SEED, of),
        open: () => undefined,
      } as unknown as Parameters<typeof deployHub>[1];
      const deployment = await deployHub(anvil!, keyHolder, suite);
      hub = deployment.hub;
      world = createWorld({ seed: SEED, suites: [suite], committeeId: COMMITTEE_ID, hub, token: deployment.token });
      world.certify(world.settle());
      world.handOver(SEED + 1);
      world.handOver(SEED + 2);
      world.certify(world.settle({ payouts: 1 }));
      pinned = createCommittee({ committeeId: COMMITTEE_ID, groupKeys: groupKeysOf(SEED), members: 4 });
      clockless = createClockless({ apis: [(await start(world)).client], committee: pinned });
    });
    afterEach(stopAll);

    const viemClient = async (committee: TrustedCommittee | (() => TrustedCommittee)) => {
      const account = (await anvil!.rpc<Hex[]>("eth_accounts"))[0]!;
      const client = createClient({ account, chain: foundry, transport: http(anvil!.url), pollingInterval: 20 });
      return client.extend(clocklessActions({ hub, committee }));
    };

    it("is brought up to date with viem by anybody, and then accepts what the newest key signed", async () => {
      const client = await viemClient(() => clockless.committee);
      expect(await client.getHubIdentity()).to.include({ isOurs: true, handoversBehind: 0 });
      const acceptance = await clockless.getAcceptance(CHAIN_ID, { suite });
      // The client followed; the hub did not yet.
      const behind = await client.getHubIdentity();
      expect(behind).to.include({ isOurs: false, handoversBehind: 2 });
      expect((await errorOf(client.simulateAccept({ acceptance }))).code).to.equal("InvalidSignature");

      const handovers = await clockless.getHandovers();
      const [first, second] = handovers;
      const early = await errorOf(client.simulateHandover({ handover: second!, suite }));
      expect(early.code).to.equal("HandoverOutOfTurn");
      expect(await client.simulateHandover({ handover: first!, suite })).to.deep.equal({ handovers: 1n });
      const { handovers: done } = await client.getHubHead();
      expect(done).to.equal(0n);
      for (const handover of handovers) {
        const hash = await client.submitHandover({ handover, suite: behind.suite });
        expect((await waitForTransactionReceipt(client, { hash })).status).to.equal("success");
      }
      expect((await client.getHubHead()).handovers).to.equal(2n);
      expect(await client.getHubIdentity()).to.include({ isOurs: true, handoversBehind: 0 });
      expect((await errorOf(client.simulateHandover({ handover: first!, suite }))).code).to.equal("HandoverOutOfTurn");
      const hash = await client.submitAccept({ acceptance });
      await waitForTransactionReceipt(client, { hash });
      expect((await client.getHubHead()).sequence).to.equal(2n);
    });

    it("does the same with ethers, byte for byte, and as a prepared call for any sender", async () => {
      const handovers = await clockless.getHandovers();
      const [first, second] = handovers;
      const provider = new JsonRpcProvider(anvil!.url, undefined, { cacheTimeout: -1, pollingInterval: 20 });
      try {
        const connected = connectHub(await provider.getSigner(1), { hub, committee: () => clockless.committee });
        const client = await viemClient(clockless.committee);
        for (const handover of handovers)
          expect(connected.prepareHandover({ handover, suite })).to.deep.equal(
            client.prepareHandover({ handover, suite }),
          );
        expect((await connected.getHubIdentity()).handoversBehind).to.equal(2);
        expect((await errorOf(connected.simulateHandover({ handover: second!, suite }))).code).to.equal(
          "HandoverOutOfTurn",
        );
        expect(await connected.simulateHandover({ handover: first!, suite })).to.deep.equal({ handovers: 1n });
        await (await connected.submitHandover({ handover: first!, suite })).wait();
        expect(await connected.getHubHead()).to.deep.equal(await client.getHubHead());
        const account = (await anvil!.rpc<Hex[]>("eth_accounts"))[2]!;
        const call = client.prepareHandover({ handover: second!, suite });
        await waitForTransactionReceipt(client, {
          hash: await sendTransaction(client, { ...call, account, chain: foundry }),
        });
        expect(await connected.getHubIdentity()).to.include({ isOurs: true, handoversBehind: 0 });
      } finally {
        provider.destroy();
      }
    });

    it("pays for nobody's lie: a handover that the old key did not sign goes nowhere", async () => {
      const unreachable = createClient({ transport: http("http://127.0.0.1:1") });
      const client = unreachable.extend(clocklessActions({ hub, committee: pinned }));
      const reason = async (handover: Parameters<typeof client.submitHandover>[0]["handover"]) => {
        const error = await errorOf(client.submitHandover({ handover, suite }));
        expect(error.code).to.equal("badHandover");
        return error.details.reason;
      };
      const good = handoverBetween(COMMITTEE_ID, 1, SEED, SEED + 1);
      expect(await reason(handoverBetween(COMMITTEE_ID, 1, SEED, SEED + 1, 1n, SEED + 1))).to.equal("notSigned");
      expect(await reason({ ...good, statement: { ...good.statement, number: 2n } })).to.equal("notSigned");
      expect(await reason({ ...good, signatures: {} })).to.equal("notSigned");
      // From a key that the pinned one did not lead to: it has to be followed there first.
      expect(await reason(handoverBetween(COMMITTEE_ID, 2, SEED + 1, SEED + 2))).to.equal("anotherKey");
    });
  });
}

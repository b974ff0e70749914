import { expect } from "chai";
import { encodeFunctionData } from "viem";
import { collateralVaultAbi } from "../../src/abi/collateral-vault.ts";
import { createInboxWatcher } from "../../src/chain/inbox-watcher.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { TestCommittee } from "../relayer/support/committee.ts";
import { deployHub } from "../relayer/support/deploy.ts";
import { type Anvil, startAnvil } from "./support/anvil.ts";
import { follow, recorded, recordingLogger, until } from "./support/recorder.ts";

const ACCOUNT: Hex = `0x${"aa".repeat(20)}${"00".repeat(12)}`;

describe("chain: inbox watcher on the real CollateralVault", () => {
  let anvil: Anvil;
  before(async function () {
    const started = await startAnvil();
    if (started === undefined) return this.skip();
    anvil = started;
  });
  after(async () => {
    await anvil?.stop();
  });

  it("reads deposits and forced requests, and skips the vault's other events", async () => {
    const deployment = await deployHub(anvil, new TestCommittee(), "bn254");
    const seen = recorded();
    const watcher = createInboxWatcher({
      chainId: anvil.chainId,
      vault: deployment.vault,
      rpcs: [anvil.url],
      finality: { kind: "depth", blocks: 1 },
      fromIndex: 0n,
      fromBlock: 0n,
      pollingIntervalMs: 20,
      logger: recordingLogger(),
    });
    follow(watcher, seen);
    await deployment.deposit(1_000n, ACCOUNT);
    const data = encodeFunctionData({ abi: collateralVaultAbi, functionName: "requestForced", args: ["0xc0ffee"] });
    await anvil.rpc("eth_sendTransaction", [{ from: deployment.admin, to: deployment.vault, data, gas: "0xf4240" }]);
    await deployment.deposit(2n, ACCOUNT);
    await anvil.mine(1);
    await until(() => seen.entries.length === 3, "three entries came");
    await watcher.stop();
    const { token, admin } = deployment;
    const deposit = { kind: "deposit", token, account: ACCOUNT, refundTo: admin };
    expect(seen.entries).to.deep.equal([
      { ...deposit, index: 0n, amount: 1_000n, total: 1_000n },
      { kind: "forced", index: 1n, instruction: "0xc0ffee" },
      { ...deposit, index: 2n, amount: 2n, total: 1_002n },
    ]);
  });
});

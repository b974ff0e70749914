/** Four members' files, one chain with a vault, and users with money in it: what a campaign plays with. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ANVIL_CHAIN_ID, findTool } from "../../src/cli/devnet/chains.ts";
import { type DevnetLayout, writeDevnet } from "../../src/cli/devnet/committee.ts";
import { buildContracts, deployDevnet } from "../../src/cli/devnet/deploy.ts";
import { DEVNET_ASSET, DEVNET_DEPLOYER_KEY, PROJECT_ROOT } from "../../src/cli/devnet/devnet.ts";
import { freePorts, startProcess, waitUntilReady } from "../../src/cli/devnet/processes.ts";
import { accountIdOf } from "../../src/ledger/instruction.ts";
import type { LedgerGenesis } from "../../src/ledger/types.ts";
import type { Address } from "../../src/lib/hex.ts";
import { createTestCommittee, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { clientsOf, createUsers, fundAndDeposit, type User } from "../demo/users.ts";

export interface World {
  readonly test: TestCommittee;
  readonly genesis: LedgerGenesis;
  readonly layout: DevnetLayout;
  readonly users: readonly User[];
  /** Of each user, in ledger units. */
  readonly deposit: bigint;
  dataDir(member: number): string;
  logFile(member: number): string;
  stop(): Promise<void>;
}

const DEPOSIT = 1_000_000_000n;

/** The committee's keys are dealt by this process: a campaign needs them quickly, and nobody's money is behind them. */
export async function createWorld(options: {
  readonly directory: string;
  readonly members: number;
  readonly users: number;
  readonly seed: number;
  readonly onProgress: (text: string) => void;
}): Promise<World> {
  const { directory, members, seed, onProgress } = options;
  mkdirSync(join(directory, "logs"), { recursive: true });
  const [anvilPort, ...ports] = (await freePorts(1 + 2 * members)) as [number, ...number[]]; // CAST: as many as asked for
  const url = `http://127.0.0.1:${anvilPort}`;
  onProgress("compiling the contracts (a minute or two the first time), starting anvil, deploying hub and vault");
  await buildContracts(PROJECT_ROOT);
  const script = findTool("@foundry-rs/anvil", "bin.mjs");
  const flags = ["--host", "127.0.0.1", "--silent", "--hardfork", "osaka"];
  const chain = startProcess(
    "anvil",
    process.execPath,
    [script, "--port", String(anvilPort), "--chain-id", String(ANVIL_CHAIN_ID), ...flags],
    { logFile: join(directory, "logs", "anvil.log"), cwd: dirname(script) },
  );
  try {
    const { reader } = clientsOf({ chainId: ANVIL_CHAIN_ID, url });
    await waitUntilReady(chain, async () => BigInt(await reader.getChainId()) === ANVIL_CHAIN_ID, 60_000);
    const test = await createTestCommittee(members, createRandom(seed, "committee"), "real");
    const { committee } = test;
    const { groupKey } = committee.keys.bn254;
    const { hub, vault, token } = await deployDevnet({
      ...{ root: PROJECT_ROOT, directory, suite: "bn254", url },
      ...{ committeeId: committee.id, groupKey },
    });
    const users = createUsers(options.users, seed);
    const place = { chainId: ANVIL_CHAIN_ID, url, vault, token, minter: DEVNET_DEPLOYER_KEY };
    const amounts = users.map(() => DEPOSIT);
    // CAST: an address stays one in lower case
    const accountOf = (address: Address) => accountIdOf(address.toLowerCase() as Address);
    await fundAndDeposit(place, users, amounts, accountOf, () => {});
    const genesis: LedgerGenesis = {
      committeeId: committee.id,
      epoch: 0n,
      members,
      assets: [{ id: DEVNET_ASSET, symbol: "USDC", decimals: 6 }],
      chains: [
        { chainId: ANVIL_CHAIN_ID, hub, vault, tokens: [{ asset: DEVNET_ASSET, token, unitsPerLedgerUnit: 1n }] },
      ],
      markets: [],
      window: 256n,
    };
    const layout = await writeDevnet({
      ...{ directory, genesis, marketUrl: undefined },
      dealt: { committee, members: test.secrets },
      ports: { p2p: ports.slice(0, members), api: ports.slice(members) },
      chains: [{ chainId: ANVIL_CHAIN_ID, url }],
    });
    return {
      ...{ test, genesis, layout, users, deposit: DEPOSIT },
      dataDir: (member) => join(directory, `node-${member}`, "data"),
      logFile: (member) => join(directory, "logs", `member-${member}.log`),
      stop: () => chain.stop(),
    };
  } catch (error) {
    await chain.stop();
    throw error;
  }
}

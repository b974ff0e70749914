/** A whole devnet: two chains, a committee with its contracts, member processes, a relayer process. Used by `devnet` and the demo. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { createApiClient } from "../../api/client.ts";
import type { LedgerGenesis, MarketConfig } from "../../ledger/types.ts";
import { utf8ToBytes } from "../../lib/bytes.ts";
import { keccak256Hex } from "../../lib/hash.ts";
import type { Hex } from "../../lib/hex.ts";
import type { Committee } from "../../threshold/committee.ts";
import { ceremonyCommittee } from "./ceremony.ts";
import { type DevChain, startChains } from "./chains.ts";
import { apiUrlOf, type DevnetLayout, keysFolder, multiaddrOf, writeDevnet, writeNodeConfig } from "./committee.ts";
import { buildContracts, type Deployment, deployDevnet } from "./deploy.ts";
import { type MarketAdapter, startMarketAdapter } from "./market-adapter.ts";
import { freePorts, type ManagedProcess, startProcess, waitUntilReady } from "./processes.ts";

/** Folder of package.json, contracts and scripts. Works from src/ and from dist/ alike. */
export const PROJECT_ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export const DEVNET_ASSET: Hex = keccak256Hex(utf8ToBytes("USDC"));

/** Hardhat's and anvil's well-known first account: owns the devnet's contracts and mints its token. Everybody has its key. */
export const DEVNET_DEPLOYER_KEY: Hex = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

const NODE_READY_MS = 60_000;

export interface DevnetOptions {
  readonly directory: string;
  readonly members: number;
  readonly markets: readonly MarketConfig[];
  /** Ledger time that the market adapter reports at first, seconds. */
  readonly time: bigint;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Where somebody lives who may be a member. */
export interface DevnetPlace {
  readonly person: number;
  readonly keys: string;
  readonly multiaddr: string;
  readonly apiUrl: string;
}

export interface Devnet {
  readonly committee: Committee;
  readonly genesis: LedgerGenesis;
  readonly layout: DevnetLayout;
  readonly chains: readonly (DevChain & { readonly deployment: Deployment })[];
  readonly market: MarketAdapter;
  /** By person: the first members by their index, then everybody who joined since (committee.ts). */
  readonly members: ManagedProcess[];
  readonly places: readonly DevnetPlace[];
  readonly relayer: ManagedProcess;
  /** Starts member `index` again after it ended. */
  restart(index: number): Promise<void>;
  /**
   * A process that takes part as soon as a committee has it; until then it asks the members of `apis`. `prepare` makes its keys
   * in the folder that it is given, before the process starts.
   */
  join(apis: readonly string[], prepare: (place: DevnetPlace) => Promise<void>): Promise<DevnetPlace>;
  /** Everything, in reverse order; idempotent. */
  stop(): Promise<void>;
}

export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  const { directory, members: n, markets, time, onProgress, signal } = options;
  const logs = join(directory, "logs");
  mkdirSync(logs, { recursive: true });
  const running: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of running.splice(0).reverse()) await end();
  };
  try {
    const [hardhatPort, anvilPort, marketPort, ...rest] = (await freePorts(3 + 2 * n)) as [
      number,
      number,
      number,
      ...number[],
    ]; // CAST: as many as asked for
    onProgress("compiling the contracts (a minute or two the first time)");
    await buildContracts(PROJECT_ROOT);
    onProgress(`starting two chains, a Hardhat node and anvil; meanwhile ${n} members hold their key ceremony`);
    const [ceremony, start] = await Promise.allSettled([
      ceremonyCommittee(n, { signal }),
      startChains([hardhatPort, anvilPort], logs, PROJECT_ROOT),
    ]);
    // Chains that run are stopped whatever became of the ceremony.
    if (start.status === "rejected") throw start.reason;
    const started = start.value;
    running.push(() => Promise.all(started.map((chain) => chain.process.stop())));
    if (ceremony.status === "rejected") throw ceremony.reason;
    const dealt = ceremony.value;
    const { committee } = dealt;
    onProgress("deploying verifiers, hubs, vaults and tokens with Ignition");
    const chains = await Promise.all(
      started.map(async (chain) => {
        const { suite, url } = chain;
        const groupKey = committee.keys[suite].groupKey;
        const deployment = await deployDevnet({
          root: PROJECT_ROOT,
          directory,
          suite,
          url,
          committeeId: committee.id,
          groupKey,
        });
        return { ...chain, deployment };
      }),
    );
    signal.throwIfAborted();
    const genesis: LedgerGenesis = {
      committeeId: committee.id,
      epoch: committee.epoch,
      members: n,
      assets: [{ id: DEVNET_ASSET, symbol: "USDC", decimals: 6 }],
      chains: chains.map(({ chainId, deployment }) => ({
        chainId,
        hub: deployment.hub,
        vault: deployment.vault,
        tokens: [{ asset: DEVNET_ASSET, token: deployment.token, unitsPerLedgerUnit: 1n }],
      })),
      markets,
      window: 256n,
    };
    const market = await startMarketAdapter(marketPort, time);
    running.push(() => market.close());
    const surroundings = { chains, marketUrl: market.url };
    const ports = { p2p: rest.slice(0, n), api: rest.slice(n) };
    const written = await writeDevnet({ directory, dealt, genesis, ports, ...surroundings });
    const [nodeConfigs, apiUrls] = [[...written.nodeConfigs], [...written.apiUrls]];
    const layout: DevnetLayout = { ...written, nodeConfigs, apiUrls };
    const placeOf = (person: number, p2p: number, api: number): DevnetPlace => {
      return { person, keys: keysFolder(directory, person), multiaddr: multiaddrOf(p2p), apiUrl: apiUrlOf(api) };
    };
    const places = ports.p2p.map((port, index) => placeOf(index, port, ports.api[index]!));
    onProgress(`starting ${n} member processes`);
    const members = layout.nodeConfigs.map((file, index) => startMember(index, file, logs));
    running.push(() => Promise.all(members.map((member) => member.stop())));
    await Promise.all(members.map((member, index) => untilAnswering(member, layout.apiUrls[index]!, signal)));
    onProgress("starting the relayer process");
    const relayer = startRelayer(layout, chains, logs);
    running.push(() => relayer.stop());
    return {
      committee,
      genesis,
      layout,
      chains,
      market,
      members,
      places,
      relayer,
      async restart(index) {
        const member = startMember(index, layout.nodeConfigs[index]!, logs);
        members[index] = member;
        await untilAnswering(member, layout.apiUrls[index]!, signal);
      },
      async join(apis, prepare) {
        const person = members.length;
        const [p2p, api] = (await freePorts(2)) as [number, number]; // CAST: as many as asked for
        const place = placeOf(person, p2p, api);
        mkdirSync(place.keys, { recursive: true, mode: 0o700 });
        nodeConfigs.push(writeNodeConfig(layout, { person, p2p, api }, surroundings, apis));
        apiUrls.push(place.apiUrl);
        places.push(place);
        await prepare(place);
        members.push(startMember(person, nodeConfigs[person]!, logs));
        return place;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Our own command, from dist/ when we run from there, else straight from the sources. */
function startCommand(name: string, args: readonly string[], logFile: string): ManagedProcess {
  const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url));
  return startProcess(name, process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], { logFile });
}

function startMember(index: number, file: string, logs: string): ManagedProcess {
  return startCommand(`member ${index}`, ["node", "run", "--config", file], join(logs, `member-${index}.log`));
}

async function untilAnswering(member: ManagedProcess, url: string, signal: AbortSignal): Promise<void> {
  const client = createApiClient({ url, timeoutMs: 2_000 });
  await waitUntilReady(member, async () => (await client.status()) !== undefined, NODE_READY_MS, signal);
}

function startRelayer(
  layout: DevnetLayout,
  chains: readonly (DevChain & { readonly deployment: Deployment })[],
  logs: string,
): ManagedProcess {
  const home = join(layout.directory, "relayer");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const keyFile = join(home, "sender.key");
  writeFileSync(keyFile, `${DEVNET_RELAYER_KEY}\n`, { mode: 0o600 });
  const config = {
    apis: layout.apiUrls,
    dataDir: join(home, "data"),
    pollingIntervalMs: 250,
    chains: chains.map(({ chainId, url, suite, deployment }) => ({
      chainId: chainId.toString(),
      rpcUrls: [url],
      hub: deployment.hub,
      suite,
      finality: { kind: "depth", blocks: 0 },
      maxFeePerGasWei: "200000000000",
      privateKeyFile: keyFile,
    })),
  };
  const file = join(home, "relayer.yaml");
  writeFileSync(file, stringify(config));
  return startCommand("relayer", ["--json", "relay", "run", "--config", file], join(logs, "relayer.log"));
}

/** The well-known second account of both chains: funded, and not the deployer, so that nonces do not mix. */
export const DEVNET_RELAYER_KEY: Hex = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

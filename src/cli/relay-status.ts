/** How far hubs are behind the committee, without touching the journal: it works beside a relayer that runs. */
import { createApiClient } from "../api/client.ts";
import { createHubClient } from "../chain/hub-client.ts";
import { createRpcPool } from "../chain/rpc-pool.ts";
import { createSigner } from "../chain/signer.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Address } from "../lib/hex.ts";
import { maxBigint } from "../lib/math.ts";
import { type RelayerChainConfig, type RelayerConfig, readSenderKey } from "../relayer/config.ts";

export interface RelayStatus {
  /** Newest certificate that any API names, by its own word; 0 before the first. `relay run` verifies before it pays for anything. */
  readonly newest: bigint | undefined;
  /** Handovers to a new group key that any API names, by its own word; a hub that has carried out fewer needs the rest. */
  readonly handovers: bigint;
  readonly chains: readonly RelayChainStatus[];
}

export interface RelayChainStatus {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly problem?: string;
  readonly sequence?: bigint;
  readonly behind?: bigint;
  /** Handovers to a new group key that the hub has carried out. */
  readonly handovers?: bigint;
  /** Entries of the hub's outbox that were not delivered yet. */
  readonly undelivered?: number;
  readonly sender?: Address;
  readonly balanceWei?: bigint;
  readonly lowBalance?: boolean;
}

/** So many of the newest entries are looked at: what is older was delivered long ago or fails for ever. */
const LOOK_BACK = 4096n;

/** @throws RelayerError for the sender's key; what a chain or an API cannot answer is part of the status */
export async function relayStatus(
  config: RelayerConfig,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<RelayStatus> {
  const sequences = await Promise.all(config.apis.map((url) => newestOf(url, signal)));
  const newest = sequences.reduce(
    (best, each) => (each !== undefined && (best ?? -1n) < each ? each : best),
    undefined,
  );
  const counts = await Promise.all(config.apis.map((url) => handoversOf(url, signal)));
  const handovers = counts.reduce(maxBigint, 0n);
  const chains = config.chains.map(async (chain): Promise<RelayChainStatus> => {
    const sender = createSigner(readSenderKey(chain, environment)).address;
    const base = { chainId: chain.chainId, hub: chain.hub, sender };
    try {
      return { ...base, ...(await hubStatus(chain, sender, newest, signal)) };
    } catch (error) {
      if (!isClocklessError(error)) throw error;
      return { ...base, problem: `${error.shortMessage} [${error.code}]` };
    }
  });
  return { newest, handovers, chains: await Promise.all(chains) };
}

async function newestOf(url: string, signal: AbortSignal): Promise<bigint | undefined> {
  try {
    return (await createApiClient({ url }).latestCertificate({ signal })).header.sequence;
  } catch (error) {
    if (!isClocklessError(error)) throw error;
    return error.code === "unknownSequence" ? 0n : undefined;
  }
}

async function handoversOf(url: string, signal: AbortSignal): Promise<bigint> {
  try {
    return (await createApiClient({ url }).handovers({ signal })).handovers.at(-1)?.statement.number ?? 0n;
  } catch (error) {
    if (!isClocklessError(error)) throw error;
    return 0n;
  }
}

async function hubStatus(
  chain: RelayerChainConfig,
  sender: Address,
  newest: bigint | undefined,
  signal: AbortSignal,
): Promise<Omit<RelayChainStatus, "chainId" | "hub">> {
  const pool = createRpcPool({ chainId: chain.chainId, urls: chain.rpcUrls });
  const hub = createHubClient(pool, chain.hub);
  const { sequence, outboxSize, keyNumber } = await hub.getHead(signal);
  const from = outboxSize > LOOK_BACK ? outboxSize - LOOK_BACK : 0n;
  const delivered = await hub.getDelivered(from, outboxSize, signal);
  const balanceWei = BigInt(String(await pool.request("eth_getBalance", [sender, "latest"], signal)));
  return {
    sequence,
    handovers: keyNumber,
    ...(newest === undefined ? {} : { behind: newest > sequence ? newest - sequence : 0n }),
    undelivered: Number(outboxSize - from) - delivered.size,
    balanceWei,
    lowBalance: balanceWei < chain.lowBalanceWei,
  };
}

export function describeRelayStatus({ newest, handovers: known, chains }: RelayStatus): string {
  const lines = [newest === undefined ? "no API answers" : `newest certificate: batch ${newest}`];
  for (const {
    chainId,
    problem,
    sequence,
    behind,
    handovers = 0n,
    undelivered,
    sender,
    balanceWei,
    lowBalance,
  } of chains) {
    if (problem !== undefined) {
      lines.push(`chain ${chainId}: ${problem}`);
      continue;
    }
    const distance = behind === undefined ? "" : `, ${behind} behind`;
    const keys = known > handovers ? `, ${known - handovers} handovers to a new key missing` : "";
    const low = lowBalance === true ? " — LOW" : "";
    lines.push(
      `chain ${chainId}: head ${sequence}${distance}${keys}, ${undelivered} entries undelivered; sender ${sender} has ${balanceWei} wei${low}`,
    );
  }
  return lines.join("\n");
}

/** What can be found out over the network: peers, chains, market adapter, and whether our own API answers. */
import { connect } from "node:net";
import * as z from "zod";
import { createApiClient } from "../../api/client.ts";
import type { FinalityRule } from "../../chain/port.ts";
import { createRpcPool } from "../../chain/rpc-pool.ts";
import type { LedgerGenesis } from "../../ledger/types.ts";
import { maxFaulty } from "../../lib/math.ts";
import type { NodeConfig } from "../../node/config.ts";
import { decodeMarketAnswer } from "../../node/market.ts";
import { type Finding, reasonOf } from "./findings.ts";

const CONNECT_MS = 3_000;
const REQUEST_MS = 5_000;

/** A TCP connection per peer: says whether the way there is open, not who answers. */
export async function checkPeers(config: NodeConfig): Promise<Finding> {
  const others = config.p2p.peers.flatMap(({ multiaddrs }, index) =>
    index === config.index ? [] : [{ index, multiaddrs }],
  );
  const reached = await Promise.all(
    others.map(async ({ multiaddrs }) => (await Promise.all(multiaddrs.map(reaches))).some(Boolean)),
  );
  const silent = others.filter((_, k) => reached[k] !== true).map(({ index }) => index);
  const base = { name: "peers", where: "elsewhere" } as const;
  const message = `${others.length - silent.length} of ${others.length} accept a connection`;
  if (silent.length === 0) return { ...base, level: "ok", message };
  const tolerated = maxFaulty(config.p2p.peers.length);
  return {
    ...base,
    level: silent.length > tolerated ? "problem" : "warning",
    message: `${message}; silent: ${silent.join(", ")} (the committee tolerates ${tolerated})`,
    advice: "Check p2p.peers against the committee's list, firewalls on both sides, and ask those operators.",
  };
}

/** `/ip4/…/tcp/…`, `/ip6/…`, `/dns…`: the parts of a multiaddr that say where TCP goes. */
function reaches(multiaddr: string): Promise<boolean> {
  const found = /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d{1,5})(?:\/|$)/.exec(multiaddr);
  if (found === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host: found[1]!, port: Number(found[2]), timeout: CONNECT_MS });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

const block = z.object({ number: z.string(), timestamp: z.string() });

export async function checkChain(
  chain: NodeConfig["chains"][number],
  genesis: LedgerGenesis | undefined,
): Promise<Finding[]> {
  const { chainId, rpcUrls, finality } = chain;
  const name = `chain ${chainId}`;
  const findings: Finding[] = [];
  const hub = genesis?.chains.find((each) => each.chainId === chainId);
  if (genesis !== undefined && hub === undefined) {
    const advice = "Remove it from chains, or use the right committee file.";
    findings.push({ name, where: "here", level: "problem", message: "the committee serves no hub there", advice });
  }
  if (rpcUrls.length === 1) {
    const advice = "Name endpoints of at least two independent providers: one alone can lie to this member.";
    findings.push({ name, where: "here", level: "warning", message: "one RPC endpoint only", advice });
  }
  findings.push(
    ...(await Promise.all(
      rpcUrls.map((url, position) => checkEndpoint(name, position, url, chainId, finality, hub?.vault)),
    )),
  );
  return findings;
}

async function checkEndpoint(
  name: string,
  position: number,
  url: string,
  chainId: bigint,
  finality: FinalityRule,
  vault: string | undefined,
): Promise<Finding> {
  const base = { name: `${name}, endpoint ${position}`, where: "elsewhere" } as const;
  const advice = "Check the URL and its key, ask the provider, or replace the endpoint.";
  try {
    const pool = createRpcPool({ chainId, urls: [url], tuning: { timeoutMs: REQUEST_MS } });
    const startedMs = performance.now();
    const latest = block.parse(await pool.request("eth_getBlockByNumber", ["latest", false]));
    const answerMs = Math.round(performance.now() - startedMs);
    const tag = finality.kind === "depth" ? "latest" : finality.kind;
    const final = block.parse(await pool.request("eth_getBlockByNumber", [tag, false]));
    if (vault !== undefined && (await pool.request("eth_getCode", [vault, "latest"])) === "0x") {
      return { ...base, level: "problem", message: `no contract at the vault's address ${vault}`, advice };
    }
    const ageSeconds = Math.round(Date.now() / 1000 - Number(latest.timestamp));
    const message =
      `block ${BigInt(latest.number)}, ${tag} ${BigInt(final.number)}, answers in ${answerMs} ms; ` +
      `its newest block is ${ageSeconds} s old by this machine's clock (information only: nothing here depends on clocks)`;
    return { ...base, level: "ok", message };
  } catch (error) {
    return { ...base, level: "problem", message: reasonOf(error), advice };
  }
}

export async function checkMarket(config: NodeConfig): Promise<Finding> {
  const base = { name: "market adapter", where: "elsewhere" } as const;
  if (config.market === undefined) {
    return { ...base, level: "info", message: "none: this member reports neither time nor prices" };
  }
  try {
    const answer = await fetch(config.market.url, { signal: AbortSignal.timeout(REQUEST_MS) });
    const decoded = decodeMarketAnswer(await answer.json());
    if (decoded === undefined) throw new Error("JSON that is no market answer");
    const { prices } = decoded;
    return { ...base, level: "ok", message: `answers with prices of ${prices.length} markets` };
  } catch (error) {
    const advice = "Start the adapter, or check market.url; until then this member abstains on prices.";
    return { ...base, level: "problem", message: reasonOf(error), advice };
  }
}

/** Whether the node that this configuration describes runs already. */
export async function checkOwnApi(config: NodeConfig): Promise<Finding> {
  const base = { name: "own API", where: "here", level: "info" } as const;
  const { host, port } = config.api;
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  try {
    const url = `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
    const { index, round, certifiedSequence, peers } = await createApiClient({ url, timeoutMs: REQUEST_MS }).status();
    const connected = peers.filter((peer) => peer.connected && peer.index !== index).length;
    return {
      ...base,
      message: `the node runs: round ${round}, certified batch ${certifiedSequence}, ${connected} peers`,
    };
  } catch (error) {
    return { ...base, message: `the node does not answer (${reasonOf(error)}); that is right before its start` };
  }
}

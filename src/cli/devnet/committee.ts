/** A devnet's files: committee file, password, and each member's folder with keystores and configuration. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { stringify } from "yaml";
import { saveMemberKeys } from "../../keys/member-keys.ts";
import type { LedgerGenesis } from "../../ledger/types.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { encodeCommitteeFile } from "../../node/committee-file.ts";
import type { CommitteeDefinition } from "../../threshold/ceremony/definition.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { Suite } from "../../threshold/types.ts";

export interface DevnetMember {
  readonly identity: Uint8Array;
  readonly shares: Readonly<Record<Suite, Uint8Array>>;
}

export interface DevnetCommittee {
  readonly committee: Committee;
  readonly members: readonly DevnetMember[];
  /** What the members signed about their keys; without it the committee file calls itself insecure. */
  readonly definition?: CommitteeDefinition;
}

export interface DevnetLayout {
  readonly directory: string;
  readonly committeeFile: string;
  readonly passwordFile: string;
  /** By person: the first members by their index, then everybody who joined since. A person keeps folder, ports and identity. */
  readonly nodeConfigs: readonly string[];
  readonly apiUrls: readonly string[];
}

export interface DevnetPorts {
  readonly p2p: readonly number[];
  readonly api: readonly number[];
}

/** What all members watch. */
export interface DevnetSurroundings {
  readonly chains: readonly { readonly chainId: bigint; readonly url: string }[];
  readonly marketUrl: string | undefined;
}

/** A person's key folder. */
export function keysFolder(directory: string, person: number): string {
  return join(directory, `node-${person}`, "keys");
}

export function apiUrlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

export function multiaddrOf(port: number): string {
  return `/ip4/127.0.0.1/tcp/${port}`;
}

/** Writes committee file, password, keystores and configurations. */
export async function writeDevnet(
  options: {
    readonly directory: string;
    readonly dealt: DevnetCommittee;
    readonly genesis: LedgerGenesis;
    readonly ports: DevnetPorts;
  } & DevnetSurroundings,
): Promise<DevnetLayout> {
  const { directory, dealt, genesis, ports } = options;
  const { committee, members, definition } = dealt;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const committeeFile = join(directory, "committee.json");
  const passwordFile = join(directory, "password.txt");
  writeFileSync(committeeFile, encodeCommitteeFile(committee, genesis, definition));
  writeFileSync(passwordFile, `${bytesToHex(randomBytes(16)).slice(2)}\n`, { mode: 0o600 });
  writeFileSync(
    join(directory, "DEVELOPMENT-ONLY.txt"),
    "One process on this machine made all of these keys and passwords, so that nothing here is anybody's secret. For development only:\n" +
      "never put money behind them. In a real committee every member makes its own (clockless keys, clockless committee).\n",
  );
  const peers = members.map(({ identity }, index) => ({
    address: committee.members[index]!.address,
    publicKey: bytesToHex(secp256k1.getPublicKey(identity, true)),
    multiaddrs: [multiaddrOf(ports.p2p[index]!)],
  }));
  const apiUrls = ports.api.map(apiUrlOf);
  const nodeConfigs: string[] = [];
  for (const [index, keys] of members.entries()) {
    const folder = keysFolder(directory, index);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await saveMemberKeys(folder, keys, {
      password: { kind: "file", path: passwordFile },
      strength: "lightForDevnet",
      publicShares: publicSharesOf(committee, index),
    });
    const place = { person: index, p2p: ports.p2p[index]!, api: ports.api[index]! };
    const layout = { directory, committeeFile, passwordFile };
    nodeConfigs.push(writeNodeConfig(layout, place, options, apiUrls, { index, peers }));
  }
  return { directory, committeeFile, passwordFile, nodeConfigs, apiUrls };
}

/**
 * `joinApis`: whom it asks while it is no member, or was left behind. `seat`: where it sits and whom it meets in the first committee,
 * if it is in that. Returns the file.
 */
export function writeNodeConfig(
  layout: Pick<DevnetLayout, "directory" | "committeeFile" | "passwordFile">,
  { person, p2p, api }: { readonly person: number; readonly p2p: number; readonly api: number },
  { chains, marketUrl }: DevnetSurroundings,
  joinApis: readonly string[],
  seat?: { readonly index: number; readonly peers: readonly object[] },
): string {
  const { directory, committeeFile, passwordFile } = layout;
  const home = join(directory, `node-${person}`);
  const config = {
    committeeFile,
    ...(seat === undefined ? {} : { index: seat.index }),
    join: { apis: joinApis },
    dataDir: join(home, "data"),
    keys: { directory: keysFolder(directory, person), passwordFile, light: true },
    p2p: { listen: [multiaddrOf(p2p)], peers: seat?.peers ?? [] },
    api: { host: "127.0.0.1", port: api, requestsPerSecond: 0 },
    // A devnet's chains have one endpoint each and final blocks at once; a real member names several and waits for finality.
    chains: chains.map(({ chainId, url }) => ({
      chainId: chainId.toString(),
      rpcUrls: [url],
      finality: { kind: "depth", blocks: 0 },
      fromBlock: "0",
      pollingIntervalMs: 200,
    })),
    ...(marketUrl === undefined ? {} : { market: { url: marketUrl, pollingIntervalMs: 200 } }),
    pacing: { busyIntervalMs: 5, idleIntervalMs: 250, retryMs: 500 },
    log: { level: "info", format: "json" },
  };
  const file = join(home, "node.yaml");
  writeFileSync(file, stringify(config));
  return file;
}

function publicSharesOf(committee: Committee, index: number): Record<Suite, Uint8Array> {
  const share = (suite: Suite): Uint8Array => {
    const listed: Hex | undefined = committee.keys[suite].publicShares[index];
    if (listed === undefined) throw new RangeError(`no public share of member ${index}`);
    return hexToBytes(listed);
  };
  return { "bls12-381": share("bls12-381"), bn254: share("bn254") };
}

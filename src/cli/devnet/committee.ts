/**
 * A committee for a devnet: identities, keys dealt by this one process (INSECURE: whoever runs this has held the whole key), and
 * each member's folder with keystores and configuration.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { stringify } from "yaml";
import { saveMemberKeys } from "../../keys/member-keys.ts";
import type { LedgerGenesis } from "../../ledger/types.ts";
import { addressOf } from "../../lib/ecdsa.ts";
import { keccakOfHex } from "../../lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import { encodeCommitteeFile } from "../../node/committee-file.ts";
import type { Committee } from "../../threshold/committee.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../../threshold/dealer.ts";
import { createEngines } from "../../threshold/engines.ts";
import { SUITES, type Suite } from "../../threshold/types.ts";

export interface DevnetMember {
  readonly identity: Uint8Array;
  readonly shares: Readonly<Record<Suite, Uint8Array>>;
}

export interface DevnetCommittee {
  readonly committee: Committee;
  readonly members: readonly DevnetMember[];
}

/** Deals fresh keys in both suites. */
export async function dealDevnetCommittee(n: number): Promise<DevnetCommittee> {
  const engines = await createEngines("fast");
  const threshold = quorumOf(n);
  const identities = Array.from({ length: n }, () => new Uint8Array(randomBytes(32)));
  const dealt = Object.fromEntries(
    SUITES.map((suite) => [
      suite,
      dealInsecure(engines[suite], n, threshold, new Uint8Array(randomBytes(insecureDealRandomnessLength(threshold)))),
    ]),
  ) as Record<Suite, ReturnType<typeof dealInsecure>>; // CAST: one entry per suite
  const groupKeys = SUITES.map((suite) => dealt[suite].key.groupKey);
  return {
    committee: {
      id: keccakOfHex(bytesToHex(randomBytes(32)), ...groupKeys),
      epoch: 0n,
      members: identities.map((identity) => ({ address: addressOf(identity) })),
      keys: { "bls12-381": dealt["bls12-381"].key, bn254: dealt.bn254.key },
      requiredSuites: SUITES,
    },
    members: identities.map((identity, index) => ({
      identity,
      shares: { "bls12-381": dealt["bls12-381"].shares[index]!, bn254: dealt.bn254.shares[index]! },
    })),
  };
}

export interface DevnetLayout {
  readonly directory: string;
  readonly committeeFile: string;
  readonly passwordFile: string;
  /** Configuration file of each member. */
  readonly nodeConfigs: readonly string[];
  readonly apiUrls: readonly string[];
}

export interface DevnetPorts {
  readonly p2p: readonly number[];
  readonly api: readonly number[];
}

/** Writes committee file, password, keystores and configurations. */
export async function writeDevnet(options: {
  readonly directory: string;
  readonly dealt: DevnetCommittee;
  readonly genesis: LedgerGenesis;
  readonly ports: DevnetPorts;
  readonly chains: readonly { readonly chainId: bigint; readonly url: string }[];
  readonly marketUrl: string | undefined;
}): Promise<DevnetLayout> {
  const { directory, dealt, genesis, ports, chains, marketUrl } = options;
  const { committee, members } = dealt;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const committeeFile = join(directory, "committee.json");
  const passwordFile = join(directory, "password.txt");
  writeFileSync(committeeFile, encodeCommitteeFile(committee, genesis));
  writeFileSync(passwordFile, `${bytesToHex(randomBytes(16)).slice(2)}\n`, { mode: 0o600 });
  writeFileSync(
    join(directory, "INSECURE.txt"),
    "These keys were dealt by one process that held the whole secret. For development only: never put money behind them.\n",
  );
  const peers = members.map(({ identity }, index) => ({
    address: committee.members[index]!.address,
    publicKey: bytesToHex(secp256k1.getPublicKey(identity, true)),
    multiaddrs: [`/ip4/127.0.0.1/tcp/${ports.p2p[index]}`],
  }));
  const nodeConfigs: string[] = [];
  for (const [index, keys] of members.entries()) {
    const home = join(directory, `node-${index}`);
    const keysDirectory = join(home, "keys");
    mkdirSync(keysDirectory, { recursive: true, mode: 0o700 });
    await saveMemberKeys(keysDirectory, keys, {
      password: { kind: "file", path: passwordFile },
      strength: "lightForDevnet",
      publicShares: publicSharesOf(committee, index),
    });
    const config = {
      committeeFile,
      index,
      dataDir: join(home, "data"),
      keys: { directory: keysDirectory, passwordFile },
      p2p: { listen: [`/ip4/127.0.0.1/tcp/${ports.p2p[index]}`], peers },
      api: { host: "127.0.0.1", port: ports.api[index], requestsPerSecond: 0 },
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
    nodeConfigs.push(file);
  }
  return {
    directory,
    committeeFile,
    passwordFile,
    nodeConfigs,
    apiUrls: ports.api.map((port) => `http://127.0.0.1:${port}`),
  };
}

function publicSharesOf(committee: Committee, index: number): Record<Suite, Uint8Array> {
  const share = (suite: Suite): Uint8Array => {
    const listed: Hex | undefined = committee.keys[suite].publicShares[index];
    if (listed === undefined) throw new RangeError(`no public share of member ${index}`);
    return hexToBytes(listed);
  };
  return { "bls12-381": share("bls12-381"), bn254: share("bn254") };
}

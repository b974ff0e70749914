/** What can be found out on this machine: committee file, keys, disk. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { epochFolder, openEpochKeys } from "../../keys/epoch-keys.ts";
import { checkMemberKeys, IDENTITY_FILE, shareFile } from "../../keys/member-keys.ts";
import type { PasswordSource } from "../../keys/port.ts";
import { readSecretFile } from "../../keys/secret-file.ts";
import type { LedgerGenesis } from "../../ledger/types.ts";
import { addressOf } from "../../lib/ecdsa.ts";
import type { NodeConfig } from "../../node/config.ts";
import type { Committee } from "../../threshold/committee.ts";
import { createEngines } from "../../threshold/engines.ts";
import { SUITES } from "../../threshold/types.ts";
import { readCommitteeFile } from "../trust.ts";
import { type Finding, reasonOf } from "./findings.ts";

/** A member waits for the disk once per step that signs. */
const SLOW_SYNC_MS = 20;
const LOW_SPACE_BYTES = 2 ** 30;

type Pinned = { readonly committee: Committee; readonly genesis: LedgerGenesis };

export function checkCommittee(config: NodeConfig): { finding: Finding; pinned: Pinned | undefined } {
  const base = { name: "committee file", where: "here" } as const;
  let pinned: Pinned;
  try {
    pinned = readCommitteeFile(config.committeeFile);
  } catch (error) {
    const advice = "Get the committee file again from a source you trust.";
    return { finding: { ...base, level: "problem", message: reasonOf(error), advice }, pinned: undefined };
  }
  const { index, join: joining } = config;
  const { members } = pinned.committee;
  const problem = (message: string): { finding: Finding; pinned: Pinned } => {
    return { finding: { ...base, level: "problem", message, advice: "Correct the configuration." }, pinned };
  };
  if (index !== undefined && index >= members.length) {
    return problem(`index ${index} is no member: there are ${members.length}`);
  }
  const { peers } = config.p2p;
  const wrong = members.findIndex(({ address }, k) => peers[k]?.address !== address);
  // Who joins later learns from the committee's own record where its members are.
  if (
    (wrong >= 0 || peers.length !== members.length) &&
    (index !== undefined || joining === undefined || peers.length > 0)
  ) {
    return problem(`p2p.peers does not list the committee's ${members.length} addresses in its order`);
  }
  const who = index === undefined ? "found by its identity, or joining" : `member ${index} of ${members.length}`;
  return { finding: { ...base, level: "ok", message: `${who}, committee ${pinned.committee.id}` }, pinned };
}

/** Opens the keystores if their password needs no person; else only checks that they are there and private. */
export async function checkKeys(
  config: NodeConfig,
  pinned: Pinned | undefined,
  password: PasswordSource,
): Promise<Finding> {
  const base = { name: "keys", where: "here" } as const;
  const { directory } = config.keys;
  try {
    const newest = newestShares(directory);
    const shares =
      newest === undefined ? [] : SUITES.map((suite) => join(epochFolder(directory, newest), shareFile(suite)));
    for (const file of [join(directory, IDENTITY_FILE), ...shares]) readSecretFile(file);
    if (newest === undefined && config.join === undefined) throw new Error("there are no shares in the key folder");
    if (password.kind === "prompt") return { ...base, level: "ok", message: "there and private; not opened" };
    const keys = openEpochKeys({ directory, password });
    const identity = await keys.identity();
    if (newest === undefined) {
      return { ...base, level: "ok", message: "the identity opens; no shares yet: it joins when a committee has it" };
    }
    const opened = await keys.shares(newest);
    const index = config.index ?? pinned?.committee.members.findIndex(({ address }) => address === addressOf(identity));
    const isFirst = newest === 0n && index !== undefined && pinned?.committee.members[index] !== undefined;
    if (!isFirst || opened === undefined) {
      return { ...base, level: "ok", message: `they open; the newest shares are of epoch ${newest}` };
    }
    const engines = await createEngines("fast");
    checkMemberKeys({ identity, shares: opened }, { committee: pinned.committee, index, engines });
    return { ...base, level: "ok", message: "they open, and they are this member's" };
  } catch (error) {
    return { ...base, level: "problem", message: reasonOf(error), advice: "Restore this member's own keystores." };
  }
}

/** The newest epoch that a key folder has shares of. */
function newestShares(directory: string): bigint | undefined {
  const epochs = readdirSync(directory).flatMap((name) => {
    if (name === shareFile("bls12-381")) return 0n;
    const folder = /^epoch-([0-9]{1,20})$/.exec(name);
    return folder === null ? [] : BigInt(folder[1]!);
  });
  return epochs.reduce<bigint | undefined>(
    (best, epoch) => (best === undefined || epoch > best ? epoch : best),
    undefined,
  );
}

/** Measures what decides a member's speed: how long a small write takes to be durable. */
export function checkDisk(config: NodeConfig): Finding[] {
  const dataDir = resolve(config.dataDir);
  const base = { name: "disk", where: "here" } as const;
  // Before the first start the folder is not there yet; its parent is on the same disk.
  const folder = existsSync(dataDir) ? dataDir : dirname(dataDir);
  try {
    const findings: Finding[] = [];
    if (folder === dataDir && process.getuid !== undefined && (statSync(dataDir).mode & 0o077) !== 0) {
      const advice = `chmod 700 ${dataDir}`;
      findings.push({ ...base, name: "data directory", level: "warning", message: "others may read it", advice });
    }
    const syncMs = medianSyncMs(folder);
    const message = `a durable write takes ${syncMs.toFixed(1)} ms (median)`;
    findings.push(
      syncMs <= SLOW_SYNC_MS
        ? { ...base, level: "ok", message }
        : { ...base, level: "warning", message, advice: "Use a local SSD: every signature waits for the disk." },
    );
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const room = { ...base, name: "disk space", message: `${(free / 2 ** 30).toFixed(1)} GiB free` };
    findings.push(
      free >= LOW_SPACE_BYTES
        ? { ...room, level: "ok" }
        : { ...room, level: "problem", advice: "Free space: a member stops when its disk is full." },
    );
    return findings;
  } catch (error) {
    const advice = `Make sure that ${folder} exists and this user may write to it.`;
    return [{ ...base, level: "problem", message: reasonOf(error), advice }];
  }
}

function medianSyncMs(folder: string): number {
  const scratch = mkdtempSync(join(folder, ".clockless-doctor-"));
  try {
    const file = openSync(join(scratch, "sync"), "w", 0o600);
    const block = Buffer.alloc(4096, 1);
    const times: number[] = [];
    for (let i = 0; i < 15; i++) {
      const startedMs = performance.now();
      writeSync(file, block);
      fsyncSync(file);
      times.push(performance.now() - startedMs);
    }
    closeSync(file);
    return times.sort((a, b) => a - b)[7]!;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * A member's key folder over the epochs:
 *
 *   identity.json, share-<suite>.json            the identity, and the shares of epoch 0 (member-keys.ts)
 *   epoch-<e>/share-<suite>.json                 the shares of epoch e ≥ 1, EIP-2335
 *   encryption-key-<epoch>-<attempt>.json        the X25519 key announced for one attempt at making that epoch, EIP-2335
 *
 * A committee that changes protects as long as fewer than t shares of each epoch are ever exposed, so what is not needed any more
 * is overwritten and removed. A medium that keeps old blocks (flash, snapshots, backups) is the operator's business.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readdirSync, rmdirSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { equalBytes } from "../lib/bytes.ts";
import { type Hex, hexToBytes } from "../lib/hex.ts";
import { SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";
import { SCRYPT_COST } from "./cipher.ts";
import { loadEncryptionKey } from "./encryption-key-file.ts";
import { IDENTITY_FILE, loadIdentity, loadShare, saveShare, shareFile } from "./member-keys.ts";
import { readPassword } from "./password.ts";
import { KeyError, type KeystoreStrength, type MemberKeys, type PasswordSource } from "./port.ts";
import { readSecretFile } from "./secret-file.ts";

type Shares = MemberKeys["shares"];

/** Where the shares of an epoch are. */
export function epochFolder(directory: string, epoch: bigint): string {
  return epoch === 0n ? directory : join(directory, `epoch-${epoch}`);
}

/** Where the encryption key of an attempt at making `epoch` is (encryption-key-file.ts). */
export function encryptionKeyPath(directory: string, epoch: bigint, attempt: bigint): string {
  return join(directory, `encryption-key-${epoch}-${attempt}.json`);
}

export const EPOCH_FOLDER = /^epoch-([1-9][0-9]{0,19})$/;
const ENCRYPTION_KEY_FILE = /^encryption-key-([1-9][0-9]{0,19})-([1-9][0-9]{0,19})\.json$/;

export interface EpochKeys {
  readonly directory: string;
  /** Throws KeyError. */
  identity(): Promise<Uint8Array>;
  /** Undefined when this folder has none of that epoch. Throws KeyError, also when one suite's file is there and the other's is not. */
  shares(epoch: bigint): Promise<Shares | undefined>;
  /**
   * Durable when it resolves. Other shares of that epoch are overwritten: an attempt that a later one superseded opened them. Only
   * for shares that were opened against `keys`, which the order names. Throws KeyError.
   */
  saveShares(epoch: bigint, shares: Shares, keys: Readonly<Record<Suite, ThresholdKey>>, index: number): Promise<void>;
  /** Secret of the encryption key announced for an attempt; undefined when this folder does not have it. Throws KeyError. */
  encryptionKey(epoch: bigint, attempt: bigint, publicKey: Hex): Promise<Uint8Array | undefined>;
  /**
   * Erases the shares of all epochs before this one and the encryption keys of all attempts at making it or an earlier one. Call
   * it when the epoch has begun and its own shares are on disk. Returns the names of what was erased. Throws KeyError `keyFileFailure`.
   */
  eraseBefore(epoch: bigint): readonly string[];
}

export interface EpochKeysOptions {
  readonly directory: string;
  /** Asked once; new keystores get the same password. */
  readonly password: PasswordSource;
  /** Of new keystores; default: as strong as the identity's. */
  readonly strength?: KeystoreStrength | undefined;
}

export function openEpochKeys({ directory, password: source, strength: given }: EpochKeysOptions): EpochKeys {
  const password = askedOnce(source);
  const strength = given ?? strengthOf(directory);

  const shares = async (epoch: bigint): Promise<Shares | undefined> => {
    const folder = epochFolder(directory, epoch);
    // One after the other: each derives a key with 256 MiB of memory.
    const bls12381 = await ifThere(() => loadShare(join(folder, shareFile("bls12-381")), "bls12-381", password));
    if (bls12381 === undefined) return undefined;
    return { "bls12-381": bls12381, bn254: await loadShare(join(folder, shareFile("bn254")), "bn254", password) };
  };

  return {
    directory,
    identity: () => loadIdentity(join(directory, IDENTITY_FILE), password),
    shares,

    saveShares: inTurn<Parameters<EpochKeys["saveShares"]>>(async (epoch, secrets, keys, index) => {
      const folder = epochFolder(directory, epoch);
      // The suite that `shares` looks for comes last: a crash between the two leaves none, and opening starts again.
      for (const suite of [...SUITES].reverse()) {
        const path = join(folder, shareFile(suite));
        const known = await ifThere(() => loadShare(path, suite, password));
        if (known !== undefined) {
          if (equalBytes(known, secrets[suite])) continue;
          eraseFile(path);
        }
        const publicShare = hexToBytes(keys[suite].publicShares[index]!);
        await saveShare(path, { suite, secret: secrets[suite], publicShare }, { password, strength });
      }
    }),

    encryptionKey: (epoch, attempt, publicKey) =>
      ifThere(() => loadEncryptionKey(encryptionKeyPath(directory, epoch, attempt), publicKey, password)),

    eraseBefore(epoch) {
      const erased: string[] = [];
      const erase = (...path: string[]): void => {
        if (eraseFile(join(directory, ...path))) erased.push(path.join("/"));
      };
      if (epoch > 0n) for (const suite of SUITES) erase(shareFile(suite));
      for (const name of readdirSync(directory)) {
        const folder = EPOCH_FOLDER.exec(name);
        if (folder !== null && BigInt(folder[1]!) < epoch) {
          for (const file of readdirSync(join(directory, name))) erase(name, file);
          rmdirSync(join(directory, name));
        }
        const attempt = ENCRYPTION_KEY_FILE.exec(name);
        if (attempt !== null && BigInt(attempt[1]!) <= epoch) erase(name);
      }
      if (erased.length > 0) syncFolder(directory);
      return erased;
    },
  };
}

/** A devnet's throw-away keys stay cheap to open; anything that is not plainly one of those gets the full cost. */
function strengthOf(directory: string): KeystoreStrength {
  const cost = z.object({ crypto: z.object({ kdf: z.literal("scrypt"), kdfparams: z.object({ n: z.int() }) }) });
  try {
    const found = cost.parse(JSON.parse(readSecretFile(join(directory, IDENTITY_FILE))));
    return found.crypto.kdfparams.n <= SCRYPT_COST.lightForDevnet.n ? "lightForDevnet" : "full";
  } catch {
    // What is wrong with the identity is said when it is opened.
    return "full";
  }
}

async function ifThere<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof KeyError && error.code === "keyFileMissing") return undefined;
    throw error;
  }
}

/** One call after the other: two that save the same shares at once would find half of each other's work. */
function inTurn<A extends readonly unknown[]>(action: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (...args) => {
    const next = last.then(() => action(...args));
    // Whoever called hears of a failure; the next one is not concerned.
    last = next.catch(() => {});
    return next;
  };
}

/**
 * A person is asked once per start of the process, and a file or variable may be gone an hour later: what the node writes then is
 * sealed with the same answer.
 */
function askedOnce(source: PasswordSource): PasswordSource {
  let answer: Promise<string> | undefined;
  return {
    kind: "prompt",
    ask() {
      answer ??= readPassword(source, "this member's keys");
      return answer;
    },
  };
}

/** Overwrites a file, syncs it and unlinks it. True when there was one. Throws KeyError `keyFileFailure`. */
export function eraseFile(path: string): boolean {
  try {
    const descriptor = openSync(path, "r+");
    try {
      const { size } = fstatSync(descriptor);
      writeSync(descriptor, new Uint8Array(size), 0, size, 0);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    unlinkSync(path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return false;
    throw new KeyError("keyFileFailure", `The file system failed at ${path}`, { cause, details: { path } });
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

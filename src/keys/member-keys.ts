/**
 * A member's key directory:
 *
 *   identity.json           Web3 v3, secp256k1
 *   share-bls12-381.json    EIP-2335, secret share
 *   share-bn254.json        EIP-2335, secret share
 */
import { join } from "node:path";
import { addressOf } from "../lib/ecdsa.ts";
import { type Address, bytesToHex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { decryptEip2335, encryptEip2335 } from "./eip2335.ts";
import { readPassword } from "./password.ts";
import { KeyError, type KeystoreStrength, type MemberKeys, type PasswordSource } from "./port.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";
import { decryptWeb3V3, encryptWeb3V3 } from "./web3-v3.ts";

export const IDENTITY_FILE = "identity.json";

export function shareFile(suite: Suite): string {
  return `share-${suite}.json`;
}

/** Followed by the suite. */
export const SHARE_DESCRIPTION = "Clockless secret share, suite ";

export interface SaveOptions {
  readonly password: PasswordSource;
  /** Default `full`. */
  readonly strength?: KeystoreStrength;
  /** Overwrite an existing file; default false. */
  readonly replace?: boolean;
}

/** Writes one identity keystore. Throws KeyError. */
export async function saveIdentity(path: string, identity: Uint8Array, options: SaveOptions): Promise<void> {
  const password = await readPassword(options.password, "the new identity key");
  const text = await encryptWeb3V3({ secret: identity, password, strength: options.strength ?? "full" });
  writeSecretFile(path, text, { replace: options.replace ?? false });
}

/** Reads one identity keystore. Throws KeyError. */
export async function loadIdentity(path: string, password: PasswordSource): Promise<Uint8Array> {
  const text = readSecretFile(path);
  return decryptWeb3V3(text, await readPassword(password, `identity key ${path}`));
}

/** Writes one share. `publicShare` (canonical bytes) goes into the file so that people can tell shares apart. Throws KeyError. */
export async function saveShare(
  path: string,
  share: { readonly suite: Suite; readonly secret: Uint8Array; readonly publicShare?: Uint8Array },
  options: SaveOptions,
): Promise<void> {
  const password = await readPassword(options.password, `the new ${share.suite} share`);
  const text = await encryptEip2335({
    secret: share.secret,
    password,
    strength: options.strength ?? "full",
    description: `${SHARE_DESCRIPTION}${share.suite}`,
    ...(share.publicShare === undefined ? {} : { pubkey: bytesToHex(share.publicShare).slice(2) }),
  });
  writeSecretFile(path, text, { replace: options.replace ?? false });
}

/** Reads one share; a file that says it is of another suite is refused. Throws KeyError. */
export async function loadShare(path: string, suite: Suite, password: PasswordSource): Promise<Uint8Array> {
  const text = readSecretFile(path);
  const { secret, description } = await decryptEip2335(text, await readPassword(password, `${suite} share ${path}`));
  if (description?.startsWith(SHARE_DESCRIPTION) && description !== `${SHARE_DESCRIPTION}${suite}`) {
    throw new KeyError("keyMismatch", `The file holds a share of another suite than ${suite}`, {
      details: { path, description },
    });
  }
  if (secret.length !== 32) throw new KeyError("keyFileMalformed", "A share has 32 bytes", { details: { path } });
  return secret;
}

/** Writes all keys of a member. Without `replace`, files that exist stop it (KeyError `keyFileExists`) before later ones are written. */
export async function saveMemberKeys(
  directory: string,
  keys: MemberKeys,
  options: SaveOptions & { readonly publicShares?: Readonly<Record<Suite, Uint8Array>> },
): Promise<void> {
  await saveIdentity(join(directory, IDENTITY_FILE), keys.identity, options);
  for (const suite of SUITES) {
    const publicShare = options.publicShares?.[suite];
    const share = { suite, secret: keys.shares[suite], ...(publicShare === undefined ? {} : { publicShare }) };
    await saveShare(join(directory, shareFile(suite)), share, options);
  }
}

/** Reads all keys of a member; asks for the password once. Throws KeyError. */
export async function loadMemberKeys(directory: string, password: PasswordSource): Promise<MemberKeys> {
  const once = rememberPassword(password);
  const identity = await loadIdentity(join(directory, IDENTITY_FILE), once);
  const [bls12381, bn254] = await Promise.all([
    loadShare(join(directory, shareFile("bls12-381")), "bls12-381", once),
    loadShare(join(directory, shareFile("bn254")), "bn254", once),
  ]);
  return { identity, shares: { "bls12-381": bls12381, bn254 } };
}

/** A person is asked once per start, not once per file. */
function rememberPassword(source: PasswordSource): PasswordSource {
  if (source.kind !== "prompt") return source;
  let answer: Promise<string> | undefined;
  return {
    kind: "prompt",
    ask() {
      answer ??= source.ask("this member's keys");
      return answer;
    },
  };
}

/**
 * Refuses keys that are not this member's: signing with a foreign or stale share yields partials that everybody blames on us.
 * Throws KeyError `keyMismatch`.
 */
export function checkMemberKeys(
  keys: MemberKeys,
  member: { readonly committee: Committee; readonly index: number; readonly engines: Readonly<Record<Suite, Engine>> },
): void {
  const { committee, index, engines } = member;
  const expected = committee.members[index]?.address;
  const actual: Address = addressOf(keys.identity);
  if (actual !== expected) {
    throw new KeyError("keyMismatch", `The identity key is not that of member ${index}`, {
      details: { index, expected, actual },
    });
  }
  for (const suite of SUITES) {
    const publicShare = bytesToHex(engines[suite].publicKey(keys.shares[suite]));
    const listed = committee.keys[suite].publicShares[index];
    if (publicShare !== listed) {
      throw new KeyError(
        "keyMismatch",
        `The ${suite} share is not that of member ${index} in epoch ${committee.epoch}`,
        {
          details: { index, suite, epoch: committee.epoch, expected: listed, actual: publicShare },
        },
      );
    }
  }
}

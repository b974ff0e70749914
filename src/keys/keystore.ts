/** What a keystore is of, as it says itself, and where a member's key folder has it (member-keys.ts, epoch-keys.ts). */
import { join } from "node:path";
import * as z from "zod";
import { addressOf } from "../lib/ecdsa.ts";
import { decodeForeign } from "../lib/foreign-json.ts";
import { type Address, bytesToHex, type Hex } from "../lib/hex.ts";
import { ceremonyScope } from "../threshold/ceremony/roster.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { decryptEip2335, readEip2335 } from "./eip2335.ts";
import { ENCRYPTION_KEY_DESCRIPTION } from "./encryption-key-file.ts";
import { encryptionKeyPath, epochFolder } from "./epoch-keys.ts";
import { IDENTITY_FILE, SHARE_DESCRIPTION, shareFile } from "./member-keys.ts";
import { createNativeKeyAgreement } from "./native-agreement.ts";
import { KeyError } from "./port.ts";
import { decryptWeb3V3, readWeb3V3 } from "./web3-v3.ts";

export type Keystore =
  | { readonly kind: "identity"; readonly address: Address | undefined }
  | { readonly kind: "share"; readonly suite: Suite; readonly publicShare: Hex | undefined }
  | {
      readonly kind: "encryption";
      readonly publicKey: Hex;
      /** "ceremony NAME", or "epoch E, attempt A". */
      readonly purpose: string;
    };

/** Digits of a public share, by suite. */
const SHARE_DIGITS: Readonly<Record<Suite, number>> = { "bls12-381": 192, bn254: 256 };
const X25519_DIGITS = 64;
const PURPOSE = /^(?:ceremony (?<ceremony>.+)|epoch (?<epoch>[1-9]\d{0,19}), attempt (?<attempt>[1-9]\d{0,19}))$/;

const versioned = z.object({ version: z.union([z.literal(3), z.literal(4)]) });

/** Reads without a password: nothing here is proven. Throws KeyError keyFileMalformed, keyMismatch. */
export function readKeystore(text: string): Keystore {
  if (versionOf(text) === 3) return { kind: "identity", address: readWeb3V3(text) };
  const { pubkey, description = "" } = readEip2335(text);
  // CAST: the schema wants hexadecimal digits
  const publicKey = pubkey === undefined ? undefined : (`0x${pubkey}` as Hex);
  if (description.startsWith(ENCRYPTION_KEY_DESCRIPTION)) {
    if (publicKey === undefined || pubkey?.length !== X25519_DIGITS) {
      throw new KeyError("keyFileMalformed", "The keystore of an encryption key without its public key");
    }
    return { kind: "encryption", publicKey, purpose: description.slice(ENCRYPTION_KEY_DESCRIPTION.length) };
  }
  const named = SUITES.find((suite) => description === SHARE_DESCRIPTION + suite);
  const measured = SUITES.find((suite) => SHARE_DIGITS[suite] === pubkey?.length);
  const suite = named ?? measured;
  if (suite === undefined) {
    // A validator's key, most likely: its public key is in the other group.
    throw new KeyError("keyFileMalformed", "Neither a share nor an encryption key of Clockless", {
      details: { pubkey, description },
    });
  }
  if (pubkey !== undefined && measured !== suite) {
    throw new KeyError("keyMismatch", `The keystore says ${suite}, and names a public key that is not of that suite`, {
      details: { suite, pubkey },
    });
  }
  return { kind: "share", suite, publicShare: publicKey };
}

/**
 * Opens a keystore and compares what it says with the secret inside; answers with what is proven then.
 * Throws KeyError wrongPassword, keyMismatch, keyFileMalformed, keyFileFailure when the secret makes no key.
 */
export async function proveKeystore(
  text: string,
  password: string,
  engines: Readonly<Record<Suite, Engine>>,
): Promise<Keystore> {
  const claimed = readKeystore(text);
  if (claimed.kind === "identity") {
    const secret = await decryptWeb3V3(text, password);
    const address = addressOf(secret);
    secret.fill(0);
    return { kind: "identity", address };
  }
  const { secret } = await decryptEip2335(text, password);
  try {
    if (secret.length !== 32) throw new KeyError("keyFileMalformed", "A secret of 32 bytes was expected");
    const actual =
      claimed.kind === "share"
        ? bytesToHex(engines[claimed.suite].publicKey(secret))
        : bytesToHex(createNativeKeyAgreement().publicKey(secret));
    const stated = claimed.kind === "share" ? claimed.publicShare : claimed.publicKey;
    if (stated !== undefined && stated !== actual) {
      throw new KeyError("keyMismatch", "The keystore names another public key than its secret has", {
        details: { named: stated, actual },
      });
    }
    return claimed.kind === "share" ? { ...claimed, publicShare: actual } : { ...claimed, publicKey: actual };
  } finally {
    secret.fill(0);
  }
}

/** Where a key folder has this key; `epoch` is of shares alone. Throws KeyError keyFileMalformed for an unknown purpose. */
export function placeOf(directory: string, keystore: Keystore, epoch: bigint): string {
  switch (keystore.kind) {
    case "identity":
      return join(directory, IDENTITY_FILE);
    case "share":
      return join(epochFolder(directory, epoch), shareFile(keystore.suite));
    case "encryption": {
      const { ceremony, epoch: made, attempt } = PURPOSE.exec(keystore.purpose)?.groups ?? {};
      if (ceremony !== undefined) return ceremonyKeyPath(directory, ceremony);
      if (made !== undefined && attempt !== undefined) {
        return encryptionKeyPath(directory, BigInt(made), BigInt(attempt));
      }
      throw new KeyError("keyFileMalformed", "An encryption key that does not say what it was announced for", {
        details: { purpose: keystore.purpose },
      });
    }
  }
}

/** Where the encryption key of a ceremony is: its tag is the start of the ceremony's domain. */
export function ceremonyKeyPath(directory: string, ceremony: string): string {
  return join(directory, `encryption-${ceremonyScope(ceremony).domain.slice(2, 18)}.json`);
}

/** The same key, whatever file it is in. */
export function publicPartOf(keystore: Keystore): Hex | undefined {
  switch (keystore.kind) {
    case "identity":
      return keystore.address;
    case "share":
      return keystore.publicShare;
    case "encryption":
      return keystore.publicKey;
  }
}

function versionOf(text: string): 3 | 4 {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // JSON's own message quotes the text.
    throw new KeyError("keyFileMalformed", "Not a keystore: not JSON");
  }
  const parsed = decodeForeign(versioned, value);
  if (!parsed.success) throw new KeyError("keyFileMalformed", "Not a keystore of version 3 (Web3) or 4 (EIP-2335)");
  return parsed.data.version;
}

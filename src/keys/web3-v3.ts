/**
 * Web3 Secret Storage version 3, for secp256k1 secrets; geth, ethers and foundry read it.
 * https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage
 *
 * mac         = keccak256(derived key[16..32] ‖ cipher text)
 * cipher text = AES-128-CTR(derived key[0..16], iv, secret)
 */
import { randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import * as z from "zod";
import { concatBytes, utf8ToBytes } from "../lib/bytes.ts";
import { addressOf } from "../lib/ecdsa.ts";
import { keccak256 } from "../lib/hash.ts";
import type { Address } from "../lib/hex.ts";
import {
  cipherIv,
  decryptAes128Ctr,
  derivePbkdf2,
  deriveScrypt,
  encryptAes128Ctr,
  hexText,
  parseKeystore,
  pbkdf2Params,
  SCRYPT_COST,
  scryptParams,
} from "./cipher.ts";
import { KeyError, type KeystoreStrength } from "./port.ts";

const sealedPart = {
  cipher: z.literal("aes-128-ctr"),
  cipherparams: z.object({ iv: cipherIv }),
  ciphertext: hexText.length(64),
  mac: hexText.length(64),
};
const content = z.object({
  version: z.literal(3),
  address: z
    .string()
    .regex(/^(?:0x)?[0-9a-f]{40}$/i)
    .optional(),
  crypto: z.discriminatedUnion("kdf", [
    z.object({ ...sealedPart, kdf: z.literal("scrypt"), kdfparams: scryptParams }),
    z.object({ ...sealedPart, kdf: z.literal("pbkdf2"), kdfparams: pbkdf2Params }),
  ]),
});
/** Old geth and ethers spell the section "Crypto". */
const schema = z.preprocess(
  (value) =>
    typeof value === "object" && value !== null && "Crypto" in value ? { crypto: value.Crypto, ...value } : value,
  content,
);

export interface Web3V3Options {
  /** secp256k1 secret, 32 bytes in [1, n). */
  readonly secret: Uint8Array;
  readonly password: string;
  readonly strength: KeystoreStrength;
}

/** Keystore text (JSON). Throws KeyError `keyMismatch` on bytes that are no secp256k1 secret. */
export async function encryptWeb3V3(options: Web3V3Options): Promise<string> {
  const address = addressOfSecret(options.secret);
  const kdfparams = { dklen: 32 as const, ...SCRYPT_COST[options.strength], salt: randomBytes(32).toString("hex") };
  const iv = randomBytes(16);
  const key = await deriveScrypt(utf8ToBytes(options.password), kdfparams);
  const sealed = encryptAes128Ctr(key.subarray(0, 16), iv, options.secret);
  const mac = Buffer.from(keccak256(concatBytes(key.subarray(16, 32), sealed))).toString("hex");
  key.fill(0);
  return `${JSON.stringify(
    {
      version: 3,
      id: randomUUID(),
      address: address.slice(2),
      crypto: {
        cipher: "aes-128-ctr",
        cipherparams: { iv: iv.toString("hex") },
        ciphertext: Buffer.from(sealed).toString("hex"),
        kdf: "scrypt",
        kdfparams,
        mac,
      },
    },
    undefined,
    2,
  )}\n`;
}

/** The address that a keystore names, without a password. Throws KeyError `keyFileMalformed`. */
export function readWeb3V3(text: string): Address | undefined {
  const { address } = parseKeystore(schema, text);
  return address === undefined ? undefined : `0x${address.toLowerCase().replace(/^0x/, "")}`;
}

/** The 32-byte secret. Throws KeyError `keyFileMalformed`, `wrongPassword`, `keyMismatch` (the file names another address). */
export async function decryptWeb3V3(text: string, password: string): Promise<Uint8Array> {
  const { crypto, address } = parseKeystore(schema, text);
  const encoded = utf8ToBytes(password);
  const key = await (crypto.kdf === "scrypt"
    ? deriveScrypt(encoded, crypto.kdfparams)
    : derivePbkdf2(encoded, crypto.kdfparams));
  try {
    const sealed = Buffer.from(crypto.ciphertext, "hex");
    if (!timingSafeEqual(keccak256(concatBytes(key.subarray(16, 32), sealed)), Buffer.from(crypto.mac, "hex"))) {
      throw new KeyError("wrongPassword", "The password does not open this keystore");
    }
    const secret = decryptAes128Ctr(key.subarray(0, 16), Buffer.from(crypto.cipherparams.iv, "hex"), sealed);
    const actual = addressOfSecret(secret);
    if (address !== undefined && `0x${address.toLowerCase().replace(/^0x/, "")}` !== actual) {
      throw new KeyError("keyMismatch", "The keystore names another address than its key has", {
        details: { named: address, actual },
      });
    }
    return secret;
  } finally {
    key.fill(0);
  }
}

function addressOfSecret(secret: Uint8Array): Address {
  try {
    return addressOf(secret);
  } catch {
    // No cause: its message could quote the secret.
    throw new KeyError("keyMismatch", "Not a secp256k1 secret of 32 bytes");
  }
}

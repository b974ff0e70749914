/**
 * EIP-2335 keystores (version 4), for BLS secrets. https://eips.ethereum.org/EIPS/eip-2335
 *
 * decryption key = kdf(NFKD(password) without control codes), 32 bytes
 * checksum       = sha256(decryption key[16..32] ‖ cipher text)
 * cipher text    = AES-128-CTR(decryption key[0..16], iv, secret)
 */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import * as z from "zod";
import { utf8ToBytes } from "../lib/bytes.ts";
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

const schema = z.object({
  version: z.literal(4),
  crypto: z.object({
    kdf: z.discriminatedUnion("function", [
      z.object({ function: z.literal("scrypt"), params: scryptParams, message: z.literal("") }),
      z.object({ function: z.literal("pbkdf2"), params: pbkdf2Params, message: z.literal("") }),
    ]),
    checksum: z.object({ function: z.literal("sha256"), message: hexText.length(64) }),
    cipher: z.object({
      function: z.literal("aes-128-ctr"),
      params: z.object({ iv: cipherIv }),
      message: hexText.max(128),
    }),
  }),
  description: z.string().optional(),
  pubkey: hexText.optional(),
  path: z.string().default(""),
  uuid: z.string(),
});

export interface Eip2335Options {
  readonly secret: Uint8Array;
  readonly password: string;
  readonly strength: KeystoreStrength;
  /** Public key of the secret, hexadecimal without 0x, as the format wants it. */
  readonly pubkey?: string;
  readonly description?: string;
}

/** Keystore text (JSON). */
export async function encryptEip2335(options: Eip2335Options): Promise<string> {
  const params = { dklen: 32 as const, ...SCRYPT_COST[options.strength], salt: randomBytes(32).toString("hex") };
  const iv = randomBytes(16);
  const key = await deriveScrypt(encodePassword(options.password), params);
  const sealed = encryptAes128Ctr(key.subarray(0, 16), iv, options.secret);
  const message = checksum(key, sealed).toString("hex");
  key.fill(0);
  return `${JSON.stringify(
    {
      crypto: {
        kdf: { function: "scrypt", params, message: "" },
        checksum: { function: "sha256", params: {}, message },
        cipher: {
          function: "aes-128-ctr",
          params: { iv: iv.toString("hex") },
          message: Buffer.from(sealed).toString("hex"),
        },
      },
      description: options.description,
      pubkey: options.pubkey,
      path: "",
      uuid: randomUUID(),
      version: 4,
    },
    undefined,
    2,
  )}\n`;
}

export interface Eip2335Content {
  readonly secret: Uint8Array;
  /** As the file claims; verify it against the secret before trusting it. */
  readonly pubkey: string | undefined;
  readonly description: string | undefined;
}

/** What a keystore says of its secret, without a password. Throws KeyError `keyFileMalformed`. */
export function readEip2335(text: string): Omit<Eip2335Content, "secret"> {
  const { pubkey, description } = parseKeystore(schema, text);
  return { pubkey: pubkey?.toLowerCase(), description };
}

/** Throws KeyError `keyFileMalformed`, `wrongPassword`. */
export async function decryptEip2335(text: string, password: string): Promise<Eip2335Content> {
  const { crypto, pubkey, description } = parseKeystore(schema, text);
  const encoded = encodePassword(password);
  const { kdf } = crypto;
  const key = await (kdf.function === "scrypt" ? deriveScrypt(encoded, kdf.params) : derivePbkdf2(encoded, kdf.params));
  try {
    const sealed = Buffer.from(crypto.cipher.message, "hex");
    if (!timingSafeEqual(checksum(key, sealed), Buffer.from(crypto.checksum.message, "hex"))) {
      throw new KeyError("wrongPassword", "The password does not open this keystore");
    }
    const secret = decryptAes128Ctr(key.subarray(0, 16), Buffer.from(crypto.cipher.params.iv, "hex"), sealed);
    return { secret, pubkey: pubkey?.toLowerCase(), description };
  } finally {
    key.fill(0);
  }
}

function checksum(key: Uint8Array, sealed: Uint8Array): Buffer {
  return createHash("sha256").update(key.subarray(16, 32)).update(sealed).digest();
}

/** NFKD, then without C0, C1 and Delete, as the EIP demands: the same password from another keyboard must open the file. */
export function encodePassword(password: string): Uint8Array {
  return utf8ToBytes(password.normalize("NFKD").replace(/\p{Cc}/gu, ""));
}

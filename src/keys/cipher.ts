/**
 * What both keystore formats share: a password hash and AES-128-CTR. Parameters come from a file that somebody may have
 * prepared, so their cost is bounded before any work is done.
 */
import { createCipheriv, createDecipheriv, pbkdf2, scrypt } from "node:crypto";
import { promisify } from "node:util";
import * as z from "zod";
import { decodeForeign } from "../lib/foreign-json.ts";
import { KeyError, type KeystoreStrength } from "./port.ts";

const hexText = z.string().regex(/^(?:[0-9a-f]{2})*$/i);

/** Both formats use keys of 32 bytes: 16 for AES, 16 for the checksum. */
const dklen = z.literal(32);

export const scryptParams = z.object({
  dklen,
  n: z
    .int()
    .min(2)
    .max(2 ** 20),
  r: z.int().min(1).max(32),
  p: z.int().min(1).max(64),
  salt: hexText,
});
export const pbkdf2Params = z.object({
  dklen,
  c: z.int().min(1).max(10_000_000),
  prf: z.literal("hmac-sha256"),
  salt: hexText,
});
export const cipherIv = z.string().regex(/^[0-9a-f]{32}$/i);
export { hexText };

export type ScryptParams = z.infer<typeof scryptParams>;
export type Pbkdf2Params = z.infer<typeof pbkdf2Params>;

/** scrypt memory is 128·n·r bytes; more than this in a file is an attack on the machine, not a keystore. */
const MAX_SCRYPT_BYTES = 1024 * 1024 * 1024;

/** Costs by strength: the recommendation of EIP-2335 (256 MiB, about a second), and geth's "light" one (4 MiB). */
export const SCRYPT_COST: Readonly<Record<KeystoreStrength, { n: number; r: number; p: number }>> = {
  full: { n: 262_144, r: 8, p: 1 },
  lightForDevnet: { n: 4_096, r: 8, p: 6 },
};

const scryptAsync = promisify<
  string | Uint8Array,
  Uint8Array,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scrypt);
const pbkdf2Async = promisify(pbkdf2);

export async function deriveScrypt(password: Uint8Array, params: ScryptParams): Promise<Uint8Array> {
  const { n, r, p } = params;
  const bytes = 128 * n * r;
  // RFC 7914: n is a power of two below 2^(16·r); OpenSSL holds to it.
  if (bytes > MAX_SCRYPT_BYTES || (n & (n - 1)) !== 0 || n >= 2 ** (16 * r)) {
    throw new KeyError("keyFileMalformed", "Unreasonable scrypt parameters", { details: { n, r, p } });
  }
  const maxmem = bytes + 128 * r * (p + 2) + 1024 * 1024;
  return scryptAsync(password, Buffer.from(params.salt, "hex"), params.dklen, { N: n, r, p, maxmem });
}

export async function derivePbkdf2(password: Uint8Array, params: Pbkdf2Params): Promise<Uint8Array> {
  return pbkdf2Async(password, Buffer.from(params.salt, "hex"), params.c, params.dklen, "sha256");
}

export function encryptAes128Ctr(key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-128-ctr", key, iv);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

export function decryptAes128Ctr(key: Uint8Array, iv: Uint8Array, sealed: Uint8Array): Uint8Array {
  const decipher = createDecipheriv("aes-128-ctr", key, iv);
  return Uint8Array.from(Buffer.concat([decipher.update(sealed), decipher.final()]));
}

/** Parses keystore text against a schema. Throws KeyError `keyFileMalformed`, which names fields but never quotes the text. */
export function parseKeystore<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // JSON's own message quotes the text, and somebody may have put a bare key where a keystore belongs.
    throw new KeyError("keyFileMalformed", "The keystore is not JSON");
  }
  const parsed = decodeForeign(schema, value);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "(whole file)");
    throw new KeyError("keyFileMalformed", "Not a keystore of this kind", { details: { fields } });
  }
  return parsed.data;
}

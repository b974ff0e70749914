/**
 * The keystore of an attempt's encryption key (X25519): EIP-2335 like the shares that it receives. Whoever has this file,
 * its password and the public deals has the member's share, so it is erased once the share is stored and the epoch active.
 */
import { rmSync } from "node:fs";
import { type Hex, hexToBytes } from "../lib/hex.ts";
import { decryptEip2335, encryptEip2335 } from "./eip2335.ts";
import type { SaveOptions } from "./member-keys.ts";
import { readPassword } from "./password.ts";
import { KeyError, type PasswordSource } from "./port.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

/** Followed by the purpose. */
export const ENCRYPTION_KEY_DESCRIPTION = "Clockless encryption key, ";

export interface EncryptionKeyFile {
  /** X25519 secret, 32 bytes. */
  readonly secret: Uint8Array;
  readonly publicKey: Hex;
  /** What it was announced for, for people. */
  readonly purpose: string;
}

/** Throws KeyError. */
export async function saveEncryptionKey(path: string, key: EncryptionKeyFile, options: SaveOptions): Promise<void> {
  const password = await readPassword(options.password, "the new encryption key");
  const text = await encryptEip2335({
    secret: key.secret,
    password,
    strength: options.strength ?? "full",
    description: `${ENCRYPTION_KEY_DESCRIPTION}${key.purpose}`,
    pubkey: key.publicKey.slice(2),
  });
  writeSecretFile(path, text, { replace: options.replace ?? false });
}

/** The 32-byte secret. A file that names another public key is refused. Throws KeyError. */
export async function loadEncryptionKey(path: string, publicKey: Hex, password: PasswordSource): Promise<Uint8Array> {
  const text = readSecretFile(path);
  const { secret, pubkey } = await decryptEip2335(text, await readPassword(password, `encryption key ${path}`));
  if (pubkey !== publicKey.slice(2)) {
    throw new KeyError("keyMismatch", "The file holds another encryption key than was announced", {
      details: { path, announced: publicKey, named: pubkey },
    });
  }
  if (secret.length !== hexToBytes(publicKey).length) {
    throw new KeyError("keyFileMalformed", "An encryption key has 32 bytes", { details: { path } });
  }
  return secret;
}

/** Removes the file; what the medium keeps of it is the operator's business (encrypted disks). True when there was one. */
export function eraseEncryptionKey(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return false;
    throw new KeyError("keyFileFailure", `The file system failed at ${path}`, { cause, details: { path } });
  }
}

/** A user's signing key, from a file that only its owner may read, or from the environment; never from a flag. */

import { readPassword } from "../keys/password.ts";
import { KeyError, type PasswordSource } from "../keys/port.ts";
import { readSecretFile } from "../keys/secret-file.ts";
import { decryptWeb3V3 } from "../keys/web3-v3.ts";
import { hexToBytes, isHex } from "../lib/hex.ts";
import { UsageError } from "./errors.ts";
import { askPassword } from "./prompt.ts";

export const KEY_VARIABLE = "CLOCKLESS_SIGNER_KEY";

export interface KeyFlags {
  /** 32 bytes of hex, or a Web3 v3 keystore. */
  readonly keyFile?: string;
  readonly passwordFile?: string;
}

/** @throws UsageError missingOption, KeyError (no message quotes the key) */
export async function readSigningKey(
  { keyFile, passwordFile }: KeyFlags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Uint8Array> {
  if (keyFile === undefined) {
    const value = environment[KEY_VARIABLE];
    if (value === undefined) {
      throw new UsageError("missingOption", `no key: give --key-file FILE or set ${KEY_VARIABLE}`);
    }
    return parseKey(value, `the environment variable ${KEY_VARIABLE}`);
  }
  const text = readSecretFile(keyFile);
  if (!text.trimStart().startsWith("{")) return parseKey(text, keyFile);
  const password: PasswordSource =
    passwordFile === undefined ? { kind: "prompt", ask: askPassword } : { kind: "file", path: passwordFile };
  return decryptWeb3V3(text, await readPassword(password, keyFile));
}

function parseKey(text: string, where: string): Uint8Array {
  const trimmed = text.trim();
  const key = trimmed.startsWith("0x") ? trimmed : `0x${trimmed}`;
  if (!isHex(key, 32)) throw new KeyError("keyFileMalformed", `no private key of 32 bytes of hex in ${where}`);
  return hexToBytes(key);
}

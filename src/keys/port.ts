/** A member's secrets and how they are asked for. Nothing in this room logs, and no error carries a secret. */
import { ClocklessError } from "../lib/errors.ts";
import type { Suite } from "../threshold/types.ts";

/**
 * - `keyFileMissing`, `keyFileMalformed`, `keyFileExists`: the file is not there, is no keystore of this kind, or would be overwritten.
 * - `keyFilePermissions`: somebody but the owner may read or write the file.
 * - `wrongPassword`: the checksum does not match.
 * - `passwordMissing`: file empty, variable unset, or prompt unanswered.
 * - `keyMismatch`: the key inside does not belong to the public key or address that the file or caller names.
 * - `keyFileFailure`: the file system refused.
 */
export type KeyErrorCode =
  | "keyFileMissing"
  | "keyFileMalformed"
  | "keyFileExists"
  | "keyFilePermissions"
  | "wrongPassword"
  | "passwordMissing"
  | "keyMismatch"
  | "keyFileFailure";

export class KeyError extends ClocklessError<KeyErrorCode> {
  override readonly name = "KeyError";
}

export interface MemberKeys {
  /** secp256k1 secret, 32 bytes: signs blocks and is the libp2p identity. */
  readonly identity: Uint8Array;
  /** BLS secret shares, 32 bytes each, by suite. */
  readonly shares: Readonly<Record<Suite, Uint8Array>>;
}

/** Where a password comes from. Never a command-line flag: process lists are public. */
export type PasswordSource =
  /** First line of a file with mode 0600 or stricter. */
  | { readonly kind: "file"; readonly path: string }
  /** Value of an environment variable; the caller passes the environment, this room does not read the process. */
  | {
      readonly kind: "environment";
      readonly name: string;
      readonly environment: Readonly<Record<string, string | undefined>>;
    }
  /** Asked of a person; `subject` says which key it is for. */
  | { readonly kind: "prompt"; readonly ask: (subject: string) => Promise<string> };

/** Cost of the password hash. `lightForDevnet` is for throw-away keys only: a stolen file falls to a dictionary quickly. */
export type KeystoreStrength = "full" | "lightForDevnet";

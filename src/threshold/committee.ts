/** One committee as everybody may know it. Secrets live in `keys`. */
import type { Address, Hex } from "../lib/hex.ts";
import { maxFaulty, quorumOf } from "../lib/math.ts";
import type { Suite, ThresholdKey } from "./types.ts";

export interface CommitteeMember {
  /** secp256k1 identity: signs blocks, is the libp2p peer, can be slashed on chain. */
  readonly address: Address;
}

export interface Committee {
  /** 32 bytes; the EIP-712 salt of everything this committee signs. */
  readonly id: Hex;
  readonly epoch: bigint;
  readonly members: readonly CommitteeMember[];
  readonly keys: Readonly<Record<Suite, ThresholdKey>>;
  /** Suites a batch must be certified in before it counts as certified everywhere. */
  readonly requiredSuites: readonly Suite[];
}

export function sizeOf(committee: Committee): { n: number; f: number; quorum: number } {
  const n = committee.members.length;
  return { n, f: maxFaulty(n), quorum: quorumOf(n) };
}

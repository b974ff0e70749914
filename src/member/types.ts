/**
 * What goes into a member and what comes out. A member is a state machine without I/O: random numbers, time and keys come in
 * as inputs; effects must be carried out in the order given (persist before send, send before deliver).
 */
import type { Certificate } from "../batch/types.ts";
import type {
  BatchPartial,
  BlockSigner,
  CoinScheme,
  ConsensusLimits,
  OutputRound,
  VerifiedBlock,
} from "../consensus/types.ts";
import type { LedgerGenesis, Observation, SettledBatch, SignedInstruction } from "../ledger/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Engine, Suite } from "../threshold/types.ts";

/** How identities sign and verify 32-byte digests; the simulator puts a stand-in here for most seeds. */
export interface IdentityScheme {
  sign(secret: Uint8Array, digest: Hex): Hex;
  verify(digest: Hex, signature: Hex, address: Address): boolean;
}

export interface MemberSecrets {
  /** secp256k1 secret of the identity. */
  readonly identity: Uint8Array;
  /** Shamir share of each suite's group key. */
  readonly shares: Readonly<Record<Suite, Uint8Array>>;
}

export interface MemberConfig {
  readonly committee: Committee;
  readonly genesis: LedgerGenesis;
  /** Own index; undefined for a learner, which follows and serves but signs nothing. */
  readonly self: number | undefined;
  readonly secrets: MemberSecrets | undefined;
  readonly engines: Readonly<Record<Suite, Engine>>;
  readonly coin: CoinScheme;
  /** How users sign instructions. */
  readonly identities: IdentityScheme;
  /** How members sign blocks; the default keeps a table per member's key, which is several times faster. */
  readonly blockSigner?: BlockSigner | undefined;
  /** K. */
  readonly retainedRounds: number;
  /** A. */
  readonly activityWindow: number;
  readonly consensusLimits: ConsensusLimits;
  readonly limits: MemberLimits;
  readonly pacing: Pacing;
}

export interface MemberLimits {
  /** Instructions waiting to be ordered; a full mempool refuses with `mempoolFull` and loses nothing it has accepted. */
  readonly maxPendingInstructions: number;
  readonly maxPendingBytes: number;
  /** Observations waiting to be ordered. */
  readonly maxPendingObservations: number;
  /** Batches whose partials are kept although this member has not settled them yet, per author. */
  readonly maxFuturePartials: number;
}

/** When to propose although nothing forces us. Performance only: no value of these can fork or stall the committee. */
export interface Pacing {
  /** Least time between own blocks while there is work. */
  readonly busyIntervalMs: number;
  /** Time between own blocks while nothing waits to be ordered. */
  readonly idleIntervalMs: number;
  /** How long a peer may lack a certificate or an answer before we ask (again). */
  readonly retryMs: number;
}

export type MemberInput =
  /** Bytes from an authenticated committee member. */
  | { readonly kind: "message"; readonly from: number; readonly bytes: Uint8Array }
  /** A peer (re)connected. */
  | { readonly kind: "connected"; readonly peer: number }
  /** From this member's own API; verdicts come back as effects. */
  | { readonly kind: "submit"; readonly instructions: readonly SignedInstruction[] }
  /** What this member saw on a chain, a market or its clock. */
  | { readonly kind: "observe"; readonly observations: readonly Observation[] }
  | { readonly kind: "tick" };

/** One durable transaction. */
export interface PersistWrite {
  readonly blocks: readonly VerifiedBlock[];
  readonly coins: readonly { readonly round: number; readonly signature: Uint8Array }[];
  /** Sign-once register: (kind, position) → digest. A conflict must stop the process. */
  readonly register: readonly { readonly kind: "batch" | "block"; readonly position: bigint; readonly digest: Hex }[];
  readonly certificates: readonly Certificate[];
}

export type MemberEffect =
  | { readonly kind: "persist"; readonly write: PersistWrite }
  | { readonly kind: "send"; readonly to: number | "all"; readonly bytes: Uint8Array }
  /** All slots of a round are decided; comes before the batch it makes, if it makes one. */
  | { readonly kind: "ordered"; readonly output: OutputRound }
  /** The ledger settled an output round. */
  | { readonly kind: "batch"; readonly batch: SettledBatch }
  /** A batch became final in one suite. */
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "verdict"; readonly verdict: SubmitVerdict }
  | { readonly kind: "exposed"; readonly author: number; readonly first: VerifiedBlock; readonly second: VerifiedBlock }
  | {
      readonly kind: "punish";
      readonly member: number;
      readonly code: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "behind"; readonly round: number };

/** This member's answer to a submission; `accepted` means: held here, gossiped, and proposed until it is ordered. */
export interface SubmitVerdict {
  readonly instructionId: Hex;
  readonly status: "accepted" | "refused";
  /** "accepted", "known", or why not. */
  readonly code: string;
  readonly figures: Readonly<Record<string, string>>;
}

/** What a restarted member gets back from its store. */
export interface Recovered {
  readonly log: Iterable<
    | { readonly kind: "block"; readonly bytes: Uint8Array }
    | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array }
  >;
  /** Looks up the sign-once register. */
  registered(kind: "batch", position: bigint): Hex | undefined;
  readonly certificates: Iterable<Certificate>;
}

/** Between members; encoded by member/wire.ts. */
export type MemberMessage =
  | { readonly kind: "consensus"; readonly bytes: Uint8Array }
  | { readonly kind: "partials"; readonly partials: readonly BatchPartial[] }
  | { readonly kind: "certificates"; readonly certificates: readonly Certificate[] }
  /** Asks for certificates (or, failing that, partials) from this sequence on. */
  | { readonly kind: "certificatesWanted"; readonly from: bigint }
  | { readonly kind: "instructions"; readonly instructions: readonly SignedInstruction[] };

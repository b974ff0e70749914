/**
 * What goes into a member and what comes out. A member is a state machine without I/O: random numbers, time and keys come in
 * as inputs; effects must be carried out in the order given (persist before send, send before deliver).
 */
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type { CreateRule } from "../consensus/consensus.ts";
import type {
  BatchPartial,
  BlockSigner,
  CoinScheme,
  ConsensusConfig,
  ConsensusLimits,
  OutputRound,
  ReadBlock,
  VerifiedBlock,
} from "../consensus/types.ts";
import type { AttemptView, EpochChange, ReshareScheme } from "../ledger/reconfiguration/types.ts";
import type { LedgerGenesis, Observation, SettledBatch, SignedInstruction } from "../ledger/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { DealContext } from "../threshold/associated-data.ts";
import type { Committee } from "../threshold/committee.ts";
import type { DealBundle } from "../threshold/deal-select.ts";
import type { Engine, Suite, ThresholdKey } from "../threshold/types.ts";

/** How identities sign and verify 32-byte digests; the simulator puts a stand-in here for most seeds. */
export interface IdentityScheme {
  sign(secret: Uint8Array, digest: Hex): Hex;
  verify(digest: Hex, signature: Hex, address: Address): boolean;
}

/** Shamir share of each suite's group key. */
export type Shares = Readonly<Record<Suite, Uint8Array>>;

export interface MemberSecrets {
  /** secp256k1 secret of the identity. */
  readonly identity: Uint8Array;
  /** Of the epoch it starts in; undefined: not opened yet, so it follows that epoch and signs nothing until they come (`shares`). */
  readonly shares: Shares | undefined;
}

/** What an epoch after the first starts from. Whoever got it from others has verified the certificates. */
export interface EpochStart {
  /** Of the batch that closed the epoch before. */
  readonly header: BatchHeader;
  /** In every required suite, by the keys of the epoch before. */
  readonly certificates: readonly Certificate[];
  /** The ledger after that batch; refused (LedgerError `badSnapshot`) unless `header.state` commits to it. */
  readonly snapshot: Uint8Array;
}

/** What a member goes on from within an epoch. Whoever got it from others has verified the certificates (checkpoints.ts). */
export interface Checkpoint {
  /** Of a batch of the epoch, not its closing one. */
  readonly header: BatchHeader;
  /** In every required suite. */
  readonly certificates: readonly Certificate[];
  /** The ledger after that batch; refused (LedgerError `badSnapshot`) unless `header.state` commits to it. */
  readonly snapshot: Uint8Array;
  /** The tail of the order; refused (ConsensusError `badCheckpoint`) unless `header.commit` commits to it (consensus/checkpoint.ts). */
  readonly order: Uint8Array;
}

/**
 * Content that members order and certify without reading it, instead of the ledger's: what a benchmark of ordering carries
 * (scripts/bench/consensus). Nothing that ships sets it. The same at all members.
 */
export interface OpaqueContent {
  /** Something waits that a block of ours may carry in this round. */
  hasWork(round: number): boolean;
  /** A payload for a block of ours. */
  take(round: number, maxBytes: number): Uint8Array;
  /** What becomes of an output round, as `Ledger.apply`: a function of the order alone. */
  settle(output: OutputRound): SettledBatch | undefined;
}

export interface MemberConfig {
  /** Of the epoch it starts in. */
  readonly committee: Committee;
  /** Of the first epoch, whatever the epoch it starts in. */
  readonly genesis: LedgerGenesis;
  /** Absent in the first epoch. */
  readonly start?: EpochStart | undefined;
  /** Where to go on from within the epoch instead of from its beginning: what it skips is neither replayed nor shown again. */
  readonly checkpoint?: Checkpoint | undefined;
  /**
   * Least rounds between two checkpoints that this member makes, which asks for `heartbeatRounds`; undefined: it makes none. A quarter of K
   * leaves room to use one.
   */
  readonly checkpointRounds?: number | undefined;
  /** Bytes of payload after which one is made earlier (`CheckpointPace`). */
  readonly checkpointBytes?: number | undefined;
  /**
   * A batch is made after this many committed rounds without one, so that there is a checkpoint younger than K rounds when nobody
   * trades. Part of the rules: the same at all members. Undefined: never.
   */
  readonly heartbeatRounds?: number | undefined;
  /** Own index in the epoch it starts in; undefined for a learner, which follows and serves but signs nothing. */
  readonly self: number | undefined;
  readonly secrets: MemberSecrets | undefined;
  /**
   * False for epochs in which this member must not sign although it has its shares: what it signed there may be forgotten. It follows and
   * serves them. Asked when an epoch begins; absent: it signs in all.
   */
  readonly signsIn?: ((epoch: bigint) => boolean) | undefined;
  readonly engines: Readonly<Record<Suite, Engine>>;
  /** The coin of a committee's epoch; without a share: as a learner sees it. */
  readonly createCoin: (committee: Committee, share: Uint8Array | undefined) => CoinScheme;
  /** Without it the committee never changes: transactions are dropped. Part of the rules: the same at all members. */
  readonly reshare?: ReshareScheme | undefined;
  /** Measure ordering without a ledger: no instruction, observation or transaction is ordered then, and no checkpoint is made. */
  readonly opaque?: OpaqueContent | undefined;
  /** How users sign instructions. */
  readonly identities: IdentityScheme;
  /** How members sign blocks. The default is plain JavaScript and keeps a table per member's key; nodes bring libsecp256k1. */
  readonly blockSigner?: BlockSigner | undefined;
  /** K. */
  readonly retainedRounds: number;
  /** A. */
  readonly activityWindow: number;
  readonly consensusLimits: ConsensusLimits;
  readonly limits: MemberLimits;
  readonly pacing: Pacing;
  /**
   * Reads a block that a `persist` effect of an earlier step, or the log that was replayed, had: the blocks of K rounds need not be in
   * memory then (`maxHeldBytes`). Undefined when that fails. Absent: they all are.
   */
  readonly readBlock?: ReadBlock | undefined;
  /** Simulators only: a baseline, or a control that must fail, in place of the decision rule. */
  readonly createRule?: CreateRule | undefined;
  /** Simulators only: `ConsensusConfig.createCodec`. */
  readonly createCodec?: ConsensusConfig["createCodec"];
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
  /**
   * Bytes from an authenticated committee member. `from` is an index in the committee of `epoch`, the one the transport was made
   * for: what an older transport still had in its queue is ignored.
   */
  | { readonly kind: "message"; readonly epoch: bigint; readonly from: number; readonly bytes: Uint8Array }
  /** A peer (re)connected. */
  | { readonly kind: "connected"; readonly epoch: bigint; readonly peer: number }
  /** From this member's own API; verdicts come back as effects. */
  | { readonly kind: "submit"; readonly instructions: readonly SignedInstruction[] }
  /** What this member saw on a chain, a market or its clock. */
  | { readonly kind: "observe"; readonly observations: readonly Observation[] }
  /** Encoded EpochTransactions: from this member's API, its operator, or what it dealt itself. Answered by one `taken` effect. */
  | { readonly kind: "transactions"; readonly transactions: readonly Uint8Array[] }
  /** Opened for an attempt, or for the current epoch (then `epoch` is the current one); also after a restart. */
  | { readonly kind: "shares"; readonly epoch: bigint; readonly attempt: bigint; readonly shares: Shares }
  /** Somebody proved that this epoch, if it is still ours, is over, and that the newest committee does not have us: nothing more is taken. */
  | { readonly kind: "leave"; readonly epoch: bigint }
  | { readonly kind: "tick" };

/** What is signed once: blocks by (epoch << 64 | round), batches by sequence and handovers by number, whatever the epoch. */
export type RegisterKind = "block" | "batch" | "handover";

/** One durable transaction. */
export interface PersistWrite {
  readonly blocks: readonly VerifiedBlock[];
  readonly coins: readonly { readonly round: number; readonly signature: Uint8Array }[];
  /** Sign-once register: (kind, position) → digest. A conflict must stop the process. */
  readonly register: readonly { readonly kind: RegisterKind; readonly position: bigint; readonly digest: Hex }[];
  readonly certificates: readonly Certificate[];
}

/** Heavy work that the node does beside the member, and answers with an input. Asked once per attempt and start of the process. */
export type ReshareTask =
  /**
   * Deal in every suite and answer with `transactions`. Whoever dealt before (a restart) sends the same bytes again:
   * dealing twice is a fault.
   */
  | { readonly kind: "deal"; readonly attempt: AttemptView; readonly dealer: number }
  /** Somebody's deal may be ordered soon: a verdict that is known by then costs the ledger nothing. Needs no answer. */
  | {
      readonly kind: "verify";
      readonly contexts: Readonly<Record<Suite, DealContext>>;
      readonly bundle: DealBundle;
    }
  /** Open our share of what was dealt, keep it, and answer with `shares`. */
  | {
      readonly kind: "open";
      readonly epoch: bigint;
      readonly attempt: bigint;
      readonly contexts: Readonly<Record<Suite, DealContext>>;
      readonly qualified: readonly DealBundle[];
      /** Ours in the committee of `epoch`. */
      readonly index: number;
      readonly keys: Readonly<Record<Suite, ThresholdKey>>;
    };

/** What became of a transaction that was handed in. */
export type TransactionCode =
  | "accepted"
  /** Held here, or counted already. */
  | "known"
  | "malformed"
  /** For another epoch or attempt, or too early or late for the phase that the attempt is in. */
  | "notCurrent"
  /** Not by a member that may send this. */
  | "stranger"
  | "badSignature"
  /** Proposes members whose announcements are not what they must be (fresh keys, for this attempt, with proofs). */
  | "badProposal"
  /** Its author has several others waiting. */
  | "tooMany"
  /** This committee cannot change, or this member left it. */
  | "unavailable";

export type MemberEffect =
  | { readonly kind: "persist"; readonly write: PersistWrite }
  | { readonly kind: "send"; readonly to: number | "all"; readonly bytes: Uint8Array }
  /** All slots of a round are decided; comes before the batch it makes, if it makes one. */
  | { readonly kind: "ordered"; readonly output: OutputRound }
  /** The ledger settled an output round. */
  | { readonly kind: "batch"; readonly batch: SettledBatch }
  /** Others can start from this, and so can we after a restart: what the log holds at or below its floor is not needed any more. */
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint }
  /** A batch became final in one suite. */
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "verdict"; readonly verdict: SubmitVerdict }
  /** One code per transaction of a `transactions` input, in order. */
  | { readonly kind: "taken"; readonly codes: readonly TransactionCode[] }
  | { readonly kind: "task"; readonly task: ReshareTask }
  /**
   * The epoch closed: `header` is certified in every required suite. The last effect of its step, after whose end the member is
   * in the new epoch; `send`s of this step still go to indices of the old one. Before the next step the node must have written
   * {header, certificates, snapshot} durably and made a transport for `change`. Comes again after a restart in the old epoch.
   */
  | {
      readonly kind: "epoch";
      readonly change: EpochChange;
      readonly header: BatchHeader;
      readonly certificates: readonly Certificate[];
      /** Our index in the new committee; undefined: we left. Then the member stays in the old epoch, serves it and signs nothing new. */
      readonly self: number | undefined;
      /** When we left: what our users handed in and nobody decided. To be submitted to a member of the new committee. */
      readonly undecided: readonly SignedInstruction[];
    }
  /** We left, as a `leave` said: the same without a closing batch of our own. */
  | { readonly kind: "left"; readonly undecided: readonly SignedInstruction[] }
  | { readonly kind: "exposed"; readonly author: number; readonly first: VerifiedBlock; readonly second: VerifiedBlock }
  | {
      readonly kind: "punish";
      readonly member: number;
      readonly code: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  /**
   * Peers know more than they will send. `epoch` above our own: the committee went on to (at least) that one without us; catch up
   * from what started it. Otherwise: within our epoch, blocks around `round` are kept by nobody any more.
   */
  | { readonly kind: "behind"; readonly epoch: bigint; readonly round: number };

/**
 * This member's answer to a submission; `accepted` means: held here, in our next block (and gossiped at once unless the load is high:
 * admission.ts), and proposed until it is ordered.
 */
export interface SubmitVerdict {
  readonly instructionId: Hex;
  readonly status: "accepted" | "refused";
  /** "accepted", "known", or why not. */
  readonly code: string;
  readonly figures: Readonly<Record<string, string>>;
}

/** What a restarted member gets back from its store: the log and what started it are of the epoch in `MemberConfig`. */
export interface Recovered {
  readonly log: Iterable<
    /** `digest`: of a block that `MemberConfig.readBlock` finds. */
    | { readonly kind: "block"; readonly bytes: Uint8Array; readonly digest?: Hex | undefined }
    | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array }
  >;
  /** Looks up the sign-once register. */
  registered(kind: "batch" | "handover", position: bigint): Hex | undefined;
  /**
   * Highest round of the epoch for which the register has a block of ours. If the log does not have that block, the log is not
   * what the register was written with, and this member proposes nothing in this epoch. Undefined: not looked up.
   */
  readonly signedRound?: number | undefined;
  /** Before it proposes this member finds out what others have of it (listening.ts): its log may be an older one, or none. */
  readonly listens?: boolean | undefined;
  /** Of any epoch. */
  readonly certificates: Iterable<Certificate>;
}

/** Between members; encoded by member/wire.ts behind the epoch that it is about. */
export type MemberMessage =
  | { readonly kind: "consensus"; readonly bytes: Uint8Array }
  | { readonly kind: "partials"; readonly partials: readonly BatchPartial[] }
  | { readonly kind: "certificates"; readonly certificates: readonly Certificate[] }
  /** Asks for certificates (or, failing that, partials) from this sequence on. */
  | { readonly kind: "certificatesWanted"; readonly from: bigint }
  | { readonly kind: "instructions"; readonly instructions: readonly SignedInstruction[] }
  /** What closed the receiver's epoch (or a later one), in every required suite. */
  | { readonly kind: "closed"; readonly certificates: readonly Certificate[] };

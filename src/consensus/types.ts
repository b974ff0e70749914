/** The vocabulary of the DAG (consensus.md). Rounds and indices are safe integers; digests are 32-byte lower-case hex. */
import type { Address, Hex } from "../lib/hex.ts";
import type { BlockCodec } from "./block.ts";

export interface BlockRef {
  readonly round: number;
  readonly author: number;
  readonly digest: Hex;
}

/** A partial signature on a batch header, carried in a block or sent alone. */
export interface BatchPartial {
  readonly sequence: bigint;
  readonly suite: "bls12-381" | "bn254";
  readonly digest: Hex;
  readonly signature: Uint8Array;
}

export interface CoinShare {
  readonly round: number;
  readonly signature: Uint8Array;
}

/** One member's message in one round. Genesis blocks (round 0) are implicit and never sent. */
export interface Block {
  readonly epoch: bigint;
  readonly author: number;
  readonly round: number;
  /** parents[0] is the author's own previous block; the rest sorted by (round descending, author, digest). */
  readonly parents: readonly BlockRef[];
  /** Opaque to consensus; the member room encodes instructions and observations in it. */
  readonly payload: Uint8Array;
  readonly coinShares: readonly CoinShare[];
  readonly partials: readonly BatchPartial[];
  /** 65-byte signature over the digest by the author's identity. */
  readonly signature: Hex;
}

/** A block that passed validation, with what was computed once: its digest and its canonical bytes. */
export interface VerifiedBlock extends Block {
  readonly digest: Hex;
  readonly bytes: Uint8Array;
}

/** The coin as consensus sees it; real (threshold BLS) or a simulator's stand-in. Pure. */
export interface CoinScheme {
  /** This member's share for a round; undefined for learners. */
  share(round: number): Uint8Array | undefined;
  /** Combines shares by author index. Verified; `bad` authors are dropped for good. */
  combine(
    round: number,
    shares: ReadonlyMap<number, Uint8Array>,
  ): { signature: Uint8Array | undefined; bad: readonly number[] };
  /** Verifies a combined coin somebody else sent. */
  verify(round: number, signature: Uint8Array): boolean;
  /** The author elected by a combined coin: rejection sampling over its hash, uniform in [0, n). */
  leader(round: number, signature: Uint8Array): number;
}

export interface ConsensusConfig {
  readonly committeeId: Hex;
  readonly epoch: bigint;
  /** Binds committee, ledger genesis and (later epochs) the closing batch. */
  readonly genesisHash: Hex;
  /** Identities by index. */
  readonly members: readonly Address[];
  /** Own index; undefined for a learner, which never proposes. */
  readonly self: number | undefined;
  readonly coin: CoinScheme;
  /** K: retained rounds. */
  readonly retainedRounds: number;
  /** A: activity window in rounds, ≥ 2. */
  readonly activityWindow: number;
  readonly limits: ConsensusLimits;
  /** How blocks are signed; default secp256k1 (consensus/signer.ts). Simulators may use a cheap stand-in. Pure. */
  readonly signer?: BlockSigner | undefined;
  /** Default: one of its own. Simulated members of one process may share one that decodes each block once. */
  readonly codec?: BlockCodec | undefined;
  /** Where to start from instead of genesis: a certified cut of the order (consensus/checkpoint.ts). */
  readonly checkpoint?: ConsensusCheckpoint | undefined;
}

/** Signing scheme of blocks: pure functions of their arguments. */
export interface BlockSigner {
  sign(secret: Uint8Array, digest: Hex): Hex;
  verify(digest: Hex, signature: Hex, author: Address): boolean;
}

/** What the order says of an author, read to find out whether it has a slot (activity.ts). All rounds are 0 at first. */
export interface Standing {
  /** Last round whose output held a block of it, of whatever round. */
  readonly seen: number;
  /** The first round in which it has a slot again after its last skipped one. */
  readonly until: number;
  /** How many rounds it was, or is, left out for that; 0 before it ever was. */
  readonly rounds: number;
}

/** What the rule reads of the past besides the blocks themselves; every commit commits to it (`Commit.past`). */
export interface OrderPast {
  /** By author. */
  readonly standings: readonly Standing[];
  /** Highest output round per author: the vector clock. */
  readonly vectorClock: readonly number[];
}

/**
 * The state of the order after a fully output round: everything the rule reads of the past. A function of the order alone,
 * so that all members that reach the round have the same one.
 */
export interface ConsensusCheckpoint extends OrderPast {
  /** The last round that is output. */
  readonly round: number;
  /** Index and digest of the last commit; 0 and the genesis hash before the first. */
  readonly commitIndex: bigint;
  readonly commitDigest: Hex;
  /** Round of the last committed slot; the floor is K below. */
  readonly committedRound: number;
  /** Output blocks above the floor, sorted by (round, author, digest). */
  readonly output: readonly BlockRef[];
}

/** Every bound has a reason beside its default (consensus/limits.ts). */
export interface ConsensusLimits {
  readonly maxBlockBytes: number;
  readonly maxPayloadBytes: number;
  readonly maxParents: number;
  readonly maxWeakLinks: number;
  /** Blocks waiting for ancestors, per sender. */
  readonly maxPendingPerPeer: number;
  readonly maxFetchRefs: number;
  /** Uncommitted rounds beyond which only payload-free blocks are proposed. */
  readonly maxUncommittedRounds: number;
}

/** The unit of the total order: one committed block and everything new below it. */
export interface Commit {
  /** From 1, gap-free within an epoch. */
  readonly index: bigint;
  readonly leader: BlockRef;
  /** In output order (round, author, digest); the leader's block is among them. */
  readonly blocks: readonly VerifiedBlock[];
  /** Digest of the commit before it; the genesis hash for the first. */
  readonly previous: Hex;
  /** Digest of what the rule reads of the rounds before the leader's (activity.ts). */
  readonly past: Hex;
  readonly digest: Hex;
}

/** All slots of one round are decided: the boundary at which the ledger closes a batch. Rounds come in order, none is left out. */
export interface OutputRound {
  readonly round: number;
  readonly commits: readonly Commit[];
}

/** Between consensus instances of different members; encoded by consensus/wire.ts. */
export type ConsensusMessage =
  | { readonly kind: "block"; readonly bytes: Uint8Array }
  | { readonly kind: "coinShares"; readonly shares: readonly CoinShare[] }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array }
  | { readonly kind: "coinRequest"; readonly round: number }
  /** Blocks in causal order, the sender's own last: for a peer that asked for bundles. */
  | { readonly kind: "bundle"; readonly blocks: readonly Uint8Array[] }
  /** Asks for bundles instead of single blocks up to a round: what the sender gets is out of order by rounds. */
  | { readonly kind: "wantBundles"; readonly until: number }
  /**
   * Asks for blocks; `after` invites the answerer to add ancestors above that round, oldest first (0 or absent: none known), and
   * `depth` to add that many blocks of the same author below each, for an author that was not heard for a while.
   */
  | { readonly kind: "fetch"; readonly refs: readonly BlockRef[]; readonly after?: number; readonly depth?: number }
  /** `floor`: the answerer's, so that the asker can tell "dropped long ago" from "never seen". */
  | {
      readonly kind: "fetched";
      readonly blocks: readonly Uint8Array[];
      readonly notFound: readonly BlockRef[];
      readonly floor?: number;
    };

/** What a step asks the member to do, in this order. */
export type ConsensusEffect =
  /** A block entered the DAG: persist its bytes before any later `send` leaves. Emitted in causal order, own blocks included. */
  | { readonly kind: "accepted"; readonly block: VerifiedBlock }
  | { readonly kind: "send"; readonly to: number | "all"; readonly message: ConsensusMessage }
  /** A coin was combined or verified: worth persisting, never needs to be asked for again. */
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array }
  | { readonly kind: "output"; readonly output: OutputRound }
  /** Two different signed blocks of one (author, round): objective, slashable. */
  | { readonly kind: "exposed"; readonly author: number; readonly first: VerifiedBlock; readonly second: VerifiedBlock }
  /** A peer sent something an honest member never sends. */
  | {
      readonly kind: "punish";
      readonly member: number;
      readonly code: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  /** f + 1 authors are more than K rounds ahead: catch up from a certificate. */
  | { readonly kind: "behind"; readonly round: number };

/** What the member gives when it proposes. */
export interface ProposalContent {
  readonly payload: Uint8Array;
  readonly partials: readonly BatchPartial[];
}

export type SlotStatus =
  | { readonly kind: "commit"; readonly block: BlockRef }
  | { readonly kind: "skip" }
  | { readonly kind: "undecided" };

/**
 * Every bound of the room and why it has the value it has. What decides *validity* (block bytes, payload, parents, shares,
 * partials) is part of the committee's configuration: two members with different values could disagree on a block for ever.
 * The rest only bounds memory and work, and may differ between members.
 */
import { ConsensusError } from "./errors.ts";
import type { ConsensusConfig, ConsensusLimits } from "./types.ts";

/** Bytes of a BLS12-381 G1 point, with room for a stand-in scheme; nothing longer is a coin share or a partial. */
export const MAX_SIGNATURE_BYTES = 96;
/** A block carries one share per round its author advanced; after a long jump the newest, the rest is served on request. */
export const MAX_COIN_SHARES = 1024;
/** One per suite and batch; about one batch per round, and a member that was away signs the backlog over several blocks. */
export const MAX_PARTIALS = 512;
/** Rounds are encoded as uint64 but stay within 2^44, so that round · 256 + author is an exact JavaScript number. */
export const MAX_ROUND = 2 ** 44;
/**
 * A share of the coin of round q leaves with the author's first own block of round ≥ q + COIN_DELAY, never earlier: then n − 2f
 * honest blocks of q + 2 exist before anybody can know the coin, and they bind at least two slots of q to commit (Bound in
 * docs/consensus-proof.md). With 1 nearly every slot could still be avoided; more only costs delays. All members must agree.
 */
export const COIN_DELAY = 2;
/** Members of a committee: the simulator's largest is 31, and a block's n references stay below 5 KB at 100. */
export const MAX_MEMBERS = 256;
/** Rejected (digest, signature) pairs remembered: enough to make re-sending one useless, 100 bytes each. */
export const MAX_REFUSED = 4096;
/**
 * Twins a single link may add to the proposer's cone. An equivocator is excluded once exposed, so an honest block meets at
 * most a few per author; more means that somebody stored twins up for us. (A multiple of n, because f equivocators may each
 * be exposed in the same round by several pairs.)
 */
export const twinQuota = (n: number): number => 4 * n;
/** Blocks of one (author, round) kept although nobody asked: two prove the offence, further ones come only as ancestors. */
export const MAX_UNREQUESTED_TWINS = 2;
/**
 * Twins that we ask for because of what one member sent: at once (what an honest member's newest block can bring when f
 * equivocators show everybody another block in the same round, and what it may link then), for each round that goes by, and for
 * each while that passes without rounds. Equivocators sign as many as they like; this is what all of it costs us: at n = 31 and
 * after the burst at most 4 · f = 40 blocks a round beside the n of the round itself.
 */
export const twinBurst = (n: number): number => twinQuota(n) + n * Math.floor((n - 1) / 3);
export const TWINS_PER_ROUND = 4;
export const TWIN_TOKEN_MS = 250;
/** Wait for stragglers at most this long, whatever delay was measured: performance only. */
export const MAX_STRAGGLER_WAIT_MS = 400;
/**
 * Fraction of the measured delay to wait for authors that were lately in time. With 0.5 (consensus.md) some come just after: at n = 10
 * and delays of 0.5 to 1.5 the 99th percentile is then 5.5 delays instead of 4.5.
 */
export const STRAGGLER_FRACTION = 0.55;
/**
 * The same where some regularly come later than that. The farthest of ten members otherwise loses its slot, sooner or later for hundreds of
 * rounds: nobody waits for who has none, and who is not waited for loses it again when it gets it back.
 */
export const LONG_STRAGGLER_FRACTION = 1.5;
/** An author was "lately in time" if it was within this many of the newest rounds; a crashed one costs three short waits. */
export const STRAGGLER_MEMORY_ROUNDS = 3;
/** First retry of anything asked of a peer; doubled up to the maximum. */
export const RETRY_MIN_MS = 250;
export const RETRY_MAX_MS = 8_000;

/** Fetches of one peer are answered with at most this many largest blocks' bytes a second: a request is small, an answer is not. */
export const SERVED_BLOCKS = 8;

/** Blocks of one author that are asked for together with a newer one of it; the answer's own bounds hold as well. */
export const MAX_FETCH_DEPTH = 255;

/** No committee may configure more: what the message codec accepts before any configuration is known. */
export const MAX_WIRE_BLOCK_BYTES = 8 * 1024 * 1024;
export const MAX_WIRE_REFS = 1024;
/** An answer to a fetch stops at the first block that brings it past one block's size. */
export const MAX_WIRE_MESSAGE_BYTES = 2 * MAX_WIRE_BLOCK_BYTES + 64 * MAX_WIRE_REFS + 1024;

export const DEFAULT_CONSENSUS_LIMITS: ConsensusLimits = {
  // 2 MiB of payload is 10,000 instructions of 200 bytes per block: 20,000 a second at two rounds a second, one member alone.
  maxPayloadBytes: 2 * 1024 * 1024,
  // Payload, 1,024 shares (112 bytes), 512 partials (150 bytes) and 1,024 references (48 bytes) fit in one MiB more.
  maxBlockBytes: 3 * 1024 * 1024,
  // Q to n strong parents, the own one, and weak links.
  maxParents: 512,
  // Authors that are always late need one link a round each; 64 clears the backlog of a healed partition quickly.
  maxWeakLinks: 64,
  // One peer relays n blocks a round; a peer that is 100 rounds ahead of us at n = 10 fills this, and is asked again.
  maxPendingPerPeer: 1024,
  // At 20,000 instructions of 512 bytes a second at n = 4: six seconds of a member's blocks.
  maxPendingBytesPerPeer: 16 * 1024 * 1024,
  // An answer to a fetch holds no more than two of the largest blocks, and what is fetched rarely waits.
  maxRequestedBytes: 64 * 1024 * 1024,
  // One request or answer: 256 blocks of 10 KB are below a frame.
  maxFetchRefs: 256,
  // Beyond, ordering has stalled (asynchrony): go on with empty blocks, so that memory grows by references only.
  maxUncommittedRounds: 200,
  // K rounds of the largest blocks would be 48 GB at n = 31. This is ten seconds of 20,000 instructions of 512 bytes a second, and 40 of the
  // largest blocks: what the order still asks for rarely comes from the log.
  maxHeldBytes: 128 * 1024 * 1024,
};

/** K and A of a production committee: 512 rounds are a minute or more of history, 32 rounds a few seconds of absence. */
export const DEFAULT_RETAINED_ROUNDS = 512;
export const DEFAULT_ACTIVITY_WINDOW = 32;

/** Throws `badConfig` when limits contradict each other or the committee. */
export function validateConfig(config: ConsensusConfig): void {
  const { limits, members, retainedRounds, activityWindow, self } = config;
  const bad = (message: string): never => {
    throw new ConsensusError("badConfig", message);
  };
  const n = members.length;
  if (n < 1 || n > MAX_MEMBERS) bad(`a committee has 1 to ${MAX_MEMBERS} members`);
  if (new Set(members).size !== n) bad("two members share one identity");
  if (self !== undefined && !(Number.isInteger(self) && self >= 0 && self < n)) bad("own index out of range");
  // Slots stay open for at least six rounds (anchor r + 5): a smaller K would drop what a decision still reads.
  if (!Number.isSafeInteger(retainedRounds) || retainedRounds < 6) bad("K must be at least 6 rounds");
  if (!Number.isSafeInteger(activityWindow) || activityWindow < 2) bad("A must be at least 2 rounds");
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) bad(`${name} must be a positive integer`);
  }
  if (limits.maxBlockBytes > MAX_WIRE_BLOCK_BYTES) bad(`maxBlockBytes may be at most ${MAX_WIRE_BLOCK_BYTES}`);
  if (limits.maxFetchRefs > MAX_WIRE_REFS) bad(`maxFetchRefs may be at most ${MAX_WIRE_REFS}`);
  // Own parent at an older round, one strong parent per other member, and the weak links must fit.
  if (limits.maxParents < n + 1 + limits.maxWeakLinks) bad("maxParents cannot hold n + 1 + maxWeakLinks");
  // Encoded sizes: head 87, reference 42, share 16 + signature, partial 49 + signature.
  const largest =
    256 +
    42 * limits.maxParents +
    (16 + MAX_SIGNATURE_BYTES) * MAX_COIN_SHARES +
    (49 + MAX_SIGNATURE_BYTES) * MAX_PARTIALS;
  if (limits.maxBlockBytes < limits.maxPayloadBytes + largest) bad("maxBlockBytes cannot hold the largest block");
}

/**
 * Checkpoints within an epoch: what others can start from when what they lack is kept by nobody any more, and what a restart can start
 * from instead of the epoch's beginning. Made right after a batch, given out once that batch is final in every required suite.
 */
import { headerDigest } from "../batch/header.ts";
import type { BatchHeader, Certificate } from "../batch/types.ts";
import { encodeOrderTail, OrderRecorder, type OrderRules, type OrderTail } from "../consensus/checkpoint.ts";
import type { OutputRound } from "../consensus/types.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { hexToBytes } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import type { Checkpoint } from "./types.ts";

/**
 * Whether the committee certified the batch of a checkpoint in every required suite. All else in it is checked against that
 * batch's header when a member starts from it; without this check a server could make up the header as well.
 */
export function isCertified(
  { header, certificates }: Pick<Checkpoint, "header" | "certificates">,
  committee: Committee,
  engines: Readonly<Record<Suite, Engine>>,
): boolean {
  if (header.epoch !== committee.epoch) return false;
  const digest = headerDigest(header, committee.id);
  return committee.requiredSuites.every((suite) =>
    certificates.some((certificate) => {
      if (certificate.suite !== suite || headerDigest(certificate.header, committee.id) !== digest) return false;
      const groupKey = hexToBytes(committee.keys[suite].groupKey);
      return engines[suite].verify(groupKey, hexToBytes(digest), hexToBytes(certificate.signature));
    }),
  );
}

/**
 * Whether a member that is `behind` and settles nothing any more gets on from a checkpoint of others: what it stands on is its own newest
 * one, and not what it has settled since. One that restarted has settled batches of which it made no checkpoint; where others did, they
 * drop what it lacks, and while it waited for a checkpoint of a batch that it has not settled it would be missing where that is ordered.
 */
export function leadsFurther(
  { header }: Pick<Checkpoint, "header">,
  own: Pick<Checkpoint, "header"> | undefined,
): boolean {
  return header.sequence > (own?.header.sequence ?? 0n);
}

/**
 * After which batch a checkpoint has to be for a member that is `behind` to go on from it: after what it has `settled`, or, when that is
 * what it had settled the last time it was behind, after its own newest checkpoint. Whoever settles something between two passes gets on
 * without, however many blocks that never were a malicious author names to it.
 */
export function checkpointAfter(
  settled: bigint,
  settledBefore: bigint | undefined,
  own: Pick<Checkpoint, "header"> | undefined,
): bigint {
  return settled === settledBefore ? (own?.header.sequence ?? 0n) : settled;
}

/** When a member makes one. */
export interface CheckpointPace {
  /** Least rounds from one to the next; undefined: none are made. */
  readonly rounds: number | undefined;
  /**
   * Or so many bytes of payload, and as many as a snapshot has: whoever starts from one settles again what came since, so under load rounds
   * alone would have it do so for minutes; and making one takes time, too. Undefined: rounds alone count.
   */
  readonly bytes?: number | undefined;
}

export class Checkpoints {
  readonly #recorder: OrderRecorder;
  readonly #pace: CheckpointPace;
  readonly #retainedRounds: number;
  /** Of the newest two that are final: somebody may be starting from the older one. */
  #floors: readonly number[];
  #round = 0;
  /** Of the newest checkpoint that was made. */
  #madeAt: number;
  /** Of payload, since then. */
  #bytes = 0;
  #snapshotBytes = 0;
  /** Made and not yet final. One at a time: a newer one would never be older than its certificates under load. */
  #open: { readonly header: BatchHeader; readonly snapshot: Uint8Array; readonly tail: OrderTail } | undefined;

  constructor(rules: OrderRules, pace: CheckpointPace, tail: OrderTail | undefined) {
    this.#recorder = new OrderRecorder(rules, tail);
    this.#pace = pace;
    this.#retainedRounds = rules.retainedRounds;
    this.#madeAt = tail?.records.at(-1)?.leader.round ?? 0;
    this.#floors = tail === undefined ? [0] : [this.#floorOf(tail)];
  }

  /** What lies above is needed by whoever starts from a checkpoint. Undefined: none are made, and nobody can. */
  get servedFloor(): number | undefined {
    return this.#pace.rounds === undefined ? undefined : this.#floors[0];
  }

  /** Of the newest checkpoint that is final: whoever is stuck above it has a way on. */
  get finalFloor(): number {
    return this.#floors.at(-1)!;
  }

  output(output: OutputRound): void {
    if (this.#pace.rounds === undefined) return;
    this.#recorder.add(output);
    this.#round = output.round;
    for (const { blocks } of output.commits) for (const { payload } of blocks) this.#bytes += payload.length;
  }

  /** The ledger stands right after this batch, and the order right after its round. */
  settled(header: BatchHeader, ledger: Ledger): void {
    if (this.#open !== undefined || !this.#isDue) return;
    const snapshot = ledger.snapshot();
    this.#madeAt = this.#round;
    this.#bytes = 0;
    this.#snapshotBytes = snapshot.length;
    this.#open = { header, snapshot, tail: this.#recorder.tail() };
  }

  get #isDue(): boolean {
    const { rounds, bytes } = this.#pace;
    if (rounds === undefined) return false;
    if (this.#round >= this.#madeAt + rounds) return true;
    return bytes !== undefined && this.#bytes >= Math.max(bytes, this.#snapshotBytes);
  }

  /** The open one, once `certificatesOf` its batch are all there. */
  take(certificatesOf: (header: BatchHeader) => readonly Certificate[] | undefined): Checkpoint | undefined {
    const open = this.#open;
    const certificates = open === undefined ? undefined : certificatesOf(open.header);
    if (open === undefined || certificates === undefined) return undefined;
    this.#open = undefined;
    this.#floors = [...this.#floors.slice(-1), this.#floorOf(open.tail)];
    const { header, snapshot, tail } = open;
    return { header, certificates, snapshot, order: encodeOrderTail(tail) };
  }

  #floorOf({ records }: OrderTail): number {
    return (records.at(-1)?.leader.round ?? 0) - this.#retainedRounds;
  }
}

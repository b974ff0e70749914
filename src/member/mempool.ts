/**
 * What waits to be ordered. The member that got an instruction from its user proposes it at once; the others, who have it by gossip,
 * only if it is not output within K/2 rounds, so that one slow or malicious member cannot censor it and n members do not carry it n
 * times. A block of ours that fell below the floor puts its content back.
 */
import { assemblePayload, encodeObservations, encodeSignedInstruction } from "../ledger/codec.ts";
import { MAX_PAYLOAD_INSTRUCTIONS, MAX_PAYLOAD_OBSERVATIONS } from "../ledger/limits.ts";
import type { Observation, SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import { Pool } from "./pool.ts";
import type { MemberLimits } from "./types.ts";

interface PendingObservation {
  readonly observation: Observation;
  readonly bytes: number;
  proposeFrom: number;
}

export class Mempool {
  readonly #limits: MemberLimits;
  /** K/2: rounds after which somebody else's or our own earlier attempt counts as failed. */
  readonly #patience: number;
  readonly #instructions: Pool<SignedInstruction>;
  /** By encoding, so that the same observation is kept once. */
  readonly #observations = new Map<Hex, PendingObservation>();

  constructor(limits: MemberLimits, retainedRounds: number, members: number) {
    this.#limits = limits;
    this.#patience = Math.max(1, Math.floor(retainedRounds / 2));
    this.#instructions = new Pool(limits, this.#patience, members);
  }

  get size(): number {
    return this.#instructions.size;
  }

  get sizes(): { readonly instructions: number; readonly instructionBytes: number; readonly observations: number } {
    return {
      instructions: this.#instructions.size,
      instructionBytes: this.#instructions.bytes,
      observations: this.#observations.size,
    };
  }

  has(id: Hex): boolean {
    return this.#instructions.has(id);
  }

  /** False when full. Without `from` its user came to this member, and it goes into our next block. */
  add(id: Hex, signed: SignedInstruction, from: number | undefined, round: number): boolean {
    if (from === undefined ? this.#instructions.claim(id, round) : this.#instructions.has(id)) return true;
    return this.#instructions.add(id, signed, encodeSignedInstruction(signed), from, round);
  }

  remove(id: Hex): void {
    this.#instructions.remove(id);
  }

  /** Bytes of a held instruction that are about to go to all members; undefined when nothing is held under the id. */
  gossip(id: Hex): Uint8Array | undefined {
    const entry = this.#instructions.get(id);
    if (entry !== undefined) entry.isGossiped = true;
    return entry?.bytes;
  }

  /** See Pool.takeUngossiped. */
  takeUngossiped(round: number, isStuck: boolean): Uint8Array[] {
    return this.#instructions.takeUngossiped(round, isStuck);
  }

  /**
   * An instruction was output. It leaves only with the signature that we hold: a malicious author can order the same id with a
   * false signature, which the ledger drops, and must not make us forget the valid one.
   */
  ordered(id: Hex, signature: Hex): void {
    if (this.#instructions.get(id)?.value.signature === signature) this.remove(id);
  }

  /**
   * Observations are this member's own words. Beyond the limit, as after hours in which nothing was ordered, the oldest time or price is
   * given up, because those are reported again; what a chain's inbox said is told once (node/inbox-feed.ts), and bounded there.
   */
  observe(observations: readonly Observation[], round: number): void {
    for (const observation of observations) {
      const bytes = encodeObservations([observation]);
      const key = bytesToHex(bytes);
      if (this.#observations.has(key)) continue;
      if (this.#observations.size >= this.#limits.maxPendingObservations) {
        let given: Hex | undefined;
        for (const [oldest, pending] of this.#observations) {
          given ??= oldest;
          if (pending.observation.kind === "inbox") continue;
          given = oldest;
          break;
        }
        if (given !== undefined) this.#observations.delete(given);
      }
      this.#observations.set(key, { observation, bytes: bytes.length, proposeFrom: round });
    }
  }

  /** Our own block was output: what it said need not be said again. */
  observed(observations: readonly Observation[]): void {
    for (const observation of observations) this.#observations.delete(bytesToHex(encodeObservations([observation])));
  }

  /** True when something may go into a block of this round. */
  hasWork(round: number): boolean {
    for (const pending of this.#observations.values()) if (pending.proposeFrom <= round) return true;
    return this.#instructions.hasDue(round);
  }

  /** What users of this member handed in and nobody decided, in the order in which they did. */
  own(): SignedInstruction[] {
    return this.#instructions.own().map(({ value }) => value);
  }

  /**
   * A new epoch begins, with rounds from 1 and other indices: what blocks of the old one carried undecided is proposed again.
   * `indexOf` maps an old index; what a member that left had gossiped is ours from now on, because it cannot propose it any more.
   * Observations go: the ledger forgot what the old members said, and watchers report again.
   */
  renew(members: number, indexOf: (old: number) => number | undefined): void {
    this.#observations.clear();
    this.#instructions.renew(members, indexOf);
  }

  /** Takes what fits a block of this round: transactions and observations first (they are few, and epochs and expiries wait for them). */
  take(round: number, maxBytes: number, transactions: readonly Uint8Array[] = []): Uint8Array {
    // Offsets and counts of the payload's encoding: 4 bytes an element, and a constant.
    let room = maxBytes - 64;
    for (const bytes of transactions) room -= bytes.length + 8;
    assert(room > 0, "transactions leave room in a payload");
    const observations: Observation[] = [];
    for (const pending of this.#observations.values()) {
      if (observations.length === MAX_PAYLOAD_OBSERVATIONS) break;
      if (pending.proposeFrom > round || pending.bytes + 8 > room) continue;
      room -= pending.bytes + 8;
      pending.proposeFrom = round + this.#patience;
      observations.push(pending.observation);
    }
    const instructions = this.#instructions.take(round, room, MAX_PAYLOAD_INSTRUCTIONS);
    if (observations.length + instructions.length + transactions.length === 0) return new Uint8Array(0);
    return assemblePayload({ instructions, observations: encodeObservations(observations), transactions });
  }
}

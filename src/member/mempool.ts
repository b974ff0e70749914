/**
 * What waits to be ordered. Instructions are gossiped to all members; the one that got it from its user proposes it at once,
 * the others only if it is not output within K/2 rounds, so that one slow or malicious member cannot censor it and n members
 * do not carry it n times. A block of ours that fell below the floor puts its content back.
 */
import { encodeObservations, encodePayload, encodeSignedInstruction } from "../ledger/codec.ts";
import { MAX_PAYLOAD_INSTRUCTIONS, MAX_PAYLOAD_OBSERVATIONS } from "../ledger/limits.ts";
import type { Observation, SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import type { MemberLimits } from "./types.ts";

interface PendingInstruction {
  readonly signed: SignedInstruction;
  readonly bytes: number;
  /** Whose gossip brought it; undefined: its user came to us. */
  from: number | undefined;
  /** First round in which this member may (again) put it into a block. */
  proposeFrom: number;
}

interface PendingObservation {
  readonly observation: Observation;
  readonly bytes: number;
  proposeFrom: number;
}

/** Entries that may be passed over because they do not fit the rest of a block: what is left is then not worth a search. */
const MAX_PASSED_OVER = 64;

/** What one peer's gossip holds here. */
interface Share {
  count: number;
  bytes: number;
}

export class Mempool {
  readonly #limits: MemberLimits;
  #members: number;
  /** K/2: rounds after which somebody else's or our own earlier attempt counts as failed. */
  readonly #patience: number;
  readonly #instructions = new Map<Hex, PendingInstruction>();
  /** Of these, what may go into the next block, in order; the others wait by the round from which they may. */
  readonly #due = new Map<Hex, PendingInstruction>();
  readonly #later = new Map<number, Hex[]>();
  #dueRound = 0;
  /** By encoding, so that the same observation is kept once. */
  readonly #observations = new Map<Hex, PendingObservation>();
  readonly #shares = new Map<number, Share>();
  #bytes = 0;

  constructor(limits: MemberLimits, retainedRounds: number, members: number) {
    this.#limits = limits;
    this.#members = members;
    this.#patience = Math.max(1, Math.floor(retainedRounds / 2));
  }

  get size(): number {
    return this.#instructions.size;
  }

  get sizes(): { readonly instructions: number; readonly instructionBytes: number; readonly observations: number } {
    return {
      instructions: this.#instructions.size,
      instructionBytes: this.#bytes,
      observations: this.#observations.size,
    };
  }

  has(id: Hex): boolean {
    return this.#instructions.has(id);
  }

  /**
   * False when full. Without `from` its user came to this member, and it goes into our next block. What peers gossip may fill
   * half, each an equal part of it: malicious members must close our door neither to our users nor to the other members.
   */
  add(id: Hex, signed: SignedInstruction, from: number | undefined, round: number): boolean {
    const known = this.#instructions.get(id);
    if (known !== undefined) {
      if (from === undefined) {
        // Promised to a user of ours now, whoever gossiped it first.
        this.#release(known);
        known.from = undefined;
        if (known.proposeFrom > round) this.#schedule(id, known, round);
      }
      return true;
    }
    const bytes = encodeSignedInstruction(signed).length;
    const { maxPendingInstructions, maxPendingBytes } = this.#limits;
    if (this.#instructions.size >= maxPendingInstructions || this.#bytes + bytes > maxPendingBytes) return false;
    if (from !== undefined) {
      const share = this.#shares.get(from) ?? { count: 0, bytes: 0 };
      const part = 2 * this.#members;
      if (share.count + 1 > Math.max(1, maxPendingInstructions / part)) return false;
      if (share.bytes + bytes > maxPendingBytes / part) return false;
      share.count++;
      share.bytes += bytes;
      this.#shares.set(from, share);
    }
    this.#bytes += bytes;
    const pending = { signed, bytes, from, proposeFrom: 0 };
    this.#instructions.set(id, pending);
    this.#schedule(id, pending, from === undefined ? round : round + this.#patience);
    return true;
  }

  remove(id: Hex): void {
    const pending = this.#instructions.get(id);
    if (pending === undefined) return;
    this.#bytes -= pending.bytes;
    this.#release(pending);
    this.#instructions.delete(id);
    this.#due.delete(id);
  }

  /**
   * An instruction was output. It leaves only with the signature that we hold: a malicious author can order the same id with a
   * false signature, which the ledger drops, and must not make us forget the valid one.
   */
  ordered(id: Hex, signature: Hex): void {
    if (this.#instructions.get(id)?.signed.signature === signature) this.remove(id);
  }

  /** Observations are this member's own words; beyond the limit the oldest is given up (watchers report again). */
  observe(observations: readonly Observation[], round: number): void {
    for (const observation of observations) {
      const bytes = encodeObservations([observation]);
      const key = bytesToHex(bytes);
      if (this.#observations.has(key)) continue;
      if (this.#observations.size >= this.#limits.maxPendingObservations) {
        for (const oldest of this.#observations.keys()) {
          this.#observations.delete(oldest);
          break;
        }
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
    this.#advance(round);
    return this.#due.size > 0;
  }

  /** What users of this member handed in and nobody decided, in the order in which they did. */
  own(): SignedInstruction[] {
    return [...this.#instructions.values()].flatMap(({ from, signed }) => (from === undefined ? [signed] : []));
  }

  /**
   * A new epoch begins, with rounds from 1 and other indices: what blocks of the old one carried undecided is proposed again.
   * `indexOf` maps an old index; what a member that left had gossiped is ours from now on, because it cannot propose it any more.
   * Observations go: the ledger forgot what the old members said, and watchers report again.
   */
  renew(members: number, indexOf: (old: number) => number | undefined): void {
    this.#members = members;
    this.#observations.clear();
    this.#shares.clear();
    this.#due.clear();
    this.#later.clear();
    this.#dueRound = 0;
    for (const [id, pending] of this.#instructions) {
      pending.from = pending.from === undefined ? undefined : indexOf(pending.from);
      if (pending.from !== undefined) {
        const share = this.#shares.get(pending.from) ?? { count: 0, bytes: 0 };
        share.count++;
        share.bytes += pending.bytes;
        this.#shares.set(pending.from, share);
      }
      this.#schedule(id, pending, pending.from === undefined ? 1 : 1 + this.#patience);
    }
  }

  /** Takes what fits a block of this round: transactions and observations first (they are few, and epochs and expiries wait for them). */
  take(round: number, maxBytes: number, transactions: readonly Uint8Array[] = []): Uint8Array {
    // Offsets and counts of the payload's encoding: 4 bytes an element, and a constant.
    let room = maxBytes - 64;
    for (const bytes of transactions) room -= bytes.length + 8;
    assert(room > 0, "transactions leave room in a payload");
    const fits = (pending: { readonly bytes: number }): boolean => {
      if (pending.bytes + 8 > room) return false;
      room -= pending.bytes + 8;
      return true;
    };
    const observations: Observation[] = [];
    for (const pending of this.#observations.values()) {
      if (observations.length === MAX_PAYLOAD_OBSERVATIONS) break;
      if (pending.proposeFrom > round || !fits(pending)) continue;
      pending.proposeFrom = round + this.#patience;
      observations.push(pending.observation);
    }
    this.#advance(round);
    const instructions: SignedInstruction[] = [];
    let passedOver = 0;
    for (const [id, pending] of this.#due) {
      if (instructions.length === MAX_PAYLOAD_INSTRUCTIONS || passedOver === MAX_PASSED_OVER) break;
      if (fits(pending)) {
        this.#schedule(id, pending, round + this.#patience);
        instructions.push(pending.signed);
      } else passedOver++;
    }
    if (observations.length + instructions.length + transactions.length === 0) return new Uint8Array(0);
    return encodePayload({ instructions, observations, transactions });
  }

  /** What a peer's gossip holds here no longer counts as its. */
  #release({ from, bytes }: PendingInstruction): void {
    const share = from === undefined ? undefined : this.#shares.get(from);
    if (share === undefined) return;
    share.count--;
    share.bytes -= bytes;
  }

  #schedule(id: Hex, pending: PendingInstruction, round: number): void {
    pending.proposeFrom = round;
    if (round <= this.#dueRound) {
      this.#due.set(id, pending);
      return;
    }
    this.#due.delete(id);
    const ids = this.#later.get(round);
    if (ids === undefined) this.#later.set(round, [id]);
    else ids.push(id);
  }

  /** Moves what may be proposed by now; every entry moves once per attempt, so that a step costs what it does. */
  #advance(round: number): void {
    if (round <= this.#dueRound) return;
    this.#dueRound = round;
    // At most K/2 different rounds wait, and few are due at a time.
    const due = [...this.#later.keys()].filter((from) => from <= round).sort((a, b) => a - b);
    for (const from of due) {
      for (const id of this.#later.get(from) ?? []) {
        const pending = this.#instructions.get(id);
        // Rescheduled since, or ordered.
        if (pending?.proposeFrom === from) this.#due.set(id, pending);
      }
      this.#later.delete(from);
    }
  }
}

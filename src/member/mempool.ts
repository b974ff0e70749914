/**
 * What waits to be ordered. Instructions are gossiped to all members; the one that got it from its user proposes it at once,
 * the others only if it is not output within K/2 rounds, so that one slow or malicious member cannot censor it and n members
 * do not carry it n times. A block of ours that fell below the floor puts its content back.
 */
import { encodeObservations, encodePayload, encodeSignedInstruction } from "../ledger/codec.ts";
import type { Observation, SignedInstruction } from "../ledger/types.ts";
import { bytesToHex, type Hex } from "../lib/hex.ts";
import type { MemberLimits } from "./types.ts";

interface PendingInstruction {
  readonly signed: SignedInstruction;
  readonly bytes: number;
  readonly ours: boolean;
  /** First round in which this member may (again) put it into a block. */
  proposeFrom: number;
}

interface PendingObservation {
  readonly observation: Observation;
  readonly bytes: number;
  proposeFrom: number;
}

export class Mempool {
  readonly #limits: MemberLimits;
  /** K/2: rounds after which somebody else's or our own earlier attempt counts as failed. */
  readonly #patience: number;
  readonly #instructions = new Map<Hex, PendingInstruction>();
  /** By encoding, so that the same observation is kept once. */
  readonly #observations = new Map<Hex, PendingObservation>();
  #bytes = 0;
  #gossiped = 0;

  constructor(limits: MemberLimits, retainedRounds: number) {
    this.#limits = limits;
    this.#patience = Math.max(1, Math.floor(retainedRounds / 2));
  }

  get size(): number {
    return this.#instructions.size;
  }

  has(id: Hex): boolean {
    return this.#instructions.has(id);
  }

  /**
   * False when full. `ours`: its user came to this member, so it goes into our next block. What peers gossip may fill half:
   * f malicious members must not be able to close our door to our own users.
   */
  add(id: Hex, signed: SignedInstruction, ours: boolean, round: number): boolean {
    const known = this.#instructions.get(id);
    if (known !== undefined) {
      if (ours) known.proposeFrom = Math.min(known.proposeFrom, round);
      return true;
    }
    const bytes = encodeSignedInstruction(signed).length;
    if (this.#instructions.size >= this.#limits.maxPendingInstructions) return false;
    if (this.#bytes + bytes > this.#limits.maxPendingBytes) return false;
    if (!ours && this.#gossiped * 2 >= this.#limits.maxPendingInstructions) return false;
    this.#bytes += bytes;
    if (!ours) this.#gossiped++;
    this.#instructions.set(id, { signed, bytes, ours, proposeFrom: ours ? round : round + this.#patience });
    return true;
  }

  remove(id: Hex): void {
    const pending = this.#instructions.get(id);
    if (pending === undefined) return;
    this.#bytes -= pending.bytes;
    if (!pending.ours) this.#gossiped--;
    this.#instructions.delete(id);
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
    for (const pending of this.#instructions.values()) if (pending.proposeFrom <= round) return true;
    return false;
  }

  /** Takes what fits a block of this round, observations first (they are few, and expiries wait for them). */
  take(round: number, maxBytes: number): Uint8Array {
    // Offsets and counts of the payload's encoding: 4 bytes an element, and a constant.
    let room = maxBytes - 64;
    const fits = (pending: { readonly bytes: number; proposeFrom: number }): boolean => {
      if (pending.proposeFrom > round || pending.bytes + 8 > room) return false;
      room -= pending.bytes + 8;
      pending.proposeFrom = round + this.#patience;
      return true;
    };
    const observations: Observation[] = [];
    const instructions: SignedInstruction[] = [];
    for (const pending of this.#observations.values()) if (fits(pending)) observations.push(pending.observation);
    for (const pending of this.#instructions.values()) if (fits(pending)) instructions.push(pending.signed);
    if (observations.length === 0 && instructions.length === 0) return new Uint8Array(0);
    return encodePayload({ instructions, observations });
  }
}

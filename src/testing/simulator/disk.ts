/** A member's disk in memory: what was persisted survives a crash, nothing else does. */
import type { Certificate } from "../../batch/types.ts";
import { slotOfBytes } from "../../consensus/block.ts";
import { decodeOrderTail } from "../../consensus/checkpoint.ts";
import type { Hex } from "../../lib/hex.ts";
import type { Checkpoint, EpochStart, PersistWrite, Recovered, Shares } from "../../member/types.ts";
import type { Committee } from "../../threshold/committee.ts";

type LogRecord =
  | { readonly kind: "block"; readonly bytes: Uint8Array }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array };

/** What a node keeps of the epoch it is in. */
export interface StoredEpoch {
  readonly committee: Committee;
  /** Absent in the first epoch. */
  readonly start: EpochStart | undefined;
}

export class SimulatedDisk {
  #log: LogRecord[] = [];
  /** Of the epoch. */
  #signedRound = 0;
  readonly #register = new Map<string, Hex>();
  readonly #certificates: Certificate[] = [];
  readonly #shares = new Map<string, Shares>();
  readonly #deals = new Map<Hex, Uint8Array>();
  readonly #epochs: StoredEpoch[] = [];
  #epoch: StoredEpoch | undefined;
  #checkpoint: Checkpoint | undefined;
  /** Rounds of the checkpoint and of the one before it. */
  #rounds: readonly number[] = [];

  /** The epoch that the log is of. */
  get epoch(): StoredEpoch | undefined {
    return this.#epoch;
  }

  /** What every epoch that this node knows began with, for whoever catches up. */
  get epochs(): readonly StoredEpoch[] {
    return this.#epochs;
  }

  /** One durable transaction. Returns the positions that were already registered with another digest: a double signature. */
  write(write: PersistWrite): string[] {
    const conflicts: string[] = [];
    for (const { kind, position, digest } of write.register) {
      const key = `${kind}/${position}`;
      const known = this.#register.get(key);
      if (known !== undefined && known !== digest) conflicts.push(key);
      else this.#register.set(key, digest);
      if (kind === "block") this.#signedRound = Math.max(this.#signedRound, Number(position & 0xffff_ffff_ffff_ffffn));
    }
    for (const { bytes } of write.blocks) this.#log.push({ kind: "block", bytes });
    for (const { round, signature } of write.coins) this.#log.push({ kind: "coin", round, signature });
    this.#certificates.push(...write.certificates);
    return conflicts;
  }

  /** Where a restart goes on from within the epoch, and what others are given. */
  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  /**
   * Replaces the one before. The log keeps what lies above the floor of that one (others may be starting from it), and the own last
   * block whatever its round: no round up to it may be signed again.
   */
  keepCheckpoint(checkpoint: Checkpoint, self: number, retainedRounds: number): void {
    const round = decodeOrderTail(checkpoint.order).records.at(-1)!.leader.round;
    const floor = (this.#rounds.at(-1) ?? 0) - retainedRounds;
    this.#checkpoint = checkpoint;
    this.#rounds = [...this.#rounds.slice(-1), round];
    const slots = this.#log.map((record) => (record.kind === "coin" ? record : slotOfBytes(record.bytes)!));
    const own = slots.reduce(
      (last, slot) => ("author" in slot && slot.author === self ? Math.max(last, slot.round) : last),
      0,
    );
    this.#log = this.#log.filter((_, i) => {
      const slot = slots[i]!;
      return slot.round > floor || ("author" in slot && slot.author === self && slot.round === own);
    });
  }

  /** Records of the log: bounded by what is above the floor. */
  get logLength(): number {
    return this.#log.length;
  }

  /** The node goes on in this epoch: its start and the end of the old log are one transaction. */
  begin(epoch: StoredEpoch): void {
    this.publish(epoch);
    this.#epoch = epoch;
    this.#log = [];
    this.#signedRound = 0;
    this.#checkpoint = undefined;
    this.#rounds = [];
  }

  /** Kept for others only. */
  publish(epoch: StoredEpoch): void {
    if (this.#epochs.every((known) => known.committee.epoch !== epoch.committee.epoch)) this.#epochs.push(epoch);
  }

  keepShares(epoch: bigint, attempt: bigint, shares: Shares): void {
    this.#shares.set(`${epoch}/${attempt}`, shares);
  }

  shares(epoch: bigint, attempt: bigint): Shares | undefined {
    return this.#shares.get(`${epoch}/${attempt}`);
  }

  /** All that were opened for an epoch, by attempt. */
  sharesFor(epoch: bigint): { readonly attempt: bigint; readonly shares: Shares }[] {
    return [...this.#shares].flatMap(([key, shares]) => {
      const [of, attempt] = key.split("/").map(BigInt) as [bigint, bigint]; // CAST: written by keepShares
      return of === epoch ? [{ attempt, shares }] : [];
    });
  }

  /** A deal transaction, whole, by the proposal it is for: made once, sent as often as needed. */
  keepDeal(proposal: Hex, transaction: Uint8Array): void {
    this.#deals.set(proposal, transaction);
  }

  deal(proposal: Hex): Uint8Array | undefined {
    return this.#deals.get(proposal);
  }

  /** Some deal of an attempt that is over, for a dealer that tries to use it again. */
  oldestDeal(): Uint8Array | undefined {
    return this.#deals.values().next().value;
  }

  recover(): Recovered {
    return {
      signedRound: this.#signedRound,
      log: [...this.#log],
      registered: (kind, position) => this.#register.get(`${kind}/${position}`),
      certificates: [...this.#certificates],
    };
  }
}

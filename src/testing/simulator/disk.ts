/** A member's disk in memory: what was persisted survives a crash, nothing else does. */
import type { Certificate } from "../../batch/types.ts";
import type { Hex } from "../../lib/hex.ts";
import type { EpochStart, PersistWrite, Recovered, Shares } from "../../member/types.ts";
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
  readonly #register = new Map<string, Hex>();
  readonly #certificates: Certificate[] = [];
  readonly #shares = new Map<string, Shares>();
  readonly #deals = new Map<Hex, Uint8Array>();
  readonly #epochs: StoredEpoch[] = [];
  #epoch: StoredEpoch | undefined;

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
    }
    for (const { bytes } of write.blocks) this.#log.push({ kind: "block", bytes });
    for (const { round, signature } of write.coins) this.#log.push({ kind: "coin", round, signature });
    this.#certificates.push(...write.certificates);
    return conflicts;
  }

  /** The node goes on in this epoch: its start and the end of the old log are one transaction. */
  begin(epoch: StoredEpoch): void {
    this.publish(epoch);
    this.#epoch = epoch;
    this.#log = [];
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
      log: [...this.#log],
      registered: (kind, position) => this.#register.get(`${kind}/${position}`),
      certificates: [...this.#certificates],
    };
  }
}

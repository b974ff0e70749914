/**
 * A member's disk in memory: what was persisted survives a crash, nothing else does. Writes are transactions, as the node's store makes
 * them: a torn one is not there at all. Those that nothing is signed with are relaxed, as the node's are (node/records.ts): a power cut
 * takes the newest of them, whatever the process was doing. What it holds may flip or land in the wrong place, which only its reader can
 * find out.
 */
import type { Certificate } from "../../batch/types.ts";
import { slotOfBytes } from "../../consensus/block.ts";
import { decodeOrderTail } from "../../consensus/checkpoint.ts";
import type { Hex } from "../../lib/hex.ts";
import type { Checkpoint, EpochStart, PersistWrite, Recovered, Shares } from "../../member/types.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { Random } from "../random.ts";
import { DiskError, type DiskFaults, SOUND_DISK } from "./disk-faults.ts";

type LogRecord =
  | { readonly kind: "block"; readonly bytes: Uint8Array; readonly digest: Hex }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array };

/** What a node keeps of the epoch it is in. */
export interface StoredEpoch {
  readonly committee: Committee;
  /** Absent in the first epoch. */
  readonly start: EpochStart | undefined;
}

/** Transactions that a crash can take where nothing is synced. */
const MAX_UNSYNCED = 8;
/** Relaxed ones that a power cut can take: what is older, the operating system has written by then. */
const MAX_RELAXED = 128;

/** How to take back a transaction. */
interface Undo {
  /** relaxed: not synced; synced: on disk with all before it, once it has returned; checkpoint: the same, written a little later. */
  readonly kind: "relaxed" | "synced" | "checkpoint";
  readonly revert: () => void;
}

export class SimulatedDisk {
  #log: LogRecord[] = [];
  /** Of the epoch. */
  #signedRound = 0;
  #register = new Map<string, Hex>();
  #certificates: Certificate[] = [];
  readonly #shares = new Map<string, Shares>();
  readonly #deals = new Map<Hex, Uint8Array>();
  readonly #epochs: StoredEpoch[] = [];
  #epoch: StoredEpoch | undefined;
  #checkpoint: Checkpoint | undefined;
  /** Rounds of the checkpoint and of the one before it. */
  #rounds: readonly number[] = [];
  #faults = SOUND_DISK;
  #random: Random | undefined;
  /** The newest transactions, oldest first: what a crash may take. */
  #undo: Undo[] = [];
  #isCorrupt = false;
  #lost = 0;

  /** From now on the disk fails as described. */
  spoil(faults: DiskFaults, random: Random): void {
    this.#faults = faults;
    this.#random = random;
  }

  /** Reads and writes succeed from now on; what is lost or corrupt stays so. */
  repair(): void {
    this.#faults = SOUND_DISK;
  }

  /** Something in it is not what was written: its reader may stop, and must not sign what it should not. */
  get isCorrupt(): boolean {
    return this.#isCorrupt;
  }

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
    const before = { log: this.#log.length, certificates: this.#certificates.length, signedRound: this.#signedRound };
    const added: string[] = [];
    const kind = write.register.length > 0 ? "synced" : "relaxed";
    this.#remember(kind, () => {
      this.#log.length = before.log;
      this.#certificates.length = before.certificates;
      this.#signedRound = before.signedRound;
      for (const key of added) this.#register.delete(key);
    });
    const conflicts: string[] = [];
    for (const { kind, position, digest } of write.register) {
      const key = `${kind}/${position}`;
      const known = this.#register.get(key);
      if (known !== undefined && known !== digest) conflicts.push(key);
      else if (known === undefined) {
        this.#register.set(key, digest);
        added.push(key);
      }
      if (kind === "block") this.#signedRound = Math.max(this.#signedRound, Number(position & 0xffff_ffff_ffff_ffffn));
    }
    for (const { bytes, digest } of write.blocks) this.#log.push({ kind: "block", bytes, digest });
    for (const { round, signature } of write.coins) this.#log.push({ kind: "coin", round, signature });
    this.#certificates.push(...write.certificates);
    if (this.#random?.chance(this.#faults.writeFaultPerMille) === true) {
      this.crash(true);
      throw new DiskError("the write failed");
    }
    return conflicts;
  }

  /** The process died, while it was writing or not, or the machine did. What was not synced is gone, or not. */
  crash(isWriting: boolean): void {
    const random = this.#random;
    if (random === undefined) return;
    const { sync, tornPerMille, powerCutPerMille } = this.#faults;
    const last = this.#undo.at(-1);
    const isUnfinished = last !== undefined && (isWriting || last.kind === "checkpoint");
    if (sync === "never") this.#loseSuffix(this.#undo.length, random);
    else if (isUnfinished && random.chance(tornPerMille)) this.#undo.pop()!.revert();
    if (powerCutPerMille > 0 && random.chance(powerCutPerMille)) {
      const synced = sync === "lost" ? -1 : this.#undo.findLastIndex(({ kind }) => kind !== "relaxed");
      this.#loseSuffix(this.#undo.length - 1 - synced, random);
    }
    this.#undo = [];
  }

  /** None to all of the newest so many transactions. */
  #loseSuffix(most: number, random: Random): void {
    for (let lost = random.below(most + 1); lost > 0; lost--) {
      this.#undo.pop()?.revert();
      this.#lost++;
    }
  }

  /** Transactions that crashes took although they had returned. */
  get lost(): number {
    return this.#lost;
  }

  /** A copy, as a backup holds it. */
  clone(): SimulatedDisk {
    const copy = new SimulatedDisk();
    copy.#log = [...this.#log];
    copy.#signedRound = this.#signedRound;
    copy.#register = new Map(this.#register);
    copy.#certificates = [...this.#certificates];
    copy.#epochs.push(...this.#epochs);
    copy.#epoch = this.#epoch;
    copy.#checkpoint = this.#checkpoint;
    copy.#rounds = this.#rounds;
    return copy;
  }

  /** Of other members' disks the log that reaches furthest in the rounds of `self`, without anything that says what was signed here. */
  static salvaged(disks: readonly SimulatedDisk[], self: number): SimulatedDisk {
    const reach = (disk: SimulatedDisk): number =>
      disk.#log.reduce((round, record) => {
        const slot = record.kind === "block" ? slotOfBytes(record.bytes) : undefined;
        return slot?.author === self ? Math.max(round, slot.round) : round;
      }, 0);
    const best = [...disks].sort((a, b) => reach(b) - reach(a))[0];
    const copy = best?.clone() ?? new SimulatedDisk();
    copy.#register.clear();
    copy.#signedRound = reach(copy);
    return copy;
  }

  /** A byte of something that is kept flips, or the newest record lies where another one was. */
  corrupt(random: Random): void {
    const record = this.#log.length === 0 ? undefined : random.below(this.#log.length);
    if (record === undefined) return;
    this.#isCorrupt = true;
    this.#undo = [];
    switch (random.below(4)) {
      case 0: {
        const last = this.#log.pop()!;
        if (record < this.#log.length) this.#log[record] = last;
        return;
      }
      case 1: {
        const checkpoint = this.#checkpoint;
        if (checkpoint !== undefined) {
          const flipsOrder = random.chance(500);
          this.#checkpoint = flipsOrder
            ? { ...checkpoint, order: flipped(checkpoint.order, random) }
            : { ...checkpoint, snapshot: flipped(checkpoint.snapshot, random) };
          return;
        }
        break;
      }
      case 2: {
        const key = [...this.#register.keys()].at(-1 - random.below(Math.min(4, this.#register.size)));
        if (key !== undefined) {
          this.#register.set(key, `0x${"5a".repeat(32)}`);
          return;
        }
        break;
      }
    }
    const hit = this.#log[record]!;
    this.#log[record] =
      hit.kind === "block"
        ? { ...hit, bytes: flipped(hit.bytes, random) }
        : { ...hit, signature: flipped(hit.signature, random) };
  }

  #remember(kind: Undo["kind"], revert: () => void): void {
    const { sync } = this.#faults;
    // Whoever writes again knows that what it synced before is there, and all that came before that.
    if (sync === "honest") this.#undo.splice(0, 1 + this.#undo.findLastIndex((earlier) => earlier.kind !== "relaxed"));
    this.#undo.push({ kind, revert });
    if (this.#undo.length > (sync === "honest" ? MAX_RELAXED : MAX_UNSYNCED)) this.#undo.shift();
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
    const before = { log: this.#log, checkpoint: this.#checkpoint, rounds: this.#rounds };
    this.#remember("checkpoint", () => {
      this.#log = before.log;
      this.#checkpoint = before.checkpoint;
      this.#rounds = before.rounds;
    });
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
    // Synced, with all that came before.
    this.#undo = [];
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

  /** Keys are kept elsewhere, too: whoever lost everything else has those that another disk held. */
  keepSharesOf(other: SimulatedDisk): void {
    for (const [key, shares] of other.#shares) this.#shares.set(key, shares);
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

  /** Bytes of a block of the log, or what has become of them. */
  block(digest: Hex): Uint8Array | undefined {
    const found = this.#log.findLast((record) => record.kind === "block" && record.digest === digest);
    return found?.kind === "block" ? found.bytes : undefined;
  }

  /** @throws DiskError when it cannot be read now. */
  recover(): Recovered {
    if (this.#random?.chance(this.#faults.readFaultPerMille) === true) throw new DiskError("the log cannot be read");
    return {
      signedRound: this.#signedRound,
      log: [...this.#log],
      registered: (kind, position) => this.#register.get(`${kind}/${position}`),
      certificates: [...this.#certificates],
    };
  }
}

function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = random.below(copy.length);
  copy[at] = copy[at]! ^ (1 << random.below(8));
  return copy;
}

/**
 * Lanes: one nonce chain per (signer, lane number), and what is remembered so that every instruction ends in exactly one receipt.
 *
 * Replay is impossible because a decided instruction's nonce is consumed. Only *recognising* a repeat needs memory, and only while it
 * could be taken for something new: an id that names batch b is remembered for 2W batches after its receipt, so beyond b + 2W, where
 * nothing carried gets a receipt any more. Only a forced instruction can be decided after a receipt, and only after one that left the
 * nonce free: whoever carries blocks could otherwise have it refused (too late, say) just to close the way through the chain's inbox.
 */
import type { Address, Hex } from "../lib/hex.ts";
import { compareBigint, maxBigint } from "../lib/math.ts";
import { decodeSignedInstruction, encodeSignedInstruction } from "./codec.ts";
import type { DropCode, ReceiptCode } from "./codes.ts";
import { instructionId } from "./instruction.ts";
import { MAX_LANES_PER_SIGNER } from "./limits.ts";
import { MerkleList } from "./merkle-list.ts";
import type { ByteReader, ByteWriter } from "./snapshot/bytes.ts";
import type { SignedInstruction } from "./types.ts";
import { WordWriter } from "./words.ts";

export interface Parked {
  readonly id: Hex;
  readonly signed: SignedInstruction;
}

export interface Lane {
  readonly signer: Address;
  readonly number: bigint;
  /** Place in the committed list of lanes. */
  readonly index: number;
  /** Started by its signer alone, so it counts against MAX_LANES_PER_SIGNER. */
  readonly isOwn: boolean;
  next: bigint;
  /** Highest batch named by a consumed instruction. */
  lastNamed: bigint;
  /** By nonce; all above `next`, at most W of them. */
  readonly parked: Map<bigint, Parked>;
}

export type Admission =
  | { readonly kind: "drop"; readonly code: DropCode }
  /** Ends here, without consuming the nonce. */
  | { readonly kind: "refuse"; readonly code: ReceiptCode; readonly figures: Readonly<Record<string, string>> }
  | { readonly kind: "park" }
  /** Its nonce is next. */
  | { readonly kind: "turn" };

/** Verified when it was parked, and read by nobody since: the state does not commit to which of its signatures an instruction had. */
const NO_SIGNATURE: Hex = `0x${"00".repeat(65)}`;

export function laneKeyOf(signer: Address, lane: bigint): string {
  return `${signer}:${lane}`;
}

export class Lanes {
  private readonly window: bigint;
  private readonly lanes = new Map<string, Lane>();
  /** Lanes that some owner opened to another signer: they may start without their signer owning an account. */
  private readonly opened = new Set<string>();
  /** How many lanes a signer started that nobody opened to it. */
  private readonly ownLanes = new Map<Address, number>();
  /** Ids that have their receipt, with the batch of the newest one and whether it consumed the nonce. */
  private readonly recent = new Map<Hex, { readonly sequence: bigint; readonly isConsumed: boolean }>();
  private readonly recentByBatch = new Map<bigint, Hex[]>();
  /** Parked instructions by the last batch of their window. */
  private readonly parkedByEnd = new Map<bigint, { lane: Lane; nonce: bigint; id: Hex }[]>();
  private readonly list = new MerkleList();
  private readonly dirty = new Set<Lane>();
  private readonly words = new WordWriter();
  private readonly recentHashes = new Map<bigint, Uint8Array>();

  constructor(window: bigint) {
    this.window = window;
  }

  get size(): number {
    return this.lanes.size;
  }

  nextNonce(signer: Address, lane: bigint): bigint {
    return this.lanes.get(laneKeyOf(signer, lane))?.next ?? 0n;
  }

  /** Whether an instruction has a receipt that consumed its nonce. */
  isDecided(id: Hex): boolean {
    return this.recent.get(id)?.isConsumed === true;
  }

  /**
   * What becomes of an instruction in batch `sequence`, before its body is looked at; changes nothing. Cheap checks come before the
   * signature, and no check before it leads to a receipt: a receipt for something nobody signed would hide the genuine one.
   */
  admit(
    id: Hex,
    { instruction }: SignedInstruction,
    sequence: bigint,
    isOwner: (signer: Address) => boolean,
    isSigned: () => boolean,
  ): Admission {
    const { signer, lane: number, nonce, namedBatch } = instruction.head;
    const lane = this.lanes.get(laneKeyOf(signer, number));
    const next = lane?.next ?? 0n;
    const isLate = sequence > namedBatch + this.window;
    if (this.recent.has(id) || lane?.parked.get(nonce)?.id === id) return { kind: "drop", code: "repeated" };
    if (namedBatch >= sequence) return { kind: "drop", code: "early" };
    // Decided so long ago that its id is forgotten, or never applicable: a second receipt could contradict the first.
    if (nonce < next && isLate) return { kind: "drop", code: "repeated" };
    // Here at the earliest an id with a receipt is forgotten: from here on a receipt could be its second one.
    if (sequence > namedBatch + 2n * this.window) return { kind: "drop", code: "stale" };
    // A carrier could put a late nonce before its predecessors to have it refused: it must stay decidable.
    if (nonce > next + this.window) return { kind: "drop", code: "gapTooWide" };
    if (!isSigned()) return { kind: "drop", code: "badSignature" };
    const figures = { namedBatch: namedBatch.toString(), nonce: nonce.toString(), nextNonce: next.toString() };
    const refuse = (code: ReceiptCode): Admission => ({ kind: "refuse", code, figures });
    if (isLate) return refuse("late");
    if (nonce < next || lane?.parked.has(nonce) === true) return refuse("nonceUsed");
    const closed = this.mayStart(signer, number, isOwner);
    if (closed !== undefined) return refuse(closed);
    return nonce === next ? { kind: "turn" } : { kind: "park" };
  }

  /** Why a lane cannot be used by its signer, if it cannot. */
  mayStart(signer: Address, number: bigint, isOwner: (signer: Address) => boolean): ReceiptCode | undefined {
    const key = laneKeyOf(signer, number);
    if (this.lanes.has(key) || this.opened.has(key)) return undefined;
    if (!isOwner(signer)) return "unknownSigner";
    return (this.ownLanes.get(signer) ?? 0) >= MAX_LANES_PER_SIGNER ? "tooManyLanes" : undefined;
  }

  /** An owner opened this lane to `signer`. Strangers' openings must not count against the signer's own lanes. */
  open(signer: Address, number: bigint): void {
    this.opened.add(laneKeyOf(signer, number));
  }

  park(id: Hex, signed: SignedInstruction): void {
    const { signer, lane: number, nonce, namedBatch } = signed.instruction.head;
    const lane = this.laneOf(signer, number);
    lane.parked.set(nonce, { id, signed });
    this.dirty.add(lane);
    const end = namedBatch + this.window;
    const ending = this.parkedByEnd.get(end);
    if (ending === undefined) this.parkedByEnd.set(end, [{ lane, nonce, id }]);
    else ending.push({ lane, nonce, id });
  }

  /** Removes and returns what was parked and can no longer apply in batch `sequence`, by lane and nonce. */
  expireParked(sequence: bigint): Parked[] {
    const expired: Parked[] = [];
    const end = sequence - 1n;
    const ending = this.parkedByEnd.get(end) ?? [];
    // Not in the order in which they came: the state root does not commit to that.
    ending.sort((a, b) => a.lane.index - b.lane.index || compareBigint(a.nonce, b.nonce));
    for (const { lane, nonce, id } of ending) {
      const parked = lane.parked.get(nonce);
      if (parked?.id !== id) continue;
      lane.parked.delete(nonce);
      this.dirty.add(lane);
      expired.push(parked);
    }
    this.parkedByEnd.delete(end);
    return expired;
  }

  /** True when the lane's named batches would fall. */
  falls(signer: Address, number: bigint, namedBatch: bigint): boolean {
    return namedBatch < (this.lanes.get(laneKeyOf(signer, number))?.lastNamed ?? 0n);
  }

  /** Consumes the lane's next nonce and returns what was waiting for it. */
  consume(signer: Address, number: bigint, namedBatch: bigint): Parked | undefined {
    const lane = this.laneOf(signer, number);
    lane.next += 1n;
    if (namedBatch > lane.lastNamed) lane.lastNamed = namedBatch;
    this.dirty.add(lane);
    const parked = lane.parked.get(lane.next);
    if (parked !== undefined) lane.parked.delete(lane.next);
    return parked;
  }

  /** Remembers that `id` got a receipt in batch `sequence`. */
  remember(id: Hex, sequence: bigint, isConsumed: boolean): void {
    this.recent.set(id, { sequence, isConsumed });
    const ids = this.recentByBatch.get(sequence);
    if (ids === undefined) this.recentByBatch.set(sequence, [id]);
    else ids.push(id);
  }

  /** Forgets ids whose receipts are 2W batches old; call once per batch that was made. */
  forget(sequence: bigint): void {
    const old = sequence - 2n * this.window;
    for (const id of this.recentByBatch.get(old) ?? [])
      if (this.recent.get(id)?.sequence === old) this.recent.delete(id);
    this.recentByBatch.delete(old);
    this.recentHashes.delete(old);
  }

  /** Hash of all lanes, parked instructions and remembered ids. `sequence`: the batch being closed. */
  digest(sequence: bigint): Uint8Array {
    for (const lane of this.dirty) this.list.set(lane.index, this.hashLane(lane));
    this.dirty.clear();
    const root = this.list.root();
    this.hashRecent(sequence);
    this.words.reset().int(this.list.size).raw(root).int(this.recentHashes.size);
    for (const hash of this.recentHashes.values()) this.words.raw(hash);
    return this.words.keccak();
  }

  private hashRecent(sequence: bigint): void {
    this.words.reset();
    for (const id of this.recentByBatch.get(sequence) ?? []) this.words.hex(id).int(this.isDecided(id) ? 1 : 0);
    this.recentHashes.set(sequence, this.words.keccak());
  }

  /** Opened lanes are not here: they follow from the accounts' grants. */
  save(out: ByteWriter): void {
    const lanes = [...this.lanes.values()].sort((a, b) => a.index - b.index);
    out.list(lanes, ({ signer, number, isOwn, next, lastNamed, parked }) => {
      out.hex(signer).u64(number).flag(isOwn).u64(next).u64(lastNamed);
      const waiting = [...parked].sort(([a], [b]) => compareBigint(a, b));
      out.list(waiting, ([, { signed }]) => out.blob(encodeSignedInstruction({ ...signed, signature: NO_SIGNATURE })));
    });
    for (const sequence of this.recentHashes.keys()) {
      out.list(this.recentByBatch.get(sequence) ?? [], (id) => {
        const newest = this.recent.get(id);
        // One that has a later receipt was not consumed here, or it could not have had that.
        out.hex(id).flag(newest?.sequence === sequence && newest.isConsumed);
      });
    }
  }

  load(reader: ByteReader, newest: bigint): void {
    reader.list(41, () => {
      const signer = reader.hex(20);
      const number = reader.u64();
      const isOwn = reader.flag();
      const lane = this.addLane(signer, number, isOwn);
      lane.next = reader.u64();
      lane.lastNamed = reader.u64();
      reader.list(4, () => {
        const signed = decodeSignedInstruction(reader.blob());
        this.park(instructionId(signed.instruction), signed);
      });
    });
    for (let sequence = maxBigint(1n, newest - 2n * this.window + 1n); sequence <= newest; sequence += 1n) {
      const batch = sequence;
      reader.list(33, () => this.remember(reader.hex(32), batch, reader.flag()));
      this.hashRecent(batch);
    }
  }

  private hashLane(lane: Lane): Uint8Array {
    const w = this.words.reset();
    w.hex(lane.signer)
      .int(lane.number)
      .int(lane.isOwn ? 1 : 0)
      .int(lane.next)
      .int(lane.lastNamed)
      .int(lane.parked.size);
    const parked = [...lane.parked].sort(([a], [b]) => compareBigint(a, b));
    for (const [nonce, { id }] of parked) w.int(nonce).hex(id);
    return w.keccak();
  }

  private laneOf(signer: Address, number: bigint): Lane {
    const key = laneKeyOf(signer, number);
    return this.lanes.get(key) ?? this.addLane(signer, number, !this.opened.has(key));
  }

  private addLane(signer: Address, number: bigint, isOwn: boolean): Lane {
    const lane = { signer, number, index: this.lanes.size, isOwn, next: 0n, lastNamed: 0n, parked: new Map() };
    this.lanes.set(laneKeyOf(signer, number), lane);
    if (isOwn) this.ownLanes.set(signer, (this.ownLanes.get(signer) ?? 0) + 1);
    this.dirty.add(lane);
    return lane;
  }
}

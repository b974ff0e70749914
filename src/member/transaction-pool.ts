/**
 * Transactions of a change that wait to be ordered. Held by (kind, author, attempt), so that what anybody can make us keep is one of
 * each: a malicious member approves at most MAX_APPROVALS proposals at a time. Proposed again until they are output.
 */
import { transactionId } from "../ledger/reconfiguration/codec.ts";
import type { EpochTransaction } from "../ledger/reconfiguration/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { attemptOf, authorOf } from "./transaction-check.ts";

/** Proposals that one member can have under way: an operator who changes its mind now and then. */
const MAX_APPROVALS = 4;

interface Pending {
  readonly id: Hex;
  readonly transaction: EpochTransaction;
  readonly bytes: Uint8Array;
  /** First round in which a block of ours may (again) carry it. */
  proposeFrom: number;
}

export class TransactionPool {
  /** Rounds after which an own earlier block with it counts as failed. */
  readonly #patience: number;
  readonly #pending = new Map<string, Pending>();

  constructor(patience: number) {
    this.#patience = patience;
  }

  get size(): number {
    return this.#pending.size;
  }

  has(kind: EpochTransaction["kind"], author: Address, attempt: bigint): boolean {
    return this.#pending.has(`${kind}/${author}/${attempt}`);
  }

  /** "known": this or another one of the same author for the same attempt is held. */
  add(transaction: EpochTransaction, bytes: Uint8Array): "accepted" | "known" | "tooMany" {
    const author = authorOf(transaction);
    const attempt = attemptOf(transaction);
    if (this.has(transaction.kind, author, attempt)) return "known";
    if (transaction.kind === "approve" && this.#approvalsOf(author) >= MAX_APPROVALS) return "tooMany";
    const pending = { id: transactionId(bytes), transaction, bytes, proposeFrom: 0 };
    this.#pending.set(`${transaction.kind}/${author}/${attempt}`, pending);
    return "accepted";
  }

  /** These very bytes were output in a block of ours: whatever became of them, they need not be proposed again. */
  ordered(bytes: Uint8Array): void {
    if (this.#pending.size === 0) return;
    const id = transactionId(bytes);
    for (const [key, pending] of this.#pending) if (pending.id === id) this.#pending.delete(key);
  }

  /** Drops what does not count any more. */
  prune(isCurrent: (transaction: EpochTransaction) => boolean): void {
    for (const [key, { transaction }] of this.#pending) if (!isCurrent(transaction)) this.#pending.delete(key);
  }

  clear(): void {
    this.#pending.clear();
  }

  hasDue(round: number): boolean {
    for (const { proposeFrom } of this.#pending.values()) if (proposeFrom <= round) return true;
    return false;
  }

  /** What a block of this round may carry within so many bytes; what does not fit waits for the next one. */
  take(round: number, maxBytes: number, maxCount: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let room = maxBytes;
    for (const pending of this.#pending.values()) {
      if (taken.length === maxCount) break;
      if (pending.proposeFrom > round || pending.bytes.length > room) continue;
      room -= pending.bytes.length;
      pending.proposeFrom = round + this.#patience;
      taken.push(pending.bytes);
    }
    return taken;
  }

  #approvalsOf(author: Address): number {
    let count = 0;
    for (const { transaction } of this.#pending.values())
      if (transaction.kind === "approve" && transaction.member === author) count++;
    return count;
  }
}

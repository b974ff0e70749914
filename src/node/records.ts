/** What the node keeps of a step: member effects as rows of the store, in one transaction. */

import type { VerifiedBlock } from "../consensus/types.ts";
import type { SettledBatch } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import type { Checkpoint, PersistWrite } from "../member/types.ts";
import type { StoreWrite } from "../storage/port.ts";
import { encodeBatchJson, encodeEntryJson, encodeReceiptJson } from "./batch-json.ts";
import { storedCheckpointOf } from "./checkpoint-record.ts";
import { type EpochStart, storedEpochOf } from "./epoch-start.ts";

/** Collects the writes of several steps, so that one transaction serves them all. */
export class WriteCollector {
  #write = empty();
  #epoch: StoreWrite["epoch"];
  #checkpoint: StoreWrite["checkpoint"];
  #truncate: number | undefined;
  #count = 0;
  /** Something is signed or decided with it. */
  #isBinding = false;
  /** Blocks of the log that is being collected. */
  #blocks = new Map<Hex, Uint8Array>();

  /** Bytes of a block that waits to be written. */
  block(digest: Hex): Uint8Array | undefined {
    return this.#blocks.get(digest);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  persist(write: PersistWrite): void {
    for (const block of write.blocks) {
      this.#write.log.push({ kind: "block", ...recordOf(block) });
      this.#blocks.set(block.digest, block.bytes);
    }
    for (const { round, signature } of write.coins) this.#write.log.push({ kind: "coin", round, signature });
    this.#write.register.push(...write.register);
    if (write.register.length > 0) this.#isBinding = true;
    for (const { header, suite, signature } of write.certificates) {
      this.#write.certificates.push({ sequence: header.sequence, suite, signature });
    }
    this.#count++;
  }

  batch(batch: SettledBatch): void {
    const { sequence } = batch.header;
    this.#write.batches.push({ sequence, digest: batch.digest, json: encodeBatchJson(batch) });
    for (const receipt of batch.receipts) {
      this.#write.receipts.push({ instructionId: receipt.instructionId, sequence, json: encodeReceiptJson(receipt) });
    }
    for (const { chainId, hub, entry } of batch.entries) {
      this.#write.entries.push({ chainId, hub, index: entry.index, sequence, json: encodeEntryJson(entry) });
    }
    this.#count++;
  }

  /** What the log of the old epoch still had to say is not needed any more once the new one begins here. */
  epoch(start: EpochStart, ours: boolean): void {
    this.#epoch = storedEpochOf(start, ours);
    if (ours) {
      this.#write.log = [];
      this.#checkpoint = undefined;
      this.#truncate = undefined;
    }
    this.#isBinding = true;
    this.#count++;
  }

  checkpoint(checkpoint: Checkpoint): void {
    this.#isBinding = true;
    this.#checkpoint = storedCheckpointOf(checkpoint);
    this.#count++;
  }

  /**
   * Nothing at or below this floor is needed for a restart, but for our own newest block: the next one names it, and no round up to its
   * own is signed again.
   */
  truncate(floor: number, own: VerifiedBlock | undefined): void {
    this.#truncate = floor;
    if (own !== undefined && own.round <= floor) this.#write.log.push({ kind: "block", ...recordOf(own) });
    this.#count++;
  }

  meta(key: string, value: string): void {
    this.#write.meta.push([key, value]);
    this.#isBinding = true;
    this.#count++;
  }

  /**
   * Others' blocks, coins and certificates alone need no sync: who asks gets them from memory, what we sign with them in view is
   * registered and synced together with them, and after a power cut the others have them. That is most writes of a round.
   */
  take(): StoreWrite {
    const write = {
      ...this.#write,
      epoch: this.#epoch,
      checkpoint: this.#checkpoint,
      truncate: this.#truncate,
      relaxed: !this.#isBinding,
    };
    this.#truncate = undefined;
    this.#isBinding = false;
    this.#blocks = new Map();
    this.#write = empty();
    this.#epoch = undefined;
    this.#checkpoint = undefined;
    this.#count = 0;
    return write;
  }
}

function recordOf({ bytes, round, digest }: VerifiedBlock) {
  return { bytes, round, digest };
}

type Lists = Required<{
  -readonly [K in Exclude<keyof StoreWrite, "epoch" | "checkpoint" | "truncate" | "relaxed">]: NonNullable<
    StoreWrite[K]
  > extends readonly (infer E)[]
    ? E[]
    : never;
}>;

function empty(): Lists {
  return { log: [], register: [], batches: [], certificates: [], entries: [], receipts: [], meta: [] };
}

/**
 * Content without meaning, to measure ordering, storage and signing apart from the ledger, as benchmarks of this protocol family do.
 *
 * An instruction is any bytes; its id is their keccak-256, and an id counts once. A batch settles what an output round brought:
 *
 *   state = keccak256(state before ‖ per block with content: author uint16 ‖ count uint32 ‖ keccak256(ids))
 *
 * Everything else is the shipping member's: pool, blocks, DAG, register, log, partial signatures, certificates. Left out with the
 * ledger are what instructions mean, users' signatures, and a stored receipt for each.
 */
import { headerDigest } from "../../../src/batch/header.ts";
import { outboxesRoot } from "../../../src/batch/outbox.ts";
import { AppendOnlyTree } from "../../../src/batch/tree.ts";
import type { BatchHeader } from "../../../src/batch/types.ts";
import type { OutputRound } from "../../../src/consensus/types.ts";
import { assemblePayload } from "../../../src/ledger/codec.ts";
import { MAX_PAYLOAD_INSTRUCTIONS } from "../../../src/ledger/limits.ts";
import type { SettledBatch } from "../../../src/ledger/types.ts";
import { concatBytes } from "../../../src/lib/bytes.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../../src/lib/hex.ts";
import { Pool } from "../../../src/member/pool.ts";
import type { MemberLimits, OpaqueContent } from "../../../src/member/types.ts";

/** Ids remembered at least: what comes again later than that counts again, as it would beyond the ledger's window. */
const REMEMBERED_IDS = 131_072;
const ID_BYTES = 32;
const EMPTY = new Uint8Array(0);

/** What one block brought to a batch: ids in order, 32 bytes each. */
export interface BlockContent {
  readonly author: number;
  readonly ids: Uint8Array;
}

export interface BatchContent {
  readonly header: BatchHeader;
  readonly digest: Hex;
  /** `state` of the batch before. */
  readonly before: Hex;
  readonly blocks: readonly BlockContent[];
}

/** The state after a batch; the client checks it, too. */
export function stateAfter(
  before: Hex,
  blocks: readonly { readonly author: number; readonly count: number; readonly root: Uint8Array }[],
): Hex {
  const parts = [hexToBytes(before)];
  for (const { author, count, root } of blocks) {
    const head = new Uint8Array(6);
    const view = new DataView(head.buffer);
    view.setUint16(0, author);
    view.setUint32(2, count);
    parts.push(head, root);
  }
  return bytesToHex(keccak256(concatBytes(...parts)));
}

export interface OpaqueOptions {
  readonly committeeId: Hex;
  readonly epoch: bigint;
  readonly members: number;
  /** As for the mempool: K/2. */
  readonly patience: number;
  readonly limits: MemberLimits;
  /** A batch was made. */
  readonly onBatch: (content: BatchContent) => void;
}

export class OpaqueSettlement implements OpaqueContent {
  readonly #options: OpaqueOptions;
  readonly #pool: Pool<undefined>;
  readonly #history = new AppendOnlyTree();
  readonly #outboxes = outboxesRoot([]);
  /** Ids of the batches since the last turn, and of those before it. */
  #recent = new Set<Hex>();
  #older = new Set<Hex>();
  #sequence = 0n;
  #digest: Hex = ZERO_BYTES32;
  #state: Hex = ZERO_BYTES32;
  /** Ids that were ordered and counted; those that came again; payloads that are none. */
  settled = 0;
  repeated = 0;
  malformed = 0;

  constructor(options: OpaqueOptions) {
    this.#options = options;
    this.#pool = new Pool(options.limits, options.patience, options.members);
  }

  get pending(): number {
    return this.#pool.size;
  }

  get sequence(): bigint {
    return this.#sequence;
  }

  get state(): Hex {
    return this.#state;
  }

  /** From a client: true when it is held, false when there is no room. */
  submit(instruction: Uint8Array, round: number): boolean {
    const id = keyOf(keccak256(instruction), 0);
    return this.#pool.claim(id, round) || this.#pool.add(id, undefined, instruction, undefined, round);
  }

  hasWork(round: number): boolean {
    return this.#pool.hasDue(round);
  }

  take(round: number, maxBytes: number): Uint8Array {
    const instructions = this.#pool.take(round, maxBytes - 64, MAX_PAYLOAD_INSTRUCTIONS);
    if (instructions.length === 0) return EMPTY;
    return assemblePayload({ instructions, observations: EMPTY, transactions: [] });
  }

  settle({ commits }: OutputRound): SettledBatch | undefined {
    const blocks: BlockContent[] = [];
    for (const commit of commits) {
      for (const { author, payload } of commit.blocks) {
        if (payload.length === 0) continue;
        const ids = this.#order(payload);
        if (ids.length > 0) blocks.push({ author, ids });
      }
    }
    const last = commits.at(-1);
    if (blocks.length === 0 || last === undefined) return undefined;
    return this.#close(last.digest, blocks);
  }

  /** Ids of what is new in a payload. */
  #order(payload: Uint8Array): Uint8Array {
    const instructions = splitInstructions(payload);
    if (instructions === undefined) {
      this.malformed++;
      return EMPTY;
    }
    const ids = new Uint8Array(ID_BYTES * instructions.length);
    let count = 0;
    for (const instruction of instructions) {
      const hash = keccak256(instruction);
      const id = keyOf(hash, 0);
      this.#pool.remove(id);
      if (this.#isSettled(id)) {
        this.repeated++;
        continue;
      }
      this.#recent.add(id);
      ids.set(hash, ID_BYTES * count++);
    }
    this.settled += count;
    return ids.subarray(0, ID_BYTES * count);
  }

  #isSettled(id: Hex): boolean {
    return this.#recent.has(id) || this.#older.has(id);
  }

  #close(commit: Hex, blocks: readonly BlockContent[]): SettledBatch {
    const { committeeId, epoch, onBatch } = this.#options;
    const before = this.#state;
    if (this.#sequence > 0n) this.#history.append(this.#digest);
    this.#sequence++;
    this.#state = stateAfter(
      before,
      blocks.map(({ author, ids }) => ({ author, count: ids.length / ID_BYTES, root: keccak256(ids) })),
    );
    const header: BatchHeader = {
      sequence: this.#sequence,
      epoch,
      previous: this.#digest,
      history: this.#history.root(),
      outboxes: this.#outboxes,
      state: this.#state,
      commit,
    };
    this.#digest = headerDigest(header, committeeId);
    if (this.#recent.size >= REMEMBERED_IDS) {
      this.#older = this.#recent;
      this.#recent = new Set();
    }
    onBatch({ header, digest: this.#digest, before, blocks });
    const stateParts = { assets: 0n, assetsRoot: ZERO_BYTES32, core: this.#state };
    return { header, digest: this.#digest, stateParts, receipts: [], events: [], entries: [], destinations: [] };
  }
}

/** An id as a map's key: its bytes as text, which is half as long as hexadecimal and made in one call. */
export function keyOf(ids: Uint8Array, at: number): Hex {
  const text = Buffer.from(ids.buffer, ids.byteOffset + at, ID_BYTES).toString("latin1");
  return text as Hex; // CAST: what a pool is given is only compared
}

/** The instructions of a payload that carries nothing else; undefined unless it is the one encoding of such a payload. */
export function splitInstructions(payload: Uint8Array): Uint8Array[] | undefined {
  if (payload.length < 12) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const start = 12;
  if (view.getUint32(0, true) !== start) return undefined;
  if (view.getUint32(4, true) !== payload.length || view.getUint32(8, true) !== payload.length) return undefined;
  const instructions: Uint8Array[] = [];
  if (payload.length === start) return instructions;
  const first = payload.length < start + 4 ? 0 : view.getUint32(start, true);
  const count = first / 4;
  if (!Number.isInteger(count) || count < 1 || count > MAX_PAYLOAD_INSTRUCTIONS || start + first > payload.length)
    return undefined;
  for (let i = 0, from = start + first; i < count; i++) {
    const to = i + 1 === count ? payload.length : start + view.getUint32(start + 4 * (i + 1), true);
    if (to < from || to > payload.length) return undefined;
    instructions.push(payload.subarray(from, to));
    from = to;
  }
  return instructions;
}

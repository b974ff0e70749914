/**
 * Batches that a member never settled itself, because it went on from a checkpoint: fetched from others in the background, newest first,
 * for its API and its relayers. Each header's digest is what the header above it names as `previous`, and the top one is certified; a
 * header's `state` and `outboxes` commit to receipts, destinations and entries. So nobody is believed. Events are committed to by nothing
 * and are left out; so are certificates, because a newer one covers them.
 */
import * as z from "zod";
import type { ApiClient } from "../api/client.ts";
import type { BatchAnswer } from "../api/schema.ts";
import { pause } from "../api/sse.ts";
import * as wire from "../api/wire.ts";
import { headerDigest } from "../batch/header.ts";
import { verifyInclusion } from "../batch/merkle.ts";
import { outboxEntryHash, outboxesRoot } from "../batch/outbox.ts";
import { ledgerRest } from "../batch/receipts.ts";
import { combineState } from "../batch/state.ts";
import type { BatchHeader, Destination, InclusionProof } from "../batch/types.ts";
import { isClocklessError } from "../lib/errors.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import type { Store, StoreWrite } from "../storage/port.ts";
import type { Logger } from "../telemetry/port.ts";
import { decodeBatchHead, encodeBatchJson, encodeEntryJson, encodeReceiptJson } from "./batch-json.ts";

/** Batches from ≤ sequence ≤ to are not here; the header of `to` has this digest. */
export interface Gap {
  readonly from: bigint;
  readonly to: bigint;
  readonly digest: Hex;
}

const KEY = "node.gaps";
const gaps = z.array(z.object({ from: wire.uint64, to: wire.uint64, digest: wire.bytes32 }));

/** Oldest first. */
export function loadGaps(store: Pick<Store, "meta">): readonly Gap[] {
  const text = store.meta(KEY);
  return text === undefined ? [] : gaps.parse(JSON.parse(text));
}

/** To be written with what this member goes on from, right after a certified batch with this header. */
export function gapBefore(
  store: Pick<Store, "meta" | "latestBatch">,
  header: BatchHeader,
  committeeId: Hex,
): StoreWrite {
  const from = (store.latestBatch()?.sequence ?? 0n) + 1n;
  const known = loadGaps(store);
  const newest = known.at(-1);
  // Two in a row, with nothing settled between them, are one.
  const isJoined = newest !== undefined && newest.to + 1n >= from;
  const gap: Gap = {
    from: isJoined ? newest.from : from,
    to: header.sequence,
    digest: headerDigest(header, committeeId),
  };
  if (gap.from > gap.to) return {};
  return { meta: [metaOf([...(isJoined ? known.slice(0, -1) : known), gap])] };
}

function metaOf(left: readonly Gap[]): readonly [string, string] {
  return [KEY, JSON.stringify(z.encode(gaps, [...left]))];
}

/** The ledger's own trees, which a checkpoint brings whole. */
interface OutboxProofs {
  /** @throws BatchError outOfRange */
  proveOutbox(chainId: bigint, index: bigint, size?: bigint): InclusionProof | undefined;
}

/**
 * Why an answer is not the batch with this digest, if it is not. `before`: destinations of the batch before it, which say at which
 * entries it begins; undefined: not looked at.
 */
export function faultOfBatch(
  answer: BatchAnswer,
  digest: Hex,
  committeeId: Hex,
  outboxes: OutboxProofs,
  before: readonly Destination[] | undefined,
): string | undefined {
  const { header, stateParts, receipts, destinations, entries } = answer;
  try {
    if (answer.digest !== digest || headerDigest(header, committeeId) !== digest) return "another header";
    const rest = ledgerRest(receipts, stateParts.core);
    const state = combineState(stateParts.assets, hexToBytes(stateParts.assetsRoot), hexToBytes(rest));
    if (bytesToHex(state) !== header.state) return "receipts that its header does not commit to";
    const isPlaced = receipts.every(({ position, sequence }, i) => position === i && sequence === header.sequence);
    if (!isPlaced) return "receipts out of place";
    if (outboxesRoot(destinations) !== header.outboxes) return "destinations that its header does not commit to";
    if (before === undefined) return undefined;
    const missing = new Map(destinations.map((d) => [keyOf(d), sizeIn(before, d)]));
    for (const { chainId, hub, entry } of entries) {
      const destination = destinations.find((d) => keyOf(d) === keyOf({ chainId, hub }));
      if (destination === undefined || missing.get(keyOf(destination)) !== entry.index) return "entries out of order";
      const proof = outboxes.proveOutbox(chainId, entry.index, destination.outboxSize);
      const isHeld = proof && verifyInclusion(destination.outboxRoot, outboxEntryHash({ chainId, hub }, entry), proof);
      if (isHeld !== true) return "an entry that its header does not commit to";
      missing.set(keyOf(destination), entry.index + 1n);
    }
    return destinations.every((d) => missing.get(keyOf(d)) === d.outboxSize) ? undefined : "fewer entries than it has";
  } catch (error) {
    // Values that no header could commit to.
    if (!isClocklessError(error)) throw error;
    return error.shortMessage;
  }
}

function keyOf({ chainId, hub }: Pick<Destination, "chainId" | "hub">): string {
  return `${chainId}/${hub.toLowerCase()}`;
}

function sizeIn(destinations: readonly Destination[], wanted: Destination): bigint {
  return destinations.find((d) => keyOf(d) === keyOf(wanted))?.outboxSize ?? 0n;
}

/** What is proven, as rows. */
function rowsOf(answer: BatchAnswer): StoreWrite {
  const { header, digest, receipts, entries } = answer;
  const { sequence } = header;
  return {
    batches: [{ sequence, digest, json: encodeBatchJson({ ...answer, events: [] }) }],
    receipts: receipts.map((receipt) => {
      return { instructionId: receipt.instructionId, sequence, json: encodeReceiptJson(receipt) };
    }),
    entries: entries.map(({ chainId, hub, entry }) => {
      return { chainId, hub, index: entry.index, sequence, json: encodeEntryJson(entry) };
    }),
  };
}

export interface BackfillOptions {
  readonly store: Store;
  readonly clients: readonly ApiClient[];
  readonly committeeId: Hex;
  /** Of the newest checkpoint or later. */
  readonly ledger: () => OutboxProofs;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Between two batches: users of this member and of the others come first. */
  readonly paceMs?: number | undefined;
  /** Before members that could not help are asked again. */
  readonly retryMs?: number | undefined;
}

const PACE_MS = 5;
const RETRY_MS = 30_000;

/**
 * Fills all gaps, one batch at a time, and what is left stays written down: it goes on there after a restart. Resolves when nothing is
 * missing or `signal` aborts. Throws StoreError.
 */
export async function backfill(options: BackfillOptions): Promise<void> {
  const { store, logger, signal, committeeId, ledger } = options;
  let filled = 0;
  /** Proven but for its entries, which need the batch before it. */
  let open: BatchAnswer | undefined;
  for (let gap = loadGaps(store)[0]; gap !== undefined && !signal.aborted; gap = loadGaps(store)[0]) {
    const { from, to, digest } = gap;
    // A later absence may have moved the top of the gap.
    if (open?.digest !== digest) open = undefined;
    open ??= await fetchProven(options, to, digest, undefined);
    const isLast = to === from;
    const below = isLast ? store.batch(to - 1n) : undefined;
    const next =
      open === undefined || isLast ? undefined : await fetchProven(options, to - 1n, open.header.previous, undefined);
    const before = isLast ? (below === undefined ? [] : decodeBatchHead(below.json).destinations) : next?.destinations;
    if (open === undefined || before === undefined) {
      await pause(options.retryMs ?? RETRY_MS, signal);
      continue;
    }
    const whole =
      faultOfBatch(open, digest, committeeId, ledger(), before) === undefined
        ? open
        : await fetchProven(options, to, digest, before);
    if (whole === undefined) {
      open = undefined;
      await pause(options.retryMs ?? RETRY_MS, signal);
      continue;
    }
    const left = loadGaps(store).slice(1);
    const rest = isLast ? left : [{ from, to: to - 1n, digest: whole.header.previous }, ...left];
    store.write({ ...rowsOf(whole), meta: [metaOf(rest)] });
    open = next;
    filled++;
    if (isLast) logger.info("fetched the batches that this member did not settle itself", { from, filled });
    await pause(options.paceMs ?? PACE_MS, signal);
  }
}

/** From the first API that can prove it. */
async function fetchProven(
  { clients, committeeId, ledger, logger, signal }: BackfillOptions,
  sequence: bigint,
  digest: Hex,
  before: readonly Destination[] | undefined,
): Promise<BatchAnswer | undefined> {
  for (const client of clients) {
    if (signal.aborted) return undefined;
    try {
      const answer = await client.batch(sequence, { signal });
      const fault = faultOfBatch(answer, digest, committeeId, ledger(), before);
      if (fault === undefined) return answer;
      logger.warn("a member's API serves a batch that is not what was certified", { api: client.url, sequence, fault });
    } catch (error) {
      if (!isClocklessError(error)) throw error;
    }
  }
  return undefined;
}

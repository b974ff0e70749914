/**
 * What a thread found out about deals before they were ordered. The ledger asks for a verdict while everything waits; when it is
 * here already the answer costs nothing, otherwise the ledger computes the same one itself. So a cache can be late, but never wrong.
 */

import { concatBytes } from "../lib/bytes.ts";
import { keccak256Hex } from "../lib/hash.ts";
import type { Hex } from "../lib/hex.ts";
import { type DealContext, dealInstance } from "../threshold/associated-data.ts";
import type { DealFault } from "../threshold/deal-verify.ts";
import type { ReshareWorker } from "./reshare-port.ts";

/** Two per dealer and attempt; a verdict has some hundred bytes. */
const MAX_VERDICTS = 4096;

type Verdict = DealFault | "valid";

export interface Verdicts {
  /** Has a deal verified, unless that was done or asked for. Never rejects: without a verdict the ledger finds it itself. */
  prepare(context: DealContext, dealer: number, bytes: Uint8Array): Promise<void>;
  /** For `createReshareScheme` (ledger/reconfiguration/scheme.ts). */
  faultOfDeal(
    context: DealContext,
    dealer: number,
    bytes: Uint8Array,
    compute: () => DealFault | undefined,
  ): DealFault | undefined;
  /** How often the ledger found a verdict here, and how often it had to compute. */
  readonly hits: number;
  readonly misses: number;
}

export function createVerdicts(worker: Pick<ReshareWorker, "verify">): Verdicts {
  const known = new Map<Hex, Verdict>();
  const asked = new Set<Hex>();
  let hits = 0;
  let misses = 0;

  const keep = (key: Hex, fault: DealFault | undefined): void => {
    known.set(key, fault ?? "valid");
    const oldest = known.keys().next().value;
    if (known.size > MAX_VERDICTS && oldest !== undefined) known.delete(oldest);
  };

  return {
    get hits() {
      return hits;
    },
    get misses() {
      return misses;
    },
    async prepare(context, dealer, bytes) {
      const key = keyOf(context, dealer, bytes);
      if (known.has(key) || asked.has(key) || asked.size >= MAX_VERDICTS) return;
      asked.add(key);
      try {
        keep(key, await worker.verify(context, dealer, bytes));
      } catch {
        // The thread ended: the ledger will compute, and what is really wrong shows there.
      } finally {
        asked.delete(key);
      }
    },
    faultOfDeal(context, dealer, bytes, compute) {
      const key = keyOf(context, dealer, bytes);
      const verdict = known.get(key);
      if (verdict !== undefined) {
        hits++;
        return verdict === "valid" ? undefined : verdict;
      }
      misses++;
      const fault = compute();
      keep(key, fault);
      return fault;
    },
  };
}

/** The associated data binds everything that a verdict depends on but the bytes. */
function keyOf(context: DealContext, dealer: number, bytes: Uint8Array): Hex {
  return keccak256Hex(concatBytes(dealInstance(context, dealer).associatedData, bytes));
}

/**
 * Partial signatures in, the group's signature out; foreign bytes throughout.
 *
 * BLS signatures are unique: whatever t valid partials are combined, the bytes are the same. So the first t are
 * combined unchecked and the result is verified once. Only if that fails is each partial verified against its public
 * share, until t good ones are found. Partials that are wrong but cancel out (+Δ/−Δ) therefore either give exactly the
 * right signature or are blamed one by one.
 *
 * With the partials of all n members no pairing is needed: at least t = n − f are honest and fix a polynomial of degree below t, so if
 * one such polynomial goes through all n, it is theirs, and its value at 0 is the signature. Additions show that, forty times cheaper.
 */
import { assert } from "../lib/assert.ts";
import { hexToBytes } from "../lib/hex.ts";
import { ThresholdError } from "./errors.ts";
import { checkMessage } from "./message.ts";
import type { Combined, Engine, ThresholdKey } from "./types.ts";

/** What earlier calls taught. None of it changes the signature; all of it keeps f traitors from making every call slow. */
export interface CombineOptions {
  /** Members caught before, on any message: their partials are tried last. */
  readonly distrusted?: ReadonlySet<number>;
  /** `good` of earlier calls for this very message and these very partials: not verified again. */
  readonly verified?: ReadonlySet<number>;
}

const NOBODY: ReadonlySet<number> = new Set();

/** In a table of differences; beyond that (committees of more than about 45) pairings are cheaper. */
const MAX_ADDITIONS = 1_000;

/** Whether `combineAll` is worth waiting for. Without redundancy (n ≤ 3) all partials show nothing about each other. */
export function canCombineAll({ threshold: t, publicShares: { length: n } }: ThresholdKey): boolean {
  return n > t && (t * (2 * n - t - 1)) / 2 <= MAX_ADDITIONS;
}

/**
 * Combines the partials of all n members of a key with t = n − f, of whom at most f are faulty, without verifying them if they fit
 * together. If they do not, each is verified and `bad` names every wrong one.
 *
 * That they fit together says nothing about the group key: the caller must have seen one signature verified with these shares. Throws
 * as `combinePartials`; RangeError unless there is one partial per member.
 */
export function combineAll(
  engine: Engine,
  key: ThresholdKey,
  message: Uint8Array,
  partials: ReadonlyMap<number, Uint8Array>,
  { verified = NOBODY }: CombineOptions = {},
): Combined {
  checkArguments(engine, key, message);
  const n = key.publicShares.length;
  const ordered = Array.from({ length: n }, (_, index): [number, Uint8Array] => {
    const partial = partials.get(index);
    if (partial === undefined) throw new RangeError("a partial of every member");
    return [index, partial];
  });
  const signature =
    n > key.threshold
      ? engine.extrapolate(
          ordered.map(([, partial]) => partial),
          key.threshold,
        )
      : undefined;
  return signature === undefined
    ? combineVerified(engine, key, message, ordered, verified, n)
    : { signature, bad: [], good: [] };
}

/**
 * Combines partials by member index over one 32-byte message.
 *
 * `bad` names members whose partial was proven wrong; partials that were not needed stay unchecked. With fewer than t
 * left the signature is undefined; add more and call again without the bad ones. Never throws on foreign partials.
 * Throws keyMismatch when engine and key are of different suites, or when t good partials do not give a signature of the
 * group key (the key's public shares do not belong to it).
 */
export function combinePartials(
  engine: Engine,
  key: ThresholdKey,
  message: Uint8Array,
  partials: ReadonlyMap<number, Uint8Array>,
  { distrusted = NOBODY, verified = NOBODY }: CombineOptions = {},
): Combined {
  checkArguments(engine, key, message);
  const rank = (index: number): number => (verified.has(index) ? 0 : distrusted.has(index) ? 2 : 1);
  const ordered = [...partials].sort(([a], [b]) => rank(a) - rank(b) || a - b);
  if (ordered.length < key.threshold) return { signature: undefined, bad: [], good: [] };

  const optimistic = interpolate(engine, ordered.slice(0, key.threshold));
  if (optimistic !== undefined && engine.verify(hexToBytes(key.groupKey), message, optimistic)) {
    return { signature: optimistic, bad: [], good: [] };
  }
  return combineVerified(engine, key, message, ordered, verified, key.threshold);
}

/** Verifies one by one until `enough` are good, and combines t of those. */
function combineVerified(
  engine: Engine,
  key: ThresholdKey,
  message: Uint8Array,
  ordered: readonly (readonly [number, Uint8Array])[],
  verified: ReadonlySet<number>,
  enough: number,
): Combined {
  const groupKey = hexToBytes(key.groupKey);
  const chosen: (readonly [number, Uint8Array])[] = [];
  const bad: number[] = [];
  const good: number[] = [];
  for (const [index, partial] of ordered) {
    if (!verified.has(index)) {
      const publicShare = key.publicShares[index];
      // An index that is no member's has no public share, hence no valid partial.
      if (publicShare === undefined || !engine.verify(hexToBytes(publicShare), message, partial)) {
        bad.push(index);
        continue;
      }
      good.push(index);
    }
    chosen.push([index, partial]);
    if (chosen.length === enough) break;
  }
  if (chosen.length < key.threshold) return { signature: undefined, bad, good };

  const used = chosen.slice(0, key.threshold);
  const signature = interpolate(engine, used);
  if (signature === undefined || !engine.verify(groupKey, message, signature)) {
    throw new ThresholdError("keyMismatch", "the public shares do not belong to the group key", {
      details: { groupKey: key.groupKey, members: used.map(([index]) => index) },
    });
  }
  return { signature, bad, good };
}

function checkArguments(engine: Engine, key: ThresholdKey, message: Uint8Array): void {
  if (engine.suite !== key.suite) {
    throw new ThresholdError("keyMismatch", `a ${key.suite} key with a ${engine.suite} engine`);
  }
  assert(key.threshold > 0, "a threshold is positive");
  checkMessage(message);
}

/** Undefined when a partial is no point, an index no member's, or crafted partials sum to the identity. */
function interpolate(engine: Engine, chosen: readonly (readonly [number, Uint8Array])[]): Uint8Array | undefined {
  try {
    return engine.interpolate(chosen.map(([index, signature]) => ({ x: index + 1, signature })));
  } catch (error) {
    if (error instanceof ThresholdError) return undefined;
    throw error;
  }
}

/**
 * Partial signatures in, the group's signature out; foreign bytes throughout.
 *
 * BLS signatures are unique: whatever t valid partials are combined, the bytes are the same. So the first t are
 * combined unchecked and the result is verified once. Only if that fails is each partial verified against its public
 * share, until t good ones are found. Partials that are wrong but cancel out (+Δ/−Δ) therefore either give exactly the
 * right signature or are blamed one by one.
 */
import { assert } from "../lib/assert.ts";
import { hexToBytes } from "../lib/hex.ts";
import { ThresholdError } from "./errors.ts";
import { checkMessage } from "./message.ts";
import type { Combined, Engine, ThresholdKey } from "./types.ts";

const NOBODY: ReadonlySet<number> = new Set();

/**
 * Combines partials by member index over one 32-byte message.
 *
 * `distrusted` members were caught before: their partials are tried last, so that f of them cannot force the slow path
 * on every message. Whom one distrusts never changes the signature.
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
  distrusted: ReadonlySet<number> = NOBODY,
): Combined {
  if (engine.suite !== key.suite) {
    throw new ThresholdError("keyMismatch", `a ${key.suite} key with a ${engine.suite} engine`);
  }
  assert(key.threshold > 0, "a threshold is positive");
  checkMessage(message);
  const rank = (index: number): number => (distrusted.has(index) ? 1 : 0);
  const ordered = [...partials].sort(([a], [b]) => rank(a) - rank(b) || a - b);
  if (ordered.length < key.threshold) return { signature: undefined, bad: [] };

  const groupKey = hexToBytes(key.groupKey);
  const optimistic = interpolate(engine, ordered.slice(0, key.threshold));
  if (optimistic !== undefined && engine.verify(groupKey, message, optimistic)) {
    return { signature: optimistic, bad: [] };
  }

  const good: [number, Uint8Array][] = [];
  const bad: number[] = [];
  for (const [index, partial] of ordered) {
    const publicShare = key.publicShares[index];
    // An index that is no member's has no public share, hence no valid partial.
    if (publicShare === undefined || !engine.verify(hexToBytes(publicShare), message, partial)) {
      bad.push(index);
      continue;
    }
    good.push([index, partial]);
    if (good.length === key.threshold) break;
  }
  if (good.length < key.threshold) return { signature: undefined, bad };

  const signature = interpolate(engine, good);
  if (signature === undefined || !engine.verify(groupKey, message, signature)) {
    throw new ThresholdError("keyMismatch", "the public shares do not belong to the group key", {
      details: { groupKey: key.groupKey, members: good.map(([index]) => index) },
    });
  }
  return { signature, bad };
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

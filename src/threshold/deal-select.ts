/**
 * From deals in their order to the ones that count, and the names of those who dealt badly. A deterministic function of
 * the order: every member comes to the same set, whichever engine it runs.
 *
 * A dealer's first deal decides. Later ones never count, whether the first was valid or not; different bytes are
 * equivocation and blamed, the same bytes again are a restart and are not. What arrives when enough dealers count is not
 * verified: it could change nothing.
 */
import { equalBytes } from "../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import type { Hex } from "../lib/hex.ts";
import { maxFaulty } from "../lib/math.ts";
import type { DealContext } from "./associated-data.ts";
import type { DealFault } from "./deal-verify.ts";
import { ThresholdError } from "./errors.ts";
import { SUITES, type Suite } from "./types.ts";

/** What one dealer sends, whole: a deal per suite that the attempt makes a key in. */
export interface DealBundle {
  /** Index among the context's dealers. The bundle is signed by that dealer (`dealBundleDigest`). */
  readonly dealer: number;
  readonly deals: Readonly<Partial<Record<Suite, Uint8Array>>>;
}

export type DealerFault =
  | { readonly dealer: number; readonly code: "dealtTwice" }
  /** Deals for other suites than the attempt's. */
  | { readonly dealer: number; readonly code: "wrongSuites" }
  | { readonly dealer: number; readonly code: DealFault; readonly suite: Suite };

export interface DealSelection {
  /** Bundles that count, in order, at most `wanted`. */
  readonly qualified: readonly DealBundle[];
  readonly faults: readonly DealerFault[];
  /** True when as many count as must: a later bundle changes nothing any more. */
  readonly isComplete: boolean;
}

/** The contexts of an attempt: one per suite, alike in everything else. */
export type AttemptContexts = Readonly<Partial<Record<Suite, DealContext>>>;

/** Fewest dealers that make a key: t_old in a reshare; otherwise f + 1, so that one is honest. */
export function dealersNeeded(context: DealContext): number {
  return context.kind === "reshare" ? context.oldKey!.threshold : maxFaulty(context.dealers.length) + 1;
}

/**
 * Selects in order. `verify` answers as `faultOfDeal` does for (suite, dealer, bytes); verdicts may come from elsewhere (a
 * worker) as long as they are the same. `wanted`: in a reshare exactly t_old; otherwise at least f + 1, all by default.
 * Throws invalidContext.
 */
export function selectDeals(
  contexts: AttemptContexts,
  bundles: readonly DealBundle[],
  verify: (suite: Suite, dealer: number, bytes: Uint8Array) => DealFault | undefined,
  wanted?: number,
): DealSelection {
  const suites = SUITES.filter((suite) => contexts[suite] !== undefined);
  const needed = suites.map((suite) => dealersNeeded(contexts[suite]!))[0];
  const context = contexts[suites[0]!];
  if (context === undefined || needed === undefined) throw new ThresholdError("invalidContext", "no suite to deal in");
  const enough = context.kind === "reshare" ? needed : (wanted ?? context.dealers.length);
  if (enough < needed) throw new ThresholdError("invalidContext", "fewer dealers than make a key");

  const first = new Map<number, DealBundle>();
  const blamed = new Set<number>();
  const qualified: DealBundle[] = [];
  const faults: DealerFault[] = [];
  const blame = (fault: DealerFault): void => {
    // Once per dealer: the first reason is enough to exclude it.
    if (!blamed.has(fault.dealer)) faults.push(fault);
    blamed.add(fault.dealer);
  };
  for (const bundle of bundles) {
    const { dealer } = bundle;
    // Not among the dealers: nobody to blame, and nothing that could count.
    if (context.dealers[dealer] === undefined) continue;
    const earlier = first.get(dealer);
    if (earlier !== undefined) {
      if (!isSame(earlier, bundle)) blame({ dealer, code: "dealtTwice" });
      continue;
    }
    first.set(dealer, bundle);
    if (qualified.length === enough) continue;
    const fault = faultOfBundle(bundle, suites, verify);
    if (fault === undefined) qualified.push(bundle);
    else blame(fault);
  }
  return {
    qualified,
    faults,
    isComplete: qualified.length >= (context.kind === "reshare" ? needed : (wanted ?? needed)),
  };
}

/** Counts only if valid in all suites. */
function faultOfBundle(
  { dealer, deals }: DealBundle,
  suites: readonly Suite[],
  verify: (suite: Suite, dealer: number, bytes: Uint8Array) => DealFault | undefined,
): DealerFault | undefined {
  const isComplete = SUITES.every((suite) => (deals[suite] !== undefined) === suites.includes(suite));
  if (!isComplete) return { dealer, code: "wrongSuites" };
  for (const suite of suites) {
    const code = verify(suite, dealer, deals[suite]!);
    if (code !== undefined) return { dealer, code, suite };
  }
  return undefined;
}

function isSame(a: DealBundle, b: DealBundle): boolean {
  const none = new Uint8Array(0);
  return SUITES.every((suite) => equalBytes(a.deals[suite] ?? none, b.deals[suite] ?? none));
}

export const DEAL_TYPE = "Deal(uint64 epoch,uint64 attempt,address dealer,bytes32 bls12381,bytes32 bn254)";
const DEAL_TYPE_HASH = typeHash(DEAL_TYPE);

/**
 * What the dealer's identity signs: anybody can make a valid deal of a secret of their own in somebody else's name.
 * Salt = committee id or ceremony nonce; the two hashes are keccak-256 of each suite's bytes, of nothing where absent.
 */
export function dealBundleDigest(context: DealContext, { dealer, deals }: DealBundle): Hex {
  const address = context.dealers[dealer];
  if (address === undefined) throw new ThresholdError("invalidContext", "no dealer of this index");
  const hash = (suite: Suite): Uint8Array => keccak256(deals[suite] ?? new Uint8Array(0));
  const struct = hashStruct(
    DEAL_TYPE_HASH,
    word(context.epoch),
    word(context.attempt),
    word(address),
    hash("bls12-381"),
    hash("bn254"),
  );
  return typedDigest(domainSeparator(context.domain), struct);
}

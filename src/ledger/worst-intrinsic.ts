/**
 * The plain margin model: every (market, expiry) group settles at its own worst price in [0, priceCap]. The settled value is
 * piecewise linear in the price with kinks at the strikes, so its minimum lies at 0, a strike or the cap. Variation of a future is
 * counted from its mark: re-marking moves cash and this term by opposite amounts and leaves the bound unchanged, which is why an
 * account that passes once stays solvent whatever prices do.
 */
import type { Hex } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import { isOption } from "./instrument.ts";
import type { Leg, MarginModel, MarkOf, PositionGroup } from "./margin.ts";

interface GroupFigures {
  /** Least value over all settlement prices, futures counted from a mark of 0. */
  readonly floor: bigint;
  readonly linear: readonly (readonly [id: Hex, quantity: bigint])[];
}

export function createWorstIntrinsic(): MarginModel {
  const known = new WeakMap<PositionGroup, GroupFigures>();
  const figuresOf = (group: PositionGroup): GroupFigures => {
    let figures = known.get(group);
    if (figures === undefined) {
      figures = computeFigures(group);
      known.set(group, figures);
    }
    return figures;
  };
  return {
    worstValue(cash: bigint, groups: Iterable<PositionGroup>, markOf: MarkOf): bigint {
      let value = cash;
      for (const group of groups) {
        const { floor, linear } = figuresOf(group);
        value += floor;
        for (const [id, quantity] of linear) value -= quantity * markOf(id);
      }
      return value;
    },
  };
}

/** One sweep over the sorted strikes: a call adds its quantity to the slope at its strike, and so does a put (from −q to 0). */
function computeFigures(group: PositionGroup): GroupFigures {
  const options: Leg[] = [];
  const linear: (readonly [Hex, bigint])[] = [];
  let value = 0n;
  let slope = 0n;
  for (const [id, leg] of group.legs) {
    if (isOption(leg.terms)) options.push(leg);
    else {
      linear.push([id, leg.quantity]);
      slope += leg.quantity;
    }
    if (leg.terms.kind === "put") {
      value += leg.quantity * leg.terms.strike;
      slope -= leg.quantity;
    }
  }
  options.sort((a, b) => compareBigint(a.terms.strike, b.terms.strike));
  let floor = value;
  let price = 0n;
  const moveTo = (next: bigint): void => {
    value += slope * (next - price);
    price = next;
    if (value < floor) floor = value;
  };
  for (const { terms, quantity } of options) {
    moveTo(terms.strike);
    slope += quantity;
  }
  moveTo(group.market.priceCap);
  return { floor, linear };
}

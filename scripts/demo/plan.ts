/** Who deposits where and who withdraws where, decided before anything runs and from the book alone. */
import { minBigint } from "../../src/lib/math.ts";
import { createRandom } from "../../src/testing/random.ts";
import type { Book } from "./book.ts";
import { collateralNeeded, type Expected, expectedResults } from "./expected.ts";

export interface Plan {
  readonly expected: Expected;
  /** deposits[chain][account], token units. */
  readonly deposits: readonly (readonly bigint[])[];
  /** withdrawals[chain][account], token units: everything, to the chain of the account's choice. */
  readonly withdrawals: readonly (readonly bigint[])[];
}

/** Small change on top of the collateral, so that no balance is a round number. */
const SPARE = 1_000_000;

/**
 * Everybody deposits on both chains (split at random) and chooses one chain for the whole withdrawal. Vaults hold what was
 * deposited on their chain, so a choice that its vault could not pay goes to the other chain, or is split.
 */
export function planMoney(book: Book, accounts: number, seed: number): Plan {
  const random = createRandom(seed, "plan");
  const expected = expectedResults(book, accounts);
  const needed = collateralNeeded(book, accounts);
  const deposits: [bigint[], bigint[]] = [[], []];
  for (let account = 0; account < accounts; account++) {
    const total = needed[account]! + BigInt(1 + random.below(SPARE));
    const first = (total * BigInt(200 + random.below(600))) / 1000n;
    deposits[0].push(first);
    deposits[1].push(total - first);
  }
  const left: [bigint, bigint] = [sum(deposits[0]), sum(deposits[1])];
  const withdrawals: [bigint[], bigint[]] = [Array<bigint>(accounts).fill(0n), Array<bigint>(accounts).fill(0n)];
  for (let account = 0; account < accounts; account++) {
    let rest = deposits[0][account]! + deposits[1][account]! + expected.results[account]!;
    const choice = random.below(2) as 0 | 1; // CAST: below(2) is 0 or 1
    for (const chain of [choice, 1 - choice] as const) {
      // CAST: both are 0 or 1
      const index = chain as 0 | 1;
      const amount = minBigint(rest, left[index]);
      withdrawals[index][account] = amount;
      left[index] -= amount;
      rest -= amount;
    }
    if (rest !== 0n) throw new RangeError("the book does not sum to zero");
  }
  return { expected, deposits, withdrawals };
}

export function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

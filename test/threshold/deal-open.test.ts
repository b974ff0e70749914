/** Opening is cheap when dealers are honest, and gives the same share when a dealer spoilt what it could. */
import { expect } from "chai";
import { describe, it } from "mocha";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { aggregateKey, openShare } from "../../src/threshold/aggregate.ts";
import { dealInstance } from "../../src/threshold/associated-data.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import type { DealEngine } from "../../src/threshold/deal-engine.ts";
import { openDeal, unanimousShare } from "../../src/threshold/deal-open.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import { scalarFromBytes } from "../../src/threshold/scalar-bytes.ts";
import { SUITES } from "../../src/threshold/types.ts";
import {
  agreement,
  ceremonyContext,
  dealEngines,
  dishonestDeal,
  FEW_ROUNDS,
  makeRecipients,
  RELAXED_CHECKS,
  secretOf,
} from "./deal-support.ts";
import { expectCode, flipBit, seeded } from "./support.ts";

const KEYS = makeRecipients("ceremony", 4).secrets;

function counting(engine: DealEngine): DealEngine & { commits: number } {
  const counter = {
    ...engine,
    commits: 0,
    commit(scalar: bigint) {
      counter.commits++;
      return engine.commit(scalar);
    },
  };
  return counter;
}

describe("deals: opening", () => {
  for (const suite of SUITES) {
    it(`one multiplication where all agree; every round of every deal, and the same share, where one was spoilt (${suite})`, async () => {
      const engine = (await dealEngines())[suite].mcl;
      const context = ceremonyContext(suite, 4, 3, FEW_ROUNDS);
      const instance = dealInstance(context, 0);
      const polynomial = ["a", "b", "c"].map((label) => scalarFromBytes(secretOf(label, suite)));
      // Round 0 says something else to recipient 2 alone; tried until the challenge happens to choose it.
      const spoil = (attempt: number) =>
        dishonestDeal(
          engine,
          instance,
          { polynomial, round: (k, round) => (k === 0 ? { ...round, pads: flipBit(round.pads, 8 * 65) } : round) },
          `spoilt ${attempt}`,
        );
      let spoilt = spoil(0);
      for (let attempt = 1; !spoilt.isChosen[0]; attempt++) spoilt = spoil(attempt);
      expect(faultOfDeal(engine, agreement, instance, spoilt.bytes, RELAXED_CHECKS)).to.equal(undefined);
      const honest = makeDeal(engine, agreement, dealInstance(context, 1), secretOf("d", suite), seeded("d"));
      const qualified = [spoilt.bytes, honest].map((bytes, dealer) => ({ dealer, deals: { [suite]: bytes } }));
      const key = aggregateKey(engine, context, qualified);

      for (const [index, secret] of KEYS.entries()) {
        const counter = counting(engine);
        const share = openShare(counter, agreement, context, qualified, key, index, secret);
        expect(bytesToHex(engine.encode(engine.commit(scalarFromBytes(share))))).to.equal(key.publicShares[index]);
        expect(counter.commits).to.equal(index === 2 ? 2 * FEW_ROUNDS.chosen + 1 : 1);
        const alone = unanimousShare(engine.order, agreement, instance, spoilt.bytes, index, secret);
        const opened = scalarFromBytes(openDeal(engine, agreement, instance, spoilt.bytes, index, secret));
        expect(alone).to.equal(index === 2 ? undefined : opened);
      }
    });

    it(`what all rounds agree on is not believed: it has to make the member's share of the key (${suite})`, async () => {
      const engine = (await dealEngines())[suite].mcl;
      const context = ceremonyContext(suite, 4, 3, FEW_ROUNDS);
      const qualified = [0, 1].map((dealer) => ({
        dealer,
        deals: {
          [suite]: makeDeal(engine, agreement, dealInstance(context, dealer), secretOf("e", suite), seeded("e")),
        },
      }));
      const key = aggregateKey(engine, context, qualified);
      // Unanimous, and for another key: its rounds agree just as well.
      const others = { ...key, publicShares: [...key.publicShares].reverse() };
      expectCode(() => openShare(engine, agreement, context, qualified, others, 0, KEYS[0]!), "cannotOpen");
      // With another member's secret all rounds give noise.
      expectCode(() => openShare(engine, agreement, context, qualified, key, 0, KEYS[1]!), "cannotOpen");
      // Control: with an engine for which everything is equal, the recipient takes a share that is none.
      const blind = { ...engine, encode: () => hexToBytes(others.publicShares[0]!) };
      const wrong = openShare(blind, agreement, context, qualified, others, 0, KEYS[0]!);
      expect(bytesToHex(engine.encode(engine.commit(scalarFromBytes(wrong))))).not.to.equal(others.publicShares[0]);
    });
  }
});

import { expect } from "chai";
import fc from "fast-check";
import { createStandInReshare } from "../../../src/testing/stand-in-reshare.ts";
import { type DealBundle, selectDeals } from "../../../src/threshold/deal-select.ts";
import type { DealFault } from "../../../src/threshold/deal-verify.ts";
import type { Suite } from "../../../src/threshold/types.ts";
import { seed } from "../../seed.ts";
import { people, World } from "./world.ts";

const members = people("abcdefg");

/** A deal in the order: whose, and which of a few: 0 and 1 are right, 2 and 3 are wrong in one suite or the other. */
const deal = fc.record({ dealer: fc.nat(6), which: fc.constantFrom(0, 0, 0, 1, 2, 3) });

for (const [kind, to] of [
  ["reshare", "abcdefg"],
  ["generation", "vwxyz"],
] as const) {
  describe(`deals of a ${kind}, one by one (CLOCKLESS_SEED=${seed})`, () => {
    it("are selected as selectDeals does it at once, and each is verified at most once", () => {
      fc.assert(
        fc.property(fc.array(deal, { maxLength: 24 }), fc.nat(5), (order, perRound) => {
          const verified: string[] = [];
          const scheme = createStandInReshare();
          const w = new World(members, {
            scheme: {
              ...scheme,
              faultOfDeal: (context, dealer, bytes) => {
                verified.push(`${context.suite} ${dealer}`);
                return scheme.faultOfDeal(context, dealer, bytes);
              },
            },
          });
          w.agree(w.proposal(people(to)), members);
          expect(w.attempt.kind).equal(kind);
          const { contexts, dealersNeeded } = w.attempt;
          const made = order.map(({ dealer, which }) => {
            const who = members[dealer]!;
            const shares = w.shares.get(who.address)!;
            const right = w.deal(who, which === 1 ? "another" : "");
            if (which < 2) return right;
            const suite: Suite = which === 2 ? "bls12-381" : "bn254";
            // Signed as it is, so that the fault is the dealer's own.
            w.shares.set(who.address, { ...shares, [suite]: new Uint8Array(32).fill(which) });
            const wrong = w.deal(who);
            w.shares.set(who.address, shares);
            if (kind === "reshare") return wrong;
            return undefined;
          });
          const transactions = made.filter((each) => each !== undefined);
          for (let i = 0; i < transactions.length; i += perRound + 1) {
            w.send(...transactions.slice(i, i + perRound + 1));
          }
          const bundles = transactions.map((each): DealBundle => {
            return { dealer: members.findIndex(({ address }) => address === each.dealer), deals: each.deals };
          });
          const verify = (suite: Suite, dealer: number, bytes: Uint8Array): DealFault | undefined =>
            scheme.faultOfDeal(contexts[suite], dealer, bytes);
          const { qualified, faults, isComplete } = selectDeals(contexts, bundles, verify, dealersNeeded);
          const { attempt } = w.epochs;
          expect(attempt?.qualified.map(({ dealer, deals }) => ({ dealer, deals }))).deep.equal(qualified);
          expect(attempt?.faults).deep.equal(
            faults.map(({ dealer, ...fault }) => ({ member: members[dealer]!.address, ...fault })),
          );
          expect(attempt?.phase).equal(isComplete ? "opening" : "dealing");
          expect(new Set(verified).size).equal(verified.length);
        }),
        { seed, numRuns: 40 },
      );
    });
  });
}

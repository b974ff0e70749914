import { expect } from "chai";
import fc from "fast-check";
import { decodeInstrument, encodeInstrument, intrinsicValue, isOption } from "../../src/ledger/instrument.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import type { PositionGroup } from "../../src/ledger/margin.ts";
import { createWorstIntrinsic } from "../../src/ledger/worst-intrinsic.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { seed } from "../seed.ts";
import { ETH, genesis, Harness, withdraw } from "./fixtures.ts";
import { instruments, parties, run, step } from "./random-world.ts";

const market = genesis.markets[0]!;
const options = { seed, numRuns: 40 };

describe(`ledger: properties (CLOCKLESS_SEED=${seed})`, () => {
  it("conserve cash and positions, keep every account solvent and give each instruction one receipt", () => {
    let applied = 0;
    let expired = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const { h, batches } = run(steps);
        const seen = new Set<Hex>();
        for (const batch of batches) {
          for (const receipt of batch.receipts) {
            expect(seen.has(receipt.instructionId)).equal(false);
            seen.add(receipt.instructionId);
            if (receipt.code === "applied") applied++;
          }
          expired += batch.events.filter((event) => event.kind === "expiry").length;
        }
        for (const { cash, exitValue, chains } of h.ledger.totals().assets) {
          expect(chains.reduce((sum, chain) => sum + chain.held, 0n)).equal(cash);
          expect(exitValue >= 0n).equal(true);
        }
        // Once everything has settled nobody owes anything.
        for (let slot = 5_976n; slot <= 6_060n; slot += 6n) h.price(slot, 2_222n);
        const options = instruments.filter((id) => decodeInstrument(id).kind !== "perpetual");
        for (const id of options) expect(h.ledger.instrument(id)).equal(undefined);
        for (const who of parties) expect(h.cash(who) >= 0n).equal(true);
      }),
      options,
    );
    // The streams must reach what they are meant to reach.
    expect(applied).greaterThan(200);
    expect(expired).greaterThan(0);
  });

  it("give the same headers for the same inputs, whoever applies them", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
        const { inputs, batches } = run(steps);
        const other = new Ledger(genesis, { verify: () => true });
        const again = inputs.map((input) => other.apply(input)).filter((batch) => batch !== undefined);
        expect(again).deep.equal(batches);
      }),
      { ...options, numRuns: 15 },
    );
  });

  it("commute across lanes that share no account: same verdicts and same accounts in any order", () => {
    const bodies = parties.flatMap((who) => [0n, 1n, 2n].map((nonce) => ({ who, nonce })));
    fc.assert(
      fc.property(
        fc.shuffledSubarray(bodies, { minLength: bodies.length }),
        fc.array(fc.bigInt(0n, 60_000n), { minLength: 9, maxLength: 9 }),
        (order, amounts) => {
          const settle = (sequence: typeof bodies) => {
            const h = new Harness({ verify: () => true });
            for (const who of parties) h.deposit(who, 100_000n);
            const signed = sequence.map(({ who, nonce }) => {
              const amount = amounts[bodies.findIndex((body) => body.who === who && body.nonce === nonce)]!;
              return h.sign(who, withdraw(who, amount), { nonce });
            });
            const batch = h.submit(...signed)!;
            const codes = new Map(batch.receipts.map((receipt) => [receipt.instructionId, receipt.code]));
            return { codes: [...codes].sort(), accounts: parties.map((who) => h.ledger.account(who.account)) };
          };
          expect(settle(order)).deep.equal(settle(bodies));
        },
      ),
      { ...options, numRuns: 25 },
    );
  });

  it("find the worst intrinsic value that enumeration finds", () => {
    const model = createWorstIntrinsic();
    const small = { ...market, priceCap: 40n };
    const leg = fc.record({
      kind: fc.constantFrom("call" as const, "put" as const, "future" as const),
      strike: fc.bigInt(1n, 39n),
      quantity: fc.bigInt(-5n, 5n).filter((value) => value !== 0n),
    });
    fc.assert(
      fc.property(fc.array(leg, { maxLength: 6 }), fc.bigInt(0n, 40n), (legs, mark) => {
        const map = new Map(
          legs.map(({ kind, strike, quantity: q }) => {
            const id = encodeInstrument({ kind, market: ETH, expiry: 6000n, strike: kind === "future" ? 0n : strike });
            return [id, { terms: decodeInstrument(id), quantity: q }] as const;
          }),
        );
        const group: PositionGroup = { key: "1:6000", market: small, expiry: 6000n, legs: map };
        let worst: bigint | undefined;
        for (let price = 0n; price <= 40n; price++) {
          let value = 0n;
          for (const { terms, quantity: q } of map.values()) {
            value += q * (isOption(terms) ? intrinsicValue(terms, price) : price - mark);
          }
          if (worst === undefined || value < worst) worst = value;
        }
        expect(model.worstValue(0n, [group], () => mark)).equal(worst);
      }),
      { seed, numRuns: 300 },
    );
  });
});

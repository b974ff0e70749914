/** Random streams of everything users and members do, over a small world in which much of it succeeds. */
import fc from "fast-check";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import type { BatchInput, InstructionBody, SettledBatch, SignedInstruction } from "../../src/ledger/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { alice, bob, carol, ETH, fill, Harness, openLane, type Party, transfer, venue, withdraw } from "./fixtures.ts";

export const parties = [alice, bob, carol] as const;
export const instruments: readonly Hex[] = [
  encodeInstrument({ kind: "call", market: ETH, expiry: 6000n, strike: 2000n }),
  encodeInstrument({ kind: "put", market: ETH, expiry: 6000n, strike: 2500n }),
  encodeInstrument({ kind: "future", market: ETH, expiry: 6000n, strike: 0n }),
  encodeInstrument({ kind: "call", market: ETH, expiry: 6060n, strike: 2400n }),
  encodeInstrument({ kind: "perpetual", market: ETH, expiry: 0n, strike: 0n }),
];

export type Step =
  | { readonly kind: "instruction"; readonly who: Party; readonly body: InstructionBody; readonly skip: number }
  | { readonly kind: "deposit"; readonly who: Party; readonly amount: bigint; readonly chainId: bigint }
  | { readonly kind: "price"; readonly slots: number; readonly value: bigint }
  | { readonly kind: "again"; readonly back: number };

const anyParty = fc.constantFrom(...parties);
const quantity = fc.bigInt(0n, 30n);
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("deposit" as const),
      who: anyParty,
      amount: fc.bigInt(1n, 200_000n),
      chainId: fc.constant(10n),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("price" as const),
      slots: fc.integer({ min: 1, max: 4 }),
      value: fc.bigInt(0n, 11_000n),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("again" as const), back: fc.nat(30) }) },
  {
    weight: 8,
    arbitrary: fc
      .oneof(
        {
          weight: 4,
          arbitrary: fc
            .tuple(fc.constantFrom(...instruments), anyParty, anyParty, quantity, fc.bigInt(0n, 3_000n))
            .map(([id, buyer, seller, q, price]) => ({ who: venue, body: fill(id, buyer, seller, q, price) })),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(anyParty, anyParty, fc.bigInt(0n, 50_000n))
            .map(([who, to, amount]) => ({ who, body: transfer(who, to, amount) })),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(anyParty, fc.bigInt(0n, 50_000n), fc.bigInt(0n, 9n))
            .map(([who, amount, fee]) => ({ who, body: withdraw(who, amount, 10n, fee) })),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(anyParty, fc.bigInt(0n, 2_000_000n))
            .map(([who, limit]) => ({ who, body: openLane(who, venue, limit) })),
        },
      )
      .chain((signed) =>
        fc.record({
          kind: fc.constant("instruction" as const),
          who: fc.constant(signed.who),
          body: fc.constant(signed.body),
          skip: fc.constantFrom(0, 0, 0, 0, 1),
        }),
      ),
  },
);

/** Runs steps; returns every input that was applied and every batch that came of it. */
export function run(
  steps: readonly Step[],
  onBatch: (h: Harness, batch: SettledBatch) => void = () => {},
): { h: Harness; inputs: BatchInput[]; batches: SettledBatch[] } {
  const inputs: BatchInput[] = [];
  const batches: SettledBatch[] = [];
  const signedBefore: SignedInstruction[] = [];
  const h = new Harness({ verify: () => true });
  const apply = h.ledger.apply.bind(h.ledger);
  h.ledger.apply = (input) => {
    inputs.push(input);
    const batch = apply(input);
    h.ledger.audit();
    if (batch !== undefined) {
      batches.push(batch);
      onBatch(h, batch);
    }
    return batch;
  };
  let slot = 5_940n;
  for (const who of parties) {
    h.deposit(who, 100_000n);
    h.open(who);
  }
  for (const next of steps) {
    if (next.kind === "deposit") h.deposit(next.who, next.amount, next.chainId);
    else if (next.kind === "price") {
      for (let i = 0; i < next.slots; i++) {
        h.price(slot, next.value);
        slot += 6n;
      }
    } else if (next.kind === "again") {
      const old = signedBefore.at(-1 - next.back);
      if (old !== undefined) h.submit(old);
    } else {
      const nonce = h.ledger.nextNonce(next.who.address, 0n) + BigInt(next.skip);
      const signed = h.sign(next.who, next.body, { nonce });
      signedBefore.push(signed);
      h.submit(signed);
    }
  }
  return { h, inputs, batches };
}

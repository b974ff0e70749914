import { expect } from "chai";
import fc from "fast-check";
import { verifyInclusion } from "../../src/batch/merkle.ts";
import { outboxEntryHash } from "../../src/batch/outbox.ts";
import { verifyAccount } from "../../src/batch/state.ts";
import type { BatchHeader } from "../../src/batch/types.ts";
import { LedgerError } from "../../src/ledger/codes.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import type { BatchInput, Observation, SettledBatch } from "../../src/ledger/types.ts";
import { InvariantError } from "../../src/lib/assert.ts";
import { seed } from "../seed.ts";
import { alice, bob, carol, EURC, fill, genesis, Harness, transfer, USDC, venue, withdraw } from "./fixtures.ts";
import { instruments, run, step } from "./random-world.ts";

const options = { verify: () => true };

function refusal(header: BatchHeader, bytes: Uint8Array): unknown {
  try {
    Ledger.restore(genesis, header, bytes, options);
  } catch (error) {
    return error;
  }
  return undefined;
}

/** A ledger with something of everything: positions, grants, payouts, parked instructions, half-reported prices and entries. */
function rich(): Harness {
  const h = new Harness(options);
  for (const who of [alice, bob, carol]) {
    h.deposit(who, 500_000n);
    h.open(who);
  }
  h.deposit(carol, 5_000n, 10n, genesis.chains[0]!.tokens[1]!.token);
  h.submit(h.sign(carol, transfer(carol, bob, 1_000n, EURC)), h.sign(carol, transfer(carol, alice, 7n, EURC)));
  h.price(5_940n, 2_100n);
  for (const id of instruments) h.submit(h.sign(venue, fill(id, alice, bob, 5n, 40n)));
  h.submit(h.sign(alice, withdraw(alice, 300n, 10n, 2n)));
  h.submit(h.sign(bob, withdraw(bob, 500n)));
  h.submit(
    h.sign(carol, transfer(carol, bob, 3n), { nonce: 9n }),
    h.sign(alice, transfer(alice, bob, 3n), { nonce: 0n }),
  );
  const entry = h.entry(56n, carol.account, 10n ** 15n);
  h.round([
    {
      author: 0,
      instructions: [],
      observations: [{ kind: "inbox", chainId: 56n, entries: [entry] }],
      transactions: [],
    },
    {
      author: 2,
      instructions: [],
      observations: [{ kind: "inbox", chainId: 56n, entries: [{ ...entry, amount: 1n }] }],
      transactions: [],
    },
    {
      author: 1,
      instructions: [],
      observations: [
        { kind: "time", seconds: 5_999n },
        { kind: "prices", market: 1, firstSlotEnd: 5_934n, values: [9n, 8n] },
      ],
      transactions: [],
    },
  ]);
  h.submit(h.sign(alice, transfer(alice, carol, 11n)));
  return h;
}

describe(`a ledger's snapshot (CLOCKLESS_SEED=${seed})`, () => {
  it("goes on as the original does: the same batches for the same further input, at any cut", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 50 }), fc.nat(), (steps, at) => {
        const total = run(steps).batches.length;
        const cut = 1 + (at % total);
        let snapshot: Uint8Array | undefined;
        let applied = 0;
        const { h, inputs, batches } = run(steps, (harness, batch) => {
          if (Number(batch.header.sequence) !== cut) return;
          snapshot = harness.ledger.snapshot();
        });
        // Inputs up to the cut: those after which the original stood at it for the first time.
        const replay = new Ledger(genesis, options);
        for (const input of inputs) {
          applied++;
          replay.apply(input);
          if (Number(replay.sequence) === cut) break;
        }
        const restored = Ledger.restore(genesis, batches[cut - 1]!.header, snapshot!, options);
        expect(restored.snapshot()).deep.equal(snapshot);
        const further: SettledBatch[] = [];
        for (const input of inputs.slice(applied)) {
          const batch = restored.apply(input);
          if (batch !== undefined) further.push(batch);
          restored.audit();
        }
        expect(further).deep.equal(batches.slice(cut));
        expect(restored.totals()).deep.equal(h.ledger.totals());
        expect(restored.time).equal(h.ledger.time);
      }),
      { seed, numRuns: 25 },
    );
  });

  it("holds what is parked, half-reported, granted and decided", () => {
    const h = rich();
    const restored = Ledger.restore(genesis, h.ledger.header!, h.ledger.snapshot(), options);
    const inputs: BatchInput[] = [];
    const apply = h.ledger.apply.bind(h.ledger);
    h.ledger.apply = (input) => {
      inputs.push(input);
      return apply(input);
    };
    // The rest of each: the missing reports, expiries, what was parked for too long, the missing nonces.
    const observations: Observation[] = [
      { kind: "inbox", chainId: 56n, entries: [{ ...h.entry(56n, carol.account, 10n ** 15n), index: 0n }] },
      { kind: "time", seconds: 6_100n },
      { kind: "prices", market: 1, firstSlotEnd: 5_934n, values: [7n, 6n] },
    ];
    h.round([1, 3].map((author) => ({ author, instructions: [], observations, transactions: [] })));
    expect(h.ledger.destinations[1]?.inboxCursor).equal(1n);
    for (let slot = 5_940n; slot <= 6_060n; slot += 6n) h.price(slot, 2_222n + slot);
    for (let i = 0; i < 8; i++) h.submit(h.sign(carol, transfer(carol, bob, 1n), { nonce: BigInt(2 + i) }));
    for (const input of inputs) restored.apply(input);
    expect(restored.header).deep.equal(h.ledger.header);
    expect(restored.snapshot()).deep.equal(h.ledger.snapshot());
  });

  it("serves proofs of accounts, of payouts and headers from before it", () => {
    const h = rich();
    const header = h.ledger.header!;
    const restored = Ledger.restore(genesis, header, h.ledger.snapshot(), options);
    expect(verifyAccount(header.state, restored.proveAccount(alice.account, USDC)!)).equal(true);
    expect(verifyAccount(header.state, restored.proveAccount(bob.account, EURC)!)).equal(true);
    expect(restored.account(alice.account)).deep.equal(h.ledger.account(alice.account));
    expect(restored.proveHistory(3n)).deep.equal(h.ledger.proveHistory(3n));
    const payout = h.ledger.proveOutbox(10n, 0n)!;
    expect(restored.proveOutbox(10n, 0n)).deep.equal(payout);
    const leaf = outboxEntryHash(genesis.chains[0]!, {
      kind: "payout",
      index: 0n,
      token: genesis.chains[0]!.tokens[0]!.token,
      recipient: alice.address,
      amount: 300n,
      relayerFee: 2n,
      reference: `0x${"00".repeat(32)}`,
    });
    // Another reference: the proof is of the entry as it was, not of whatever one asks about.
    expect(verifyInclusion(restored.destinations[0]!.outboxRoot, leaf, payout)).equal(false);
  });

  it("is refused when a bit of it is another, wherever", () => {
    const h = rich();
    const header = h.ledger.header!;
    const bytes = h.ledger.snapshot();
    expect(refusal(header, bytes)).equal(undefined);
    const codes = new Set<string>();
    for (let at = seed % 11; at < bytes.length; at += 11) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << ((at + seed) % 8);
      const error = refusal(header, changed);
      if (!(error instanceof LedgerError)) throw new Error(`byte ${at} of ${bytes.length}: ${String(error)}`);
      codes.add(error.code);
    }
    expect([...codes]).deep.equal(["badSnapshot"]);
  });

  it("is refused with bytes missing or added, with another header, genesis or batch", () => {
    const h = rich();
    const header = h.ledger.header!;
    const bytes = h.ledger.snapshot();
    const cases: [BatchHeader, Uint8Array][] = [
      [header, bytes.subarray(0, bytes.length - 1)],
      [header, Uint8Array.from([...bytes, 0])],
      [header, new Uint8Array(0)],
      [{ ...header, sequence: header.sequence + 1n }, bytes],
      [{ ...header, state: header.history }, bytes],
      [{ ...header, history: header.state }, bytes],
      [{ ...header, outboxes: header.state }, bytes],
    ];
    for (const [given, snapshot] of cases)
      expect(refusal(given, snapshot)).instanceOf(LedgerError).include({ code: "badSnapshot" });
    expect(() => Ledger.restore({ ...genesis, window: 5n }, header, bytes, options)).throw(
      LedgerError,
      "another genesis",
    );
  });

  it("that announces more than it has is refused before anything is allocated for it", () => {
    const h = rich();
    const bytes = h.ledger.snapshot();
    // Every four bytes in turn say "four billion".
    for (let at = 0; at + 4 <= bytes.length; at += 29) {
      const changed = bytes.slice();
      changed.fill(0xff, at, at + 4);
      const before = process.memoryUsage().heapUsed;
      expect(refusal(h.ledger.header!, changed)).include({ code: "badSnapshot" });
      expect(process.memoryUsage().heapUsed - before).below(1 << 27);
    }
  });

  it("is taken right after a batch, not in between", () => {
    const h = rich();
    h.round([{ author: 0, instructions: [], observations: [{ kind: "time", seconds: 6_001n }], transactions: [] }]);
    expect(() => h.ledger.snapshot()).throw(InvariantError);
    expect(() => new Ledger(genesis).snapshot()).throw(InvariantError);
  });
});

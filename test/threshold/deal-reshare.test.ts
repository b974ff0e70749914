import { expect } from "chai";
import { describe, it } from "mocha";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { maxFaulty } from "../../src/lib/math.ts";
import { aggregateKey } from "../../src/threshold/aggregate.ts";
import { type DealContext, dealInstance } from "../../src/threshold/associated-data.ts";
import { combinePartials } from "../../src/threshold/combine.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import { decodeDeal, encodeDeal } from "../../src/threshold/deal-codec.ts";
import { type DealBundle, type DealerFault, dealBundleDigest } from "../../src/threshold/deal-select.ts";
import { isShareOf, validateThresholdKey } from "../../src/threshold/key.ts";
import { recoverSecret } from "../../src/threshold/shamir.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import {
  activate,
  agreement,
  contextsFor,
  type DealEnginePair,
  dealEngines,
  honestBundle,
  makeRecipients,
  secretOf,
  select,
  type TestCommittee,
} from "./deal-support.ts";
import { expectCode, flipBit, seeded, engines as signingEngines } from "./support.ts";

type Engines = Record<Suite, DealEnginePair>;
type Contexts = Record<Suite, DealContext>;

const message = seeded("message");

async function partialsOf(committee: TestCommittee, suite: Suite, indices: readonly number[]) {
  const engine = (await signingEngines())[suite].mcl;
  return new Map(indices.map((i) => [i, engine.sign(committee.shares[suite][i]!, message)] as const));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Every member's share signs: any t of them, first or last, give the one signature. */
async function signatureOf(committee: TestCommittee, suite: Suite): Promise<string> {
  const engine = (await signingEngines())[suite].mcl;
  const key = committee.keys[suite];
  const n = committee.members.length;
  const results: string[] = [];
  for (let from = 0; from < n; from += key.threshold) {
    const start = Math.min(from, n - key.threshold);
    const partials = await partialsOf(committee, suite, range(start, start + key.threshold));
    const { signature, bad } = combinePartials(engine, key, message, partials);
    expect(bad).to.deep.equal([]);
    results.push(bytesToHex(signature!));
  }
  expect(new Set(results).size).to.equal(1);
  return results[0]!;
}

const generated = new Map<string, TestCommittee>();

function generate(engines: Engines, n: number, t: number): TestCommittee {
  const label = `generated (${n},${t})`;
  const committee = generated.get(label) ?? generateNow(engines, label, n, t);
  generated.set(label, committee);
  return committee;
}

function generateNow(engines: Engines, label: string, n: number, t: number): TestCommittee {
  const to = makeRecipients(label, n);
  const contexts = contextsFor("ceremony", undefined, to, t);
  const bundles = range(0, maxFaulty(n) + 2).map((dealer) => honestBundle(engines, contexts, undefined, dealer));
  const { qualified, faults, isComplete } = select(engines, contexts, bundles);
  expect(faults).to.deep.equal([]);
  expect(isComplete).to.equal(true);
  return activate(engines, contexts, qualified, to, label);
}

/** What dealers of every bad kind send. */
const MALICE: Readonly<
  Record<string, (given: { engines: Engines; contexts: Contexts; old: TestCommittee; dealer: number }) => DealBundle[]>
> = {
  "deals another secret than its share": ({ engines, contexts, dealer }) => {
    const deal = (suite: Suite): Uint8Array => {
      const free = { ...dealInstance(contexts[suite], dealer), expected: undefined };
      return makeDeal(engines[suite].mcl, agreement, free, secretOf("wrong", suite), seeded("wrong"));
    };
    return [{ dealer, deals: { "bls12-381": deal("bls12-381"), bn254: deal("bn254") } }];
  },
  "spoils what one recipient gets": ({ engines, contexts, old, dealer }) =>
    mutate(engines, contexts, old, dealer, (bytes, suite) => {
      const deal = decodeDeal(dealInstance(contexts[suite], dealer), bytes);
      return encodeDeal({ ...deal, chosen: deal.chosen.map((round) => ({ ...round, pads: flipBit(round.pads, 9) })) });
    }),
  "sends a deal cut short": ({ engines, contexts, old, dealer }) =>
    mutate(engines, contexts, old, dealer, (bytes) => bytes.subarray(0, bytes.length - 32)),
  "sends nothing but noise": ({ engines, contexts, old, dealer }) =>
    mutate(engines, contexts, old, dealer, (bytes) => seeded("noise", bytes.length)),
  "replays its deal of an earlier attempt": ({ engines, contexts, old, dealer }) => {
    const earlier = (suite: Suite): DealContext => ({ ...contexts[suite], attempt: contexts[suite].attempt + 7n });
    return [honestBundle(engines, { "bls12-381": earlier("bls12-381"), bn254: earlier("bn254") }, old, dealer)];
  },
  "copies another dealer's deal": ({ engines, contexts, old, dealer }) => [
    { ...honestBundle(engines, contexts, old, (dealer + 1) % old.members.length), dealer },
  ],
  "deals in one suite only": ({ engines, contexts, old, dealer }) => [
    { dealer, deals: { bn254: honestBundle(engines, contexts, old, dealer).deals.bn254 } },
  ],
  "deals well in one suite and badly in the other": ({ engines, contexts, old, dealer }) =>
    mutate(engines, contexts, old, dealer, (bytes, suite) => (suite === "bn254" ? flipBit(bytes, 77) : bytes)),
  "swaps the suites": ({ engines, contexts, old, dealer }) => {
    const { deals } = honestBundle(engines, contexts, old, dealer);
    return [{ dealer, deals: { "bls12-381": deals.bn254, bn254: deals["bls12-381"] } }];
  },
  "deals badly, then well": ({ engines, contexts, old, dealer }) => [
    ...mutate(engines, contexts, old, dealer, (bytes) => flipBit(bytes, bytes.length * 8 - 1)),
    honestBundle(engines, contexts, old, dealer),
  ],
  "says nothing": () => [],
};

function mutate(
  engines: Engines,
  contexts: Contexts,
  old: TestCommittee,
  dealer: number,
  change: (bytes: Uint8Array, suite: Suite) => Uint8Array,
): DealBundle[] {
  const { deals } = honestBundle(engines, contexts, old, dealer);
  const changed = (suite: Suite): Uint8Array => change(deals[suite], suite);
  return [{ dealer, deals: { "bls12-381": changed("bls12-381"), bn254: changed("bn254") } }];
}

const NAMED = Object.keys(MALICE).filter((name) => name !== "says nothing");

interface Reshared {
  readonly committee: TestCommittee;
  readonly faults: readonly DealerFault[];
}

/** The first f old members are malicious, and first in the order. */
function reshare(
  engines: Engines,
  old: TestCommittee,
  label: string,
  n: number,
  t: number,
  malice: readonly string[] = [],
): Reshared {
  const to = makeRecipients(label, n);
  const contexts = contextsFor("reshare", old, to, t);
  expect(malice.length).to.be.at.most(maxFaulty(old.members.length));
  const bad = malice.flatMap((name, dealer) => MALICE[name]!({ engines, contexts, old, dealer }));
  const honest = range(malice.length, old.members.length).map((dealer) => honestBundle(engines, contexts, old, dealer));
  const { qualified, faults, isComplete } = select(engines, contexts, [...bad, ...honest]);
  expect(isComplete).to.equal(true);
  return { committee: activate(engines, contexts, qualified, to, label), faults };
}

describe("deals: resharing", function () {
  this.timeout(600_000);

  it("(4,3) → (7,5) → (10,7) → (4,3) → (31,21) keeps the key on both suites, with f malicious dealers at each step", async () => {
    const engines = await dealEngines();
    let committee = generate(engines, 4, 3);
    const signatures = { "bls12-381": "", bn254: "" };
    for (const suite of SUITES) {
      validateThresholdKey(committee.keys[suite]);
      signatures[suite] = await signatureOf(committee, suite);
    }
    const kinds = Object.keys(MALICE);
    let next = 0;
    const steps = [
      [7, 5],
      [10, 7],
      [4, 3],
      [31, 21],
    ] as const;
    for (const [n, t] of steps) {
      const f = maxFaulty(committee.members.length);
      const malice = range(0, f).map(() => kinds[next++ % kinds.length]!);
      const { committee: after, faults } = reshare(engines, committee, `(${n},${t})`, n, t, malice);
      const named = faults.map((fault) => fault.dealer).sort((a, b) => a - b);
      expect(named).to.deep.equal(range(0, f).filter((dealer) => malice[dealer] !== "says nothing"));
      for (const suite of SUITES) {
        expect(after.keys[suite].groupKey).to.equal(committee.keys[suite].groupKey);
        expect(after.keys[suite].threshold).to.equal(t);
        expect(await signatureOf(after, suite)).to.equal(signatures[suite]);
        const signing = (await signingEngines())[suite].mcl;
        after.shares[suite].forEach((share, i) => {
          expect(isShareOf(signing, after.keys[suite], i, share)).to.equal(true);
        });
      }
      if (n <= 10) for (const suite of SUITES) validateThresholdKey(after.keys[suite]);
      committee = after;
    }
  });

  it("makes old shares useless, and any mixture of old and new", async () => {
    const engines = await dealEngines();
    const old = generate(engines, 4, 3);
    // The same size and coordinates: where a mixture is most plausible. f dealers malicious all the same.
    const { committee: refreshed } = reshare(engines, old, "refreshed", 4, 3, ["says nothing"]);
    for (const suite of SUITES) {
      const engine = (await signingEngines())[suite].mcl;
      const key = refreshed.keys[suite];
      const groupKey = hexToBytes(key.groupKey);
      const before = await partialsOf(old, suite, range(0, 4));
      const after = await partialsOf(refreshed, suite, range(0, 4));
      expect(old.keys[suite].groupKey).to.equal(key.groupKey);
      for (let mask = 0; mask < 16; mask++) {
        const mixed = new Map(range(0, 4).map((i) => [i, (mask >> i) & 1 ? before.get(i)! : after.get(i)!] as const));
        const stale = range(0, 4).filter((i) => (mask >> i) & 1);
        // Three at a time, as an attacker would combine them, whatever the public shares say.
        for (const left of range(0, 4)) {
          const three = range(0, 4).filter((i) => i !== left);
          const olds = three.filter((i) => stale.includes(i)).length;
          const combined = engine.interpolate(three.map((i) => ({ x: i + 1, signature: mixed.get(i)! })));
          // Three of one epoch sign, whichever: fewer than t shares of each epoch may ever be exposed.
          expect(engine.verify(groupKey, message, combined)).to.equal(olds === 0 || olds === 3);
        }
        // The committee itself refuses every old partial.
        const { signature, bad } = combinePartials(engine, key, message, mixed);
        // Except when it happens to try t old ones together, which no resharing of the same key can make worthless.
        const isLucky = [0, 1, 2].every((i) => stale.includes(i));
        expect(signature !== undefined).to.equal(stale.length <= 1 || isLucky);
        if (signature === undefined) expect(bad).to.deep.equal(stale);
      }
      for (const share of old.shares[suite].map((secret, i) => isShareOf(engine, key, i, secret))) {
        expect(share).to.equal(false);
      }
      // t − 1 old and t − 1 new shares together: as points of one polynomial they give something else than the secret.
      const secret = recoverSecret(
        range(0, 3).map((i) => ({ x: i + 1, secret: old.shares[suite][i]! })),
        engine.order,
      );
      const hybrid = [
        { x: 1, secret: old.shares[suite][0]! },
        { x: 2, secret: old.shares[suite][1]! },
        { x: 3, secret: refreshed.shares[suite][2]! },
        { x: 4, secret: refreshed.shares[suite][3]! },
      ];
      expect(bytesToHex(recoverSecret(hybrid, engine.order))).not.to.equal(bytesToHex(secret));
    }
  });

  for (const name of NAMED) {
    it(`names a dealer who ${name}, keeps the key, and blames nobody else`, async () => {
      const engines = await dealEngines();
      const old = generate(engines, 4, 3);
      const { committee, faults } = reshare(engines, old, "target", 5, 4, [name]);
      expect(faults).to.have.length(1);
      expect(faults[0]!.dealer).to.equal(0);
      for (const suite of SUITES) {
        expect(committee.keys[suite].groupKey).to.equal(old.keys[suite].groupKey);
        expect(await signatureOf(committee, suite)).to.equal(await signatureOf(old, suite));
      }
    });
  }

  it("generates a key from f + 1 dealers of whom f are malicious, and not from f", async () => {
    const engines = await dealEngines();
    const old = generate(engines, 7, 5);
    const to = makeRecipients("generated", 5);
    const contexts = contextsFor("generation", old, to, 4);
    const bundles = range(0, 7).map((dealer) => honestBundle(engines, contexts, old, dealer, "generation"));
    const spoilt = bundles.slice(0, 2).map((bundle) => ({
      ...bundle,
      deals: { ...bundle.deals, bn254: flipBit(bundle.deals.bn254, 1000) },
    }));
    const few = select(engines, contexts, [...spoilt, ...bundles.slice(2, 4)]);
    expect(few.isComplete).to.equal(false);
    expect(few.faults.map((fault) => fault.dealer)).to.deep.equal([0, 1]);
    expectCode(() => aggregateKey(engines.bn254.mcl, contexts.bn254, few.qualified), "invalidDeal");
    const enough = select(engines, contexts, [...spoilt, ...bundles.slice(2, 5)]);
    expect(enough.isComplete).to.equal(true);
    expect(enough.qualified.map((bundle) => bundle.dealer)).to.deep.equal([2, 3, 4]);
    const limited = select(engines, contexts, bundles, 4);
    expect(limited.qualified.map((bundle) => bundle.dealer)).to.deep.equal([0, 1, 2, 3]);
    expect(select(engines, contexts, bundles.slice(0, 3), 4).isComplete).to.equal(false);
    expectCode(() => select(engines, contexts, bundles, 2), "invalidContext");
    expectCode(() => select(engines, {}, bundles), "invalidContext");
    const committee = activate(engines, contexts, enough.qualified, to, "generated");
    for (const suite of SUITES) {
      validateThresholdKey(committee.keys[suite]);
      expect(committee.keys[suite].groupKey).not.to.equal(old.keys[suite].groupKey);
      await signatureOf(committee, suite);
    }
  });

  it("takes a dealer's first deal only: blames another one, not the same one again", async () => {
    const engines = await dealEngines();
    const old = generate(engines, 4, 3);
    const contexts = contextsFor("reshare", old, makeRecipients("twice to", 4), 3);
    const bundles = range(0, 4).map((dealer) => honestBundle(engines, contexts, old, dealer));
    const again = honestBundle(engines, contexts, old, 1, "another polynomial");
    const { qualified, faults } = select(engines, contexts, [
      bundles[0]!,
      bundles[1]!,
      bundles[0]!,
      again,
      bundles[2]!,
      bundles[3]!,
      bundles[1]!,
    ]);
    // The first t_old in the order, each dealer once; the fourth valid deal changes nothing.
    expect(qualified).to.deep.equal([bundles[0], bundles[1], bundles[2]]);
    expect(faults).to.deep.equal([{ dealer: 1, code: "dealtTwice" }]);
    // A dealer index that nobody has is ignored.
    expect(select(engines, contexts, [{ ...bundles[0]!, dealer: 9 }]).faults).to.deep.equal([]);
    // Control: counted twice, one dealer would stand for two. Lagrange at the same x is refused, and so is the set.
    const doubled = [bundles[0]!, bundles[1]!, again];
    expectCode(() => aggregateKey(engines.bn254.mcl, contexts.bn254, doubled), "invalidDeal");
  });

  it("refuses a reshare that would change the key, which dropping the check of C_0 lets through the deals", async () => {
    const engines = await dealEngines();
    const old = generate(engines, 4, 3);
    const to = makeRecipients("thieves", 4);
    const contexts = contextsFor("reshare", old, to, 3);
    const bundles = range(0, 3).map((dealer) => honestBundle(engines, contexts, old, dealer));
    const [wrong] = MALICE["deals another secret than its share"]!({ engines, contexts, old, dealer: 0 });
    expect(select(engines, contexts, [wrong!]).faults[0]!.code).to.equal("wrongSecret");
    for (const suite of SUITES) {
      expectCode(() => aggregateKey(engines[suite].mcl, contexts[suite], [wrong!, ...bundles.slice(1)]), "invalidDeal");
    }
  });

  it("binds dealer, scope and both suites into what the dealer's identity signs", async () => {
    const engines = await dealEngines();
    const old = generate(engines, 4, 3);
    const contexts = contextsFor("reshare", old, makeRecipients("signed to", 4), 3);
    const bundle = honestBundle(engines, contexts, old, 0);
    const context = contexts.bn254;
    const digests = [
      dealBundleDigest(context, bundle),
      dealBundleDigest({ ...context, epoch: 9n }, bundle),
      dealBundleDigest({ ...context, attempt: 9n }, bundle),
      dealBundleDigest({ ...context, domain: bytesToHex(seeded("other")) }, bundle),
      dealBundleDigest(context, { ...bundle, dealer: 1 }),
      dealBundleDigest(context, { dealer: 0, deals: { bn254: bundle.deals.bn254 } }),
      dealBundleDigest(context, { dealer: 0, deals: { "bls12-381": bundle.deals.bn254 } }),
    ];
    expect(new Set(digests).size).to.equal(digests.length);
    expectCode(() => dealBundleDigest(context, { ...bundle, dealer: 4 }), "invalidContext");
  });
});

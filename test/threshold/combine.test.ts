import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect } from "chai";
import fc from "fast-check";
import { bigintToBytes } from "../../src/lib/bytes.ts";
import { maxFaulty, quorumOf } from "../../src/lib/math.ts";
import { createStandInEngine, dealStandIn } from "../../src/testing/stand-in.ts";
import { canCombineAll, combineAll, combinePartials } from "../../src/threshold/combine.ts";
import { dealInsecure, type InsecureDeal, insecureDealRandomnessLength } from "../../src/threshold/dealer.ts";
import { reduceWide } from "../../src/threshold/scalar.ts";
import { recoverSecret } from "../../src/threshold/shamir.ts";
import { type Engine, SUITES } from "../../src/threshold/types.ts";
import { engines, expectCode, flipBit, hex, seeded, unhex } from "./support.ts";

const MESSAGE = seeded("batch digest");

function deal(engine: Engine, n: number, t = quorumOf(n), label = "deal"): InsecureDeal {
  return dealInsecure(engine, n, t, seeded(label, insecureDealRandomnessLength(t)));
}

function partialsOf(engine: Engine, shares: readonly Uint8Array[], indices: readonly number[], message = MESSAGE) {
  return new Map(indices.map((index) => [index, engine.sign(shares[index]!, message)]));
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Counts verifications. */
function counting(engine: Engine): Engine & { count: number } {
  const counter = {
    ...engine,
    count: 0,
    verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array) {
      counter.count++;
      return engine.verify(key, message, signature);
    },
  };
  return counter;
}

describe("threshold/dealer (insecure)", () => {
  for (const suite of SUITES) {
    it(`deals a key whose shares, public shares and group key belong together (${suite})`, async () => {
      const { mcl, noble } = (await engines())[suite];
      const { key, shares } = deal(mcl, 7);
      expect([key.suite, key.threshold, key.publicShares.length]).to.deep.equal([suite, 5, 7]);
      expect(shares.map((share) => hex(mcl.publicKey(share)))).to.deep.equal(key.publicShares);
      const chosen = [6, 0, 3, 2, 5].map((i) => ({ x: i + 1, secret: shares[i]! }));
      expect(hex(mcl.publicKey(recoverSecret(chosen, mcl.order)))).to.equal(key.groupKey);
      expect(deal(noble, 7)).to.deep.equal({ key, shares });
      expect(deal(mcl, 7, 5, "other").key.groupKey).to.not.equal(key.groupKey);
    });

    it(`the secret is the randomness reduced, so that nothing hides in it (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const randomness = seeded("deal", insecureDealRandomnessLength(3));
      const { shares } = dealInsecure(mcl, 4, 3, randomness);
      const recovered = recoverSecret(
        shares.map((secret, i) => ({ x: i + 1, secret })),
        mcl.order,
      );
      expect(BigInt(hex(recovered))).to.equal(reduceWide(randomness.subarray(0, 48), mcl.order));
    });
  }

  it("refuses thresholds and randomness that make no key", async () => {
    const { mcl } = (await engines()).bn254;
    expectCode(() => dealInsecure(mcl, 3, 4, seeded("x", 500)), "invalidThreshold");
    expectCode(() => dealInsecure(mcl, 3, 0, seeded("x", 500)), "invalidThreshold");
    expectCode(() => dealInsecure(mcl, 3, 2, seeded("x", 95)), "invalidRandomness");
    expectCode(() => dealInsecure(mcl, 3, 2, seeded("x", 97)), "invalidRandomness");
    expectCode(() => dealInsecure(mcl, 3, 2, new Uint8Array(0)), "invalidRandomness");
    expectCode(() => dealInsecure(mcl, 3, 2, new Uint8Array(96)), "invalidSecret");
  });
});

describe("threshold/combine", () => {
  for (const suite of SUITES) {
    it(`any t of n give the whole key's signature, on either engine (${suite})`, async () => {
      const { mcl, noble } = (await engines())[suite];
      const sizes = fc.constantFrom(1, 2, 4, 5, 7, 10);
      fc.assert(
        fc.property(sizes, fc.integer(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (n, salt, message) => {
          const t = quorumOf(n);
          const { key, shares } = deal(mcl, n, t, `n ${n}`);
          const whole = recoverSecret(
            shares.map((secret, i) => ({ x: i + 1, secret })),
            mcl.order,
          );
          const expected = hex(mcl.sign(whole, message));
          const indices = range(n).sort((a, b) => ((a * 31 + salt) % 17) - ((b * 31 + salt) % 17) || a - b);
          const chosen = partialsOf(mcl, shares, indices.slice(0, t), message);
          for (const engine of [mcl, noble]) {
            const { signature, bad } = combinePartials(engine, key, message, chosen);
            expect([hex(signature!), bad]).to.deep.equal([expected, []]);
          }
          const tooFew = partialsOf(mcl, shares, indices.slice(0, t - 1), message);
          expect(combinePartials(mcl, key, message, tooFew)).to.deep.equal({ signature: undefined, bad: [], good: [] });
        }),
        { numRuns: 12 },
      );
    });

    it(`t − 1 partials interpolate to a signature that does not verify (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const { key, shares } = deal(mcl, 7);
      const few = [...partialsOf(mcl, shares, [0, 2, 4, 6])].map(([i, signature]) => ({ x: i + 1, signature }));
      expect(mcl.verify(unhex(key.groupKey), MESSAGE, mcl.interpolate(few))).to.equal(false);
    });

    it(`one verification when nobody cheats (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const { key, shares } = deal(mcl, 10);
      const engine = counting(mcl);
      combinePartials(engine, key, MESSAGE, partialsOf(mcl, shares, range(10)));
      expect(engine.count).to.equal(1);
    });

    it(`blames exactly the bad and still gives the signature: up to f of every kind (${suite})`, async () => {
      const { mcl, noble } = (await engines())[suite];
      const n = 10;
      const f = maxFaulty(n);
      const { key, shares } = deal(mcl, n);
      const honest = partialsOf(mcl, shares, range(n));
      const expected = combinePartials(mcl, key, MESSAGE, honest).signature!;
      const forgeries: [string, (index: number) => Uint8Array][] = [
        ["another digest", (i) => mcl.sign(shares[i]!, seeded("another digest"))],
        ["another member's share", (i) => mcl.sign(shares[(i + 1) % n]!, MESSAGE)],
        ["another dealing", (i) => mcl.sign(deal(mcl, n, quorumOf(n), "old epoch").shares[i]!, MESSAGE)],
        ["the group's own signature", () => expected],
        ["a flipped bit", (i) => flipBit(honest.get(i)!, 200)],
        ["empty", () => new Uint8Array(0)],
        ["zeros", () => new Uint8Array(mcl.signatureLength)],
        ["the other suite's length", () => new Uint8Array(112 - mcl.signatureLength).fill(1)],
        ["identity", () => Uint8Array.from([0xc0, ...new Uint8Array(mcl.signatureLength - 1)])],
      ];
      for (const [name, forge] of forgeries) {
        const bad = range(f).map((i) => 3 * i);
        const partials = new Map([...honest].map(([i, p]) => [i, bad.includes(i) ? forge(i) : p]));
        for (const engine of [mcl, ...(name === "empty" ? [noble] : [])]) {
          const result = combinePartials(engine, key, MESSAGE, partials);
          // Blame stops when t good ones are found: whoever comes later stays unchecked.
          expect(result.bad, name).to.deep.equal(bad.filter((i) => result.bad.includes(i)));
          expect(result.bad.length, name).to.be.greaterThan(0);
          expect(hex(result.signature!), name).to.equal(hex(expected));
        }
      }
    });

    it(`without enough good partials: no signature, all bad ones named, and a second call with more succeeds (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const { key, shares } = deal(mcl, 7);
      const partials = partialsOf(mcl, shares, [0, 1, 2, 3, 4]);
      partials.set(1, mcl.sign(shares[2]!, MESSAGE));
      partials.set(4, new Uint8Array(3));
      const first = combinePartials(mcl, key, MESSAGE, partials);
      expect(first).to.deep.equal({ signature: undefined, bad: [1, 4], good: [0, 2, 3] });
      for (const index of first.bad) partials.delete(index);
      for (const [index, partial] of partialsOf(mcl, shares, [5, 6])) partials.set(index, partial);
      const second = combinePartials(mcl, key, MESSAGE, partials);
      expect(second.bad).to.deep.equal([]);
      expect(mcl.verify(unhex(key.groupKey), MESSAGE, second.signature!)).to.equal(true);
    });
  }

  // Two colluders shift their partials by multiples of one Δ. Signing with s + δ instead of s adds H(m)^δ.
  for (const suite of SUITES) {
    it(`+Δ/−Δ partials end in blame or in the identical signature (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const { key, shares } = deal(mcl, 4);
      const r = mcl.order;
      const expected = hex(combinePartials(mcl, key, MESSAGE, partialsOf(mcl, shares, [0, 1, 2])).signature!);
      const shifted = (index: number, delta: bigint): Uint8Array => {
        const value = (((BigInt(hex(shares[index]!)) + delta) % r) + r) % r;
        return mcl.sign(unhex(value.toString(16).padStart(64, "0")), MESSAGE);
      };
      const base = partialsOf(mcl, shares, [2, 3]);
      // Coefficients at x = 1, 2, 3 are 3, −3, 1: equal shifts at 1 and 2 cancel in the sum, though both partials are wrong.
      const cancelling = new Map([...base, [0, shifted(0, 99n)], [1, shifted(1, 99n)]]);
      expect(combinePartials(mcl, key, MESSAGE, cancelling)).to.deep.equal({
        signature: unhex(expected),
        bad: [],
        good: [],
      });
      // A plain +Δ/−Δ pair does not cancel under Lagrange: both are blamed.
      const opposed = new Map([...base, [0, shifted(0, 99n)], [1, shifted(1, -99n)]]);
      expect(combinePartials(mcl, key, MESSAGE, opposed)).to.deep.equal({
        signature: undefined,
        bad: [0, 1],
        good: [2, 3],
      });
      // The cancelling pair without the third in the first t: blamed as soon as a check is needed.
      const half = new Map([...partialsOf(mcl, shares, [1, 2, 3]), [0, shifted(0, 99n)]]);
      const result = combinePartials(mcl, key, MESSAGE, half);
      expect([hex(result.signature!), result.bad]).to.deep.equal([expected, [0]]);
    });
  }

  it("members caught before are tried last: they slow nobody down twice, and still count when needed", async () => {
    const { mcl } = (await engines()).bn254;
    const { key, shares } = deal(mcl, 7);
    const partials = partialsOf(mcl, shares, range(7));
    const expected = hex(combinePartials(mcl, key, MESSAGE, partials).signature!);
    partials.set(0, partials.get(1)!);
    partials.set(3, new Uint8Array(0));
    const naive = counting(mcl);
    const caught = combinePartials(naive, key, MESSAGE, partials);
    expect([hex(caught.signature!), caught.bad]).to.deep.equal([expected, [0, 3]]);
    expect(naive.count).to.be.greaterThan(5);
    const warned = counting(mcl);
    const result = combinePartials(warned, key, MESSAGE, partials, { distrusted: new Set(caught.bad) });
    expect([hex(result.signature!), result.bad, warned.count]).to.deep.equal([expected, [], 1]);
    // Distrust is no exclusion: with everybody distrusted the right ones still sign.
    const all = combinePartials(mcl, key, MESSAGE, partials, { distrusted: new Set(range(7)) });
    expect([hex(all.signature!), all.bad]).to.deep.equal([expected, [0, 3]]);
  });

  it("a partial is verified by itself once, however the bad ones arrive", async () => {
    const { mcl } = (await engines()).bn254;
    const { key, shares } = deal(mcl, 7);
    const all = partialsOf(mcl, shares, range(7));
    const expected = hex(combinePartials(mcl, key, MESSAGE, all).signature!);
    // Four good ones wait for a fifth; two traitors come first, one at a time.
    const partials = new Map([0, 1, 3, 5].map((i) => [i, all.get(i)!]));
    const verified = new Set<number>();
    const engine = counting(mcl);
    for (const [index, partial] of [
      [4, all.get(0)!],
      [2, all.get(1)!],
      [6, all.get(6)!],
    ] as const) {
      partials.set(index, partial);
      const { signature, bad, good } = combinePartials(engine, key, MESSAGE, partials, { verified });
      for (const i of bad) partials.delete(i);
      for (const i of good) verified.add(i);
      expect(bad).to.deep.equal(index === 6 ? [] : [index]);
      if (index === 6) expect(hex(signature!)).to.equal(expected);
      else expect(signature).to.equal(undefined);
    }
    expect([...verified].sort()).to.deep.equal([0, 1, 3, 5]);
    // Three attempts, four good ones once each, two bad ones once each.
    expect(engine.count).to.equal(3 + 4 + 2);
  });

  it("crafted partials that sum to the identity are blamed like any other", async () => {
    const { mcl } = (await engines())["bls12-381"];
    const { key, shares } = deal(mcl, 4, 2);
    const partials = partialsOf(mcl, shares, [2, 3]);
    partials.set(0, mcl.sign(unhex(`${"00".repeat(31)}05`), MESSAGE));
    partials.set(1, mcl.sign(unhex(`${"00".repeat(31)}0a`), MESSAGE));
    const { signature, bad } = combinePartials(mcl, key, MESSAGE, partials);
    expect(bad).to.deep.equal([0, 1]);
    expect(mcl.verify(unhex(key.groupKey), MESSAGE, signature!)).to.equal(true);
  });

  it("partials outside the subgroup are blamed, or what they add cancels and the signature is the identical one", async () => {
    const { mcl, noble } = (await engines())["bls12-381"];
    const { key, shares } = deal(mcl, 4);
    const honest = partialsOf(mcl, shares, range(4));
    const expected = hex(combinePartials(mcl, key, MESSAGE, honest).signature!);
    const { Point } = bls12_381.G1;
    // Of order 3. Lagrange's coefficients at x = 1, 2, 3 are 3, −3, 1: times 3 it vanishes, times 1 it does not.
    const small = Point.fromAffine({ x: 0n, y: 2n });
    const crooked = (index: number): Uint8Array => {
      const { x, y } = Point.fromBytes(honest.get(index)!).add(small).toAffine();
      const bytes = bigintToBytes(x, 48);
      bytes[0] = bytes[0]! | 0x80 | (2n * y > bls12_381.fields.Fp.ORDER ? 0x20 : 0);
      return bytes;
    };
    for (const index of range(3)) {
      const partials = new Map([...honest, [index, crooked(index)]]);
      expect(mcl.isSignature(partials.get(index)!)).to.equal(false);
      for (const engine of [mcl, noble]) {
        const { signature, bad } = combinePartials(engine, key, MESSAGE, partials);
        expect(hex(signature!)).to.equal(expected);
        if (engine === noble || index === 2) expect(bad).to.deep.equal([index]);
        else expect(bad.filter((i) => i !== index)).to.deep.equal([]);
        if (engine === mcl && index === 0) expect(bad).to.deep.equal([]);
      }
      // As soon as another bad one forces a look at each, this one is named as well.
      const other = (index + 1) % 3;
      const three = new Map([other, index, 3].map((i) => [i, partials.get(i)!]));
      three.set(3, mcl.sign(shares[2]!, MESSAGE));
      expect(combinePartials(mcl, key, MESSAGE, three)).to.deep.equal({
        signature: undefined,
        bad: [index, 3],
        good: [other],
      });
    }
  });

  it("indices that are no member's are bad, and stop nobody", async () => {
    const { mcl } = (await engines())["bls12-381"];
    const { key, shares } = deal(mcl, 4);
    for (const index of [-1, 4, 0.5, Number.NaN, 70_000]) {
      const partials = partialsOf(mcl, shares, [0, 1, 2]);
      partials.set(index, mcl.sign(shares[3]!, MESSAGE));
      const { signature } = combinePartials(mcl, key, MESSAGE, partials);
      expect(mcl.verify(unhex(key.groupKey), MESSAGE, signature!)).to.equal(true);
    }
  });

  it("an engine of the other suite, a message that is no digest, and foreign public shares are our own mistakes: thrown", async () => {
    const all = await engines();
    const { mcl } = all["bls12-381"];
    const { key, shares } = deal(mcl, 4);
    const partials = partialsOf(mcl, shares, [0, 1, 2]);
    expectCode(() => combinePartials(all.bn254.mcl, key, MESSAGE, partials), "keyMismatch");
    expectCode(() => combinePartials(mcl, key, MESSAGE.subarray(1), partials), "invalidMessage");
    const wrongGroup = { ...key, groupKey: deal(mcl, 4, 3, "other").key.groupKey };
    expectCode(() => combinePartials(mcl, wrongGroup, MESSAGE, partials), "keyMismatch");
  });
});

describe("threshold/combine, all partials", () => {
  /** Signs with p + c·Π(x − xᵢ) over the members in `through`: on p there, off it everywhere else. */
  function bent(engine: Engine, share: Uint8Array, index: number, through: readonly number[]): Uint8Array {
    const product = through.reduce((value, i) => value * BigInt(index - i), 7n);
    const value = (((BigInt(hex(share)) + product) % engine.order) + engine.order) % engine.order;
    return engine.sign(bigintToBytes(value, 32), MESSAGE);
  }

  for (const suite of SUITES) {
    it(`the same signature as of any t, without a verification, on every engine (${suite})`, async () => {
      const { mcl, noble } = (await engines())[suite];
      for (const n of [4, 5, 7, 10]) {
        const { key, shares } = deal(mcl, n);
        const partials = partialsOf(mcl, shares, range(n));
        const expected = combinePartials(mcl, key, MESSAGE, partials);
        for (const engine of n === 10 ? [mcl] : [mcl, noble]) {
          const counted = counting(engine);
          expect(combineAll(counted, key, MESSAGE, partials)).to.deep.equal(expected);
          expect(counted.count).to.equal(0);
        }
        expect(mcl.verify(unhex(key.groupKey), MESSAGE, expected.signature!)).to.equal(true);
      }
      const standIn = createStandInEngine(suite);
      const { shares, ...dealt } = dealStandIn(suite, 7, 5, (length) => seeded("stand-in", length));
      const key = { suite, threshold: 5, ...dealt };
      const partials = partialsOf(standIn, shares, range(7));
      const expected = combinePartials(standIn, key, MESSAGE, partials);
      expect(combineAll(standIn, key, MESSAGE, partials)).to.deep.equal(expected);
      expect(standIn.extrapolate([partials.get(1)!, ...[...partials.values()].slice(1)], 5)).to.equal(undefined);
    });

    it(`names every one of up to f wrong partials, however they are made (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const n = 7;
      const { key, shares } = deal(mcl, n);
      const honest = partialsOf(mcl, shares, range(n));
      const expected = hex(combinePartials(mcl, key, MESSAGE, honest).signature!);
      const traitors = [1, 5];
      // A polynomial of the right degree through t − 1 of the honest and both traitors: one honest member does not fit.
      const together = [0, 2, 3, 4];
      const forgeries: [string, (index: number) => Uint8Array][] = [
        ["on another polynomial with most of the honest", (i) => bent(mcl, shares[i]!, i, together)],
        ["shifted alike", (i) => bent(mcl, shares[i]!, i, [])],
        ["another digest", (i) => mcl.sign(shares[i]!, seeded("another digest"))],
        ["another member's", (i) => honest.get((i + 1) % n)!],
        ["another dealing", (i) => mcl.sign(deal(mcl, n, quorumOf(n), "old epoch").shares[i]!, MESSAGE)],
        ["a flipped bit", (i) => flipBit(honest.get(i)!, 200)],
        ["empty", () => new Uint8Array(0)],
      ];
      for (const [name, forge] of forgeries) {
        for (const bad of [traitors, traitors.slice(1)]) {
          const partials = new Map([...honest].map(([i, partial]) => [i, bad.includes(i) ? forge(i) : partial]));
          const result = combineAll(mcl, key, MESSAGE, partials);
          expect([hex(result.signature!), result.bad], name).to.deep.equal([expected, bad]);
          expect(result.good, name).to.deep.equal(range(n).filter((i) => !bad.includes(i)));
        }
      }
    });

    it(`f + 1 that conspire are more than it stands: what they bend verifies nowhere, and is let through (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      const { key, shares } = deal(mcl, 4);
      const partials = new Map(range(4).map((i) => [i, bent(mcl, shares[i]!, i, [0, 2])]));
      const { signature, bad } = combineAll(mcl, key, MESSAGE, partials);
      expect(bad).to.deep.equal([]);
      expect(mcl.verify(unhex(key.groupKey), MESSAGE, signature!)).to.equal(false);
    });

    it(`without redundancy everything is verified (${suite})`, async () => {
      const { mcl } = (await engines())[suite];
      for (const n of [1, 3]) {
        const { key, shares } = deal(mcl, n);
        expect(canCombineAll(key)).to.equal(false);
        const partials = partialsOf(mcl, shares, range(n));
        const right = combineAll(mcl, key, MESSAGE, partials);
        expect(mcl.verify(unhex(key.groupKey), MESSAGE, right.signature!)).to.equal(true);
        partials.set(0, mcl.sign(seeded("not a share").fill(0, 0, 1), MESSAGE));
        const wrong = combineAll(mcl, key, MESSAGE, partials);
        expect([wrong.signature, wrong.bad]).to.deep.equal([undefined, [0]]);
      }
    });

    it(`engines extrapolate alike, and refuse alike (${suite})`, async () => {
      const { mcl, noble } = (await engines())[suite];
      const { shares } = deal(mcl, 5, 3);
      const all = [...partialsOf(mcl, shares, range(5)).values()];
      const at = (i: number, signature: Uint8Array) => all.map((known, k) => (k === i ? signature : known));
      const opposite = [
        mcl.sign(unhex(`${"00".repeat(31)}01`), MESSAGE),
        mcl.sign(unhex(`${"00".repeat(31)}02`), MESSAGE),
      ];
      const cases: [string, readonly Uint8Array[], number, boolean][] = [
        ["all", all, 3, true],
        ["exactly t", all.slice(0, 3), 3, true],
        ["t too low", all, 2, false],
        ["fewer than t", all.slice(0, 2), 3, false],
        ["none", [], 3, false],
        ["two exchanged", [all[1]!, all[0]!, ...all.slice(2)], 3, false],
        ["last one wrong", at(4, all[0]!), 3, false],
        ["undecodable", at(2, new Uint8Array(3)), 3, false],
        // x = 1 and 2 with values 1 and 2: at 0 that is the identity.
        ["sum is the identity", opposite, 2, false],
      ];
      for (const [name, signatures, t, isGood] of cases) {
        for (const engine of [mcl, noble]) {
          const given = signatures.map((signature, i) => ({ x: i + 1, signature })).slice(0, t);
          const expected = isGood ? hex(mcl.interpolate(given)) : undefined;
          const found = engine.extrapolate(signatures, t);
          expect(found === undefined ? undefined : hex(found), `${name}, ${engine.name}`).to.equal(expected);
        }
      }
    });
  }

  it("a partial outside the subgroup adds nothing, or its author is named", async () => {
    const { mcl } = (await engines())["bls12-381"];
    const { key, shares } = deal(mcl, 4);
    const honest = partialsOf(mcl, shares, range(4));
    const expected = hex(combinePartials(mcl, key, MESSAGE, honest).signature!);
    // Of order 3, as the coefficients 3, −3, 1 and −1 of the differences: it shows at x = 1 and at x = 4 in any case.
    const small = bls12_381.G1.Point.fromAffine({ x: 0n, y: 2n });
    for (const index of range(4)) {
      const { x, y } = bls12_381.G1.Point.fromBytes(honest.get(index)!).add(small).toAffine();
      const bytes = bigintToBytes(x, 48);
      bytes[0] = bytes[0]! | 0x80 | (2n * y > bls12_381.fields.Fp.ORDER ? 0x20 : 0);
      const { signature, bad } = combineAll(mcl, key, MESSAGE, new Map([...honest, [index, bytes]]));
      expect(hex(signature!)).to.equal(expected);
      expect(bad.filter((i) => i !== index)).to.deep.equal([]);
      if (index === 0 || index === 3) expect(bad).to.deep.equal([index]);
    }
  });

  it("needs one of every member; large committees are not worth the additions", async () => {
    const { mcl } = (await engines()).bn254;
    const { key, shares } = deal(mcl, 4);
    expect(() => combineAll(mcl, key, MESSAGE, partialsOf(mcl, shares, [0, 1, 2]))).to.throw(RangeError);
    expectCode(() => combineAll(mcl, { ...key, suite: "bls12-381" }, MESSAGE, new Map()), "keyMismatch");
    const sized = (n: number) => ({ ...key, threshold: quorumOf(n), publicShares: new Array(n).fill("0x") });
    expect([1, 2, 3, 4, 10, 31, 100].filter((n) => canCombineAll(sized(n)))).to.deep.equal([4, 10, 31]);
  });

  it("what was combined last is verified without decoding it again, and is no more believed than anything else", async () => {
    for (const suite of SUITES) {
      const { mcl } = (await engines())[suite];
      const { key, shares } = deal(mcl, 4);
      const groupKey = unhex(key.groupKey);
      const wrong = mcl.extrapolate([...partialsOf(mcl, shares, range(4), seeded("other")).values()], key.threshold)!;
      expect(mcl.verify(groupKey, MESSAGE, wrong)).to.equal(false);
      expect(mcl.verify(groupKey, seeded("other"), wrong)).to.equal(true);
      // A failed combination leaves nothing behind, and changing the answer does not change what is remembered.
      expect(mcl.extrapolate([wrong, wrong, new Uint8Array(1)], 3)).to.equal(undefined);
      expect(mcl.verify(groupKey, seeded("other"), wrong)).to.equal(true);
      const right = combinePartials(mcl, key, MESSAGE, partialsOf(mcl, shares, [0, 1, 3])).signature!;
      const copy = Uint8Array.from(right);
      right.fill(0);
      expect(mcl.verify(groupKey, MESSAGE, right)).to.equal(false);
      expect(mcl.verify(groupKey, MESSAGE, copy)).to.equal(true);
    }
  });
});

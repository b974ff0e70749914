import { expect } from "chai";
import fc from "fast-check";
import { bigintToBytes, bytesToBigint } from "../../src/lib/bytes.ts";
import { decodeSecret, lagrangeAtZero, ORDERS, reduceWide } from "../../src/threshold/scalar.ts";
import { evaluatePolynomial, recoverSecret, splitRandomnessLength, splitSecret } from "../../src/threshold/shamir.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { expectCode, hex, seeded } from "./support.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A secret of either suite from arbitrary bytes. */
const secretFrom = (material: Uint8Array, order: bigint) => bigintToBytes(reduceWide(material, order) || 1n, 32);

describe("threshold/shamir", () => {
  it("any t of n shares recover the secret; t − 1 recover something else", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SUITES),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 8 }),
        bytes(48),
        fc.integer(),
        (suite, threshold, extra, material, salt) => {
          const order = ORDERS[suite];
          const n = threshold + extra;
          const secret = secretFrom(material, order);
          const randomness = seeded(`split ${salt}`, splitRandomnessLength(threshold));
          const shares = splitSecret(secret, threshold, n, randomness, order);
          expect(shares.map((share) => share.x)).to.deep.equal(Array.from({ length: n }, (_, i) => i + 1));
          const shuffled = [...shares].sort(
            (a, b) => ((a.x * 7919 + salt) % 13) - ((b.x * 7919 + salt) % 13) || a.x - b.x,
          );
          expect(hex(recoverSecret(shuffled.slice(0, threshold), order))).to.equal(hex(secret));
          expect(hex(recoverSecret(shares, order))).to.equal(hex(secret));
          if (threshold > 1) {
            expect(hex(recoverSecret(shuffled.slice(0, threshold - 1), order))).to.not.equal(hex(secret));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("with t = 1 every share is the secret", () => {
    const order = ORDERS.bn254;
    const secret = bigintToBytes(5n, 32);
    for (const share of splitSecret(secret, 1, 3, new Uint8Array(0), order))
      expect(hex(share.secret)).to.equal(hex(secret));
  });

  it("follows the polynomial that the randomness gives", () => {
    const order = ORDERS["bls12-381"];
    const randomness = seeded("coefficients", splitRandomnessLength(3));
    const coefficients = [
      11n,
      reduceWide(randomness.subarray(0, 48), order),
      reduceWide(randomness.subarray(48), order),
    ];
    const shares = splitSecret(bigintToBytes(11n, 32), 3, 5, randomness, order);
    for (const { x, secret } of shares) {
      const [a, b, c] = coefficients;
      const expected = (a! + b! * BigInt(x) + c! * BigInt(x * x)) % order;
      expect(bytesToBigint(secret)).to.equal(expected);
      expect(evaluatePolynomial(coefficients, x, order)).to.equal(expected);
    }
  });

  it("refuses x = 0, negative, fractional, huge and duplicate coordinates everywhere", () => {
    const order = ORDERS["bls12-381"];
    const share = bigintToBytes(1n, 32);
    for (const x of [0, -1, 1.5, Number.NaN, 65_536, 2 ** 53]) {
      expectCode(() => recoverSecret([{ x, secret: share }], order), "invalidCoordinate");
      expectCode(() => evaluatePolynomial([1n], x, order), "invalidCoordinate");
      expectCode(() => lagrangeAtZero([1, x], order), "invalidCoordinate");
    }
    expectCode(
      () =>
        recoverSecret(
          [
            { x: 2, secret: share },
            { x: 2, secret: share },
          ],
          order,
        ),
      "duplicateCoordinate",
    );
    expectCode(() => lagrangeAtZero([3, 1, 3], order), "duplicateCoordinate");
    expectCode(() => lagrangeAtZero([], order), "notEnoughShares");
  });

  it("refuses non-canonical scalars: zero, r, r + 1, wrong length", () => {
    for (const suite of SUITES) {
      const order = ORDERS[suite];
      for (const value of [0n, order, order + 1n, (1n << 256n) - 1n]) {
        const secret = bigintToBytes(value, 32);
        expectCode(() => decodeSecret(secret, order), "invalidSecret");
        expectCode(() => splitSecret(secret, 1, 1, new Uint8Array(0), order), "invalidSecret");
        expectCode(() => recoverSecret([{ x: 1, secret }], order), "invalidSecret");
      }
      expect(decodeSecret(bigintToBytes(order - 1n, 32), order)).to.equal(order - 1n);
      expectCode(() => decodeSecret(new Uint8Array(31).fill(1), order), "invalidSecret");
      expectCode(() => decodeSecret(new Uint8Array(33).fill(0, 0, 32).fill(1, 32), order), "invalidSecret");
      expectCode(() => evaluatePolynomial([1n, order], 1, order), "invalidScalar");
      expectCode(() => evaluatePolynomial([-1n], 1, order), "invalidScalar");
    }
  });

  it("refuses thresholds and randomness that make no sharing", () => {
    const order = ORDERS.bn254;
    const secret = bigintToBytes(1n, 32);
    for (const [t, n] of [
      [0, 3],
      [4, 3],
      [1.5, 3],
      [-1, 3],
      [1, 65_536],
      [1, 1.5],
    ] as const) {
      expectCode(() => splitSecret(secret, t, n, new Uint8Array(0), order), "invalidThreshold");
    }
    expectCode(() => splitSecret(secret, 3, 4, new Uint8Array(95), order), "invalidRandomness");
    expectCode(() => splitSecret(secret, 3, 4, new Uint8Array(97), order), "invalidRandomness");
    expectCode(() => reduceWide(new Uint8Array(47), order), "invalidRandomness");
  });

  it("refuses randomness that makes a share zero", () => {
    const order = ORDERS.bn254;
    // f(X) = 2 + (r − 1)·X is zero at X = 2.
    const randomness = bigintToBytes(order - 1n, 48);
    expectCode(() => splitSecret(bigintToBytes(2n, 32), 2, 3, randomness, order), "invalidRandomness");
  });

  it("reduces wide: values above r wrap, nothing is rejected", () => {
    for (const suite of SUITES) {
      const order = ORDERS[suite];
      expect(reduceWide(bigintToBytes(order * 12345n + 7n, 48), order)).to.equal(7n);
      expect(reduceWide(new Uint8Array(64).fill(0xff), order)).to.equal(((1n << 512n) - 1n) % order);
    }
  });

  it("an error never carries the secret", () => {
    const secret = bigintToBytes(ORDERS.bn254 + 0x1234567n, 32);
    try {
      decodeSecret(secret, ORDERS.bn254);
      expect.fail("accepted");
    } catch (error) {
      // CAST: whatever was thrown, its whole text is searched
      const text = JSON.stringify(error) + String((error as Error).stack);
      expect(text).to.not.contain(hex(secret).slice(2, 18));
    }
  });
});

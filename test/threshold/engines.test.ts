import { expect } from "chai";
import fc from "fast-check";
import { bigintToBytes, bytesToBigint } from "../../src/lib/bytes.ts";
import { createMclEngine } from "../../src/threshold/engine-mcl.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { loadMcl } from "../../src/threshold/mcl-module.ts";
import { ORDERS } from "../../src/threshold/scalar.ts";
import { selfTest } from "../../src/threshold/self-test.ts";
import { type Engine, SUITES, type Suite } from "../../src/threshold/types.ts";
import { engines, expectCode, flipBit, hex, MODULI, offSubgroup, seeded, unhex } from "./support.ts";

const secretOf = (label: string): Uint8Array => seeded(label).fill(0, 0, 1).fill(1, 31);

/** Every way of writing a point that must be refused, made from one good signature and key. */
function malformed(suite: Suite, good: Uint8Array): [string, Uint8Array][] {
  const limb = suite === "bn254" ? 32 : 48;
  const p = MODULI[suite];
  const withLimb = (index: number, value: bigint, flags = 0): Uint8Array => {
    const out = Uint8Array.from(good);
    out.set(bigintToBytes(value, limb), index * limb);
    out[0] = out[0]! | flags;
    return out;
  };
  const out: [string, Uint8Array][] = [
    ["empty", new Uint8Array(0)],
    ["one byte short", good.subarray(0, good.length - 1)],
    ["one byte long", Uint8Array.from([...good, 0])],
    ["leading zero", Uint8Array.from([0, ...good])],
    ["zeros", new Uint8Array(good.length)],
    ["ones", new Uint8Array(good.length).fill(0xff)],
  ];
  for (let index = 0; index < good.length / limb; index++) {
    const value = bytesToBigint(good.subarray(index * limb, (index + 1) * limb)) & ((1n << 381n) - 1n);
    const flags = suite === "bls12-381" && index === 0 ? good[0]! & 0xe0 : 0;
    out.push([`limb ${index} = p`, withLimb(index, p, flags)]);
    out.push([`limb ${index} = p + 1`, withLimb(index, p + 1n, flags)]);
    const capacity = suite === "bls12-381" && index === 0 ? 1n << 381n : 1n << BigInt(8 * limb);
    if (value + p < capacity) out.push([`limb ${index} + p`, withLimb(index, value + p, flags)]);
  }
  if (suite === "bls12-381") {
    out.push(["identity", Uint8Array.from([0xc0, ...new Uint8Array(good.length - 1)])]);
    out.push(["identity with sign", Uint8Array.from([0xe0, ...new Uint8Array(good.length - 1)])]);
    out.push(["infinity flag on a point", withFlags(good, 0x40)]);
    out.push(["no compression flag", withFlags(good, 0x80)]);
  } else {
    const x = good.subarray(0, good.length / 2);
    out.push(["y = x", Uint8Array.from([...x, ...x])]);
    out.push(["y = 0", Uint8Array.from([...x, ...new Uint8Array(x.length)])]);
  }
  return out;
}

function withFlags(bytes: Uint8Array, flipped: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[0] = out[0]! ^ flipped;
  return out;
}

describe("threshold/engines", () => {
  it("createEngines gives an engine per suite of the kind asked for", async () => {
    const fast = await createEngines("fast");
    const reference = await createEngines("reference");
    for (const suite of SUITES) {
      expect([fast[suite].suite, fast[suite].name]).to.deep.equal([suite, "mcl"]);
      expect([reference[suite].suite, reference[suite].name]).to.deep.equal([suite, "noble"]);
      expect(fast[suite].order).to.equal(ORDERS[suite]);
      expect(reference[suite].order).to.equal(ORDERS[suite]);
    }
  });

  it("says so when the fast engine cannot start", async () => {
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => "started",
        (error) => error.code,
      );
    expect(await codeOf(loadMcl(99))).to.equal("engineUnavailable");
    const original = Object.getOwnPropertyDescriptor(globalThis, "WebAssembly")!;
    try {
      Object.defineProperty(globalThis, "WebAssembly", { value: undefined, configurable: true, writable: true });
      expect(await codeOf(createEngines("fast"))).to.equal("engineUnavailable");
      expect(await codeOf(createEngines("reference"))).to.equal("started");
    } finally {
      Object.defineProperty(globalThis, "WebAssembly", original);
    }
    expect(await codeOf(createEngines("fast"))).to.equal("started");
  });

  it("an engine that computes wrongly does not pass its self-test", async () => {
    for (const { noble, mcl } of Object.values(await engines())) {
      for (const engine of [noble, mcl]) {
        selfTest(engine);
        const wrong = engine.publicKey(bigintToBytes(3n, 32));
        expectCode(
          () => selfTest({ ...engine, sign: () => engine.sign(seeded("x").fill(0, 0, 1), seeded("y")) }),
          "engineUnavailable",
        );
        expectCode(() => selfTest({ ...engine, publicKey: () => wrong }), "engineUnavailable");
        expectCode(() => selfTest({ ...engine, verify: () => true }), "engineUnavailable");
        expectCode(() => selfTest({ ...engine, verify: () => false }), "engineUnavailable");
      }
    }
  });

  it("both curves run side by side on mcl, call by call", async () => {
    const all = await engines();
    // Several instances of each, used in turn: a shared curve setting would break the next call.
    const more = await Promise.all([...SUITES, ...SUITES].map(createMclEngine));
    for (let i = 0; i < 6; i++) {
      const message = seeded(`interleaved ${i}`);
      for (const engine of [...more, all["bls12-381"].mcl, all.bn254.mcl]) {
        const secret = secretOf(`secret ${i}`);
        const signature = engine.sign(secret, message);
        expect(hex(signature)).to.equal(hex(all[engine.suite].noble.sign(secret, message)));
        expect(engine.verify(engine.publicKey(secret), message, signature)).to.equal(true);
      }
    }
  });

  for (const suite of SUITES) {
    describe(suite, () => {
      let noble: Engine;
      let mcl: Engine;
      before(async () => {
        ({ noble, mcl } = (await engines())[suite]);
      });

      it("keys, signatures and verdicts are equal, byte for byte", () => {
        fc.assert(
          fc.property(
            fc.bigInt(1n, ORDERS[suite] - 1n),
            fc.uint8Array({ minLength: 32, maxLength: 32 }),
            (scalar, message) => {
              const secret = bigintToBytes(scalar, 32);
              const key = noble.publicKey(secret);
              const signature = noble.sign(secret, message);
              expect(hex(mcl.publicKey(secret))).to.equal(hex(key));
              expect(hex(mcl.sign(secret, message))).to.equal(hex(signature));
              expect(key.length).to.equal(mcl.publicKeyLength);
              expect(signature.length).to.equal(mcl.signatureLength);
              for (const engine of [noble, mcl]) {
                expect(engine.isPublicKey(key)).to.equal(true);
                expect(engine.isSignature(signature)).to.equal(true);
                expect(engine.verify(key, message, signature)).to.equal(true);
                expect(engine.verify(key, flipBit(message, 77), signature)).to.equal(false);
              }
            },
          ),
          { numRuns: 12 },
        );
      });

      it("small and large secrets: 1, 2, r − 1", () => {
        const message = seeded("edge");
        for (const scalar of [1n, 2n, ORDERS[suite] - 1n]) {
          const secret = bigintToBytes(scalar, 32);
          expect(hex(mcl.publicKey(secret))).to.equal(hex(noble.publicKey(secret)));
          expect(hex(mcl.sign(secret, message))).to.equal(hex(noble.sign(secret, message)));
        }
      });

      it("refuse secrets outside [1, r) and messages that are no digest, by code", () => {
        const message = seeded("message");
        for (const engine of [noble, mcl]) {
          for (const value of [0n, ORDERS[suite], (1n << 256n) - 1n]) {
            const secret = bigintToBytes(value, 32);
            expectCode(() => engine.publicKey(secret), "invalidSecret");
            expectCode(() => engine.sign(secret, message), "invalidSecret");
          }
          expectCode(() => engine.publicKey(new Uint8Array(31).fill(1)), "invalidSecret");
          for (const length of [0, 31, 33, 64]) {
            expectCode(() => engine.sign(secretOf("a"), new Uint8Array(length)), "invalidMessage");
            const signature = engine.sign(secretOf("a"), message);
            expect(engine.verify(engine.publicKey(secretOf("a")), new Uint8Array(length), signature)).to.equal(false);
          }
        }
      });

      it("refuse every other writing of a point, alike, without throwing", () => {
        const message = seeded("message");
        const key = noble.publicKey(secretOf("a"));
        const signature = noble.sign(secretOf("a"), message);
        for (const engine of [noble, mcl]) {
          for (const [name, bytes] of malformed(suite, signature)) {
            expect(engine.isSignature(bytes), `${engine.name} signature: ${name}`).to.equal(false);
            expect(engine.verify(key, message, bytes), `${engine.name} signature: ${name}`).to.equal(false);
            expectCode(() => engine.interpolate([{ x: 1, signature: bytes }]), "invalidPoint");
          }
          for (const [name, bytes] of malformed(suite, key)) {
            expect(engine.isPublicKey(bytes), `${engine.name} key: ${name}`).to.equal(false);
            expect(engine.verify(bytes, message, signature), `${engine.name} key: ${name}`).to.equal(false);
          }
          expect(engine.isSignature(signature)).to.equal(true);
          expect(engine.isPublicKey(key)).to.equal(true);
        }
      });

      it("refuse points of the curve outside the subgroup", () => {
        const message = seeded("message");
        const key = noble.publicKey(secretOf("a"));
        const signature = noble.sign(secretOf("a"), message);
        const strangeSignature = offSubgroup(suite, "G1");
        const strangeKey = offSubgroup(suite, "G2")!;
        for (const engine of [noble, mcl]) {
          if (strangeSignature !== undefined) {
            expect(engine.isSignature(strangeSignature)).to.equal(false);
            expect(engine.verify(key, message, strangeSignature)).to.equal(false);
            expectCode(() => engine.interpolate([{ x: 1, signature: strangeSignature }]), "invalidPoint");
          }
          expect(engine.isPublicKey(strangeKey)).to.equal(false);
          expect(engine.verify(strangeKey, message, signature)).to.equal(false);
        }
      });

      it("decode random bytes alike", () => {
        fc.assert(
          fc.property(
            fc.uint8Array({ minLength: mcl.signatureLength, maxLength: mcl.signatureLength }),
            fc.uint8Array({ minLength: mcl.publicKeyLength, maxLength: mcl.publicKeyLength }),
            fc.constantFrom(0x80, 0xa0, 0xc0, 0xe0, 0x00, 0x20, 0x40),
            (signature, key, flags) => {
              for (const bytes of [signature, key]) bytes[0] = (bytes[0]! & 0x1f) | flags;
              expect(mcl.isSignature(signature)).to.equal(noble.isSignature(signature));
              expect(mcl.isPublicKey(key)).to.equal(noble.isPublicKey(key));
            },
          ),
          { numRuns: 200 },
        );
      });

      it("interpolate alike, and refuse bad coordinates, by code", () => {
        const message = seeded("message");
        const shares = [3, 1, 200, 65_535, 7].map((x) => ({ x, signature: noble.sign(secretOf(`s${x}`), message) }));
        for (let count = 1; count <= shares.length; count++) {
          expect(hex(mcl.interpolate(shares.slice(0, count)))).to.equal(hex(noble.interpolate(shares.slice(0, count))));
        }
        expect(hex(mcl.interpolate([...shares].reverse()))).to.equal(hex(mcl.interpolate(shares)));
        for (const engine of [noble, mcl]) {
          const { signature } = shares[0]!;
          expect(hex(engine.interpolate([shares[0]!]))).to.equal(hex(signature));
          for (const x of [0, -1, 0.5, 65_536])
            expectCode(() => engine.interpolate([{ x, signature }]), "invalidCoordinate");
          expectCode(() => engine.interpolate([shares[0]!, shares[0]!]), "duplicateCoordinate");
          expectCode(() => engine.interpolate([]), "notEnoughShares");
        }
      });

      it("refuse shares that sum to the identity", () => {
        const message = seeded("message");
        // At x = 1 and x = 2 the coefficients are 2 and −1: f(1) = s, f(2) = 2s is a line through the origin.
        const one = { x: 1, signature: noble.sign(bigintToBytes(5n, 32), message) };
        const two = { x: 2, signature: noble.sign(bigintToBytes(10n, 32), message) };
        for (const engine of [noble, mcl]) expectCode(() => engine.interpolate([one, two]), "invalidPoint");
      });

      it("a signature of one suite's bytes never passes for the other", () => {
        const other = suite === "bn254" ? "bls12-381" : "bn254";
        const foreign = unhex("11".repeat(other === "bn254" ? 64 : 48));
        for (const engine of [noble, mcl]) expect(engine.isSignature(foreign)).to.equal(false);
      });

      it("more keys than the fast engine keeps change nothing", function () {
        this.timeout(600_000);
        const message = seeded("cache");
        const keys = Array.from({ length: 300 }, (_, i) => ({
          key: mcl.publicKey(bigintToBytes(BigInt(i + 1), 32)),
          signature: mcl.sign(bigintToBytes(BigInt(i + 1), 32), message),
        }));
        for (const { key, signature } of keys) expect(mcl.verify(key, message, signature)).to.equal(true);
        for (const i of [0, 1, 150, 298, 299]) {
          expect(mcl.verify(keys[i]!.key, message, keys[i]!.signature)).to.equal(true);
          expect(mcl.verify(keys[i]!.key, message, keys[(i + 1) % 300]!.signature)).to.equal(false);
        }
      });
    });
  }
});

/** Each attack is refused, and succeeds against a verifier without the one check that is there for it. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { expect } from "chai";
import { describe, it } from "mocha";
import { bigintToBytes, concatBytes, equalBytes } from "../../src/lib/bytes.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { aggregateKey } from "../../src/threshold/aggregate.ts";
import { type DealContext, type DealInstance, dealInstance } from "../../src/threshold/associated-data.ts";
import { encodeBn254PublicKey } from "../../src/threshold/bn254-points.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import { decodeDeal, encodeDeal } from "../../src/threshold/deal-codec.ts";
import type { GroupElement } from "../../src/threshold/deal-engine.ts";
import { openDeal } from "../../src/threshold/deal-open.ts";
import { pad, padContext, xorInto } from "../../src/threshold/deal-transcript.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import {
  evaluateAtMember,
  scalarFromBytes,
  scalarsFromBytes,
  scalarsToBytes,
  writeScalar,
} from "../../src/threshold/scalar-bytes.ts";
import { SUITES, type ThresholdKey } from "../../src/threshold/types.ts";
import {
  agreement,
  ceremonyContext,
  dealEngines,
  dishonestDeal,
  FEW_ROUNDS,
  lenient,
  makeRecipients,
  RELAXED_CHECKS,
  secretOf,
  without,
} from "./deal-support.ts";
import { expectCode, flipBit, seeded, engines as signingEngines } from "./support.ts";

const KEYS = makeRecipients("ceremony", 4).secrets;

describe("deals: attacks and controls", function () {
  this.timeout(600_000);

  describe("a deal made for one context is refused in every other", () => {
    const base = ceremonyContext("bn254", 4, 3, FEW_ROUNDS);
    const others = makeRecipients("others", 4).recipients;
    const old = (label: string): ThresholdKey => ({
      suite: "bn254",
      threshold: 3,
      groupKey: bytesToHex(seeded(`group ${label}`, 128)),
      publicShares: base.dealers.map((_, i) => bytesToHex(seeded(`share ${label} ${i}`, 128))),
    });
    const generation: DealContext = { ...base, kind: "generation", oldKey: old("a") };
    const changed = (i: number, to: Partial<(typeof base.recipients)[number]>): DealContext => ({
      ...generation,
      recipients: base.recipients.map((recipient, j) => (i === j ? { ...recipient, ...to } : recipient)),
    });
    const contexts: Readonly<Record<string, DealContext>> = {
      "committee or ceremony": { ...generation, domain: bytesToHex(seeded("another committee")) },
      epoch: { ...generation, epoch: 1n },
      attempt: { ...generation, attempt: 2n },
      kind: base,
      "old committee": { ...generation, dealers: [...base.dealers.slice(0, 3), others[0]!.address] },
      "group key": { ...generation, oldKey: { ...old("a"), groupKey: old("b").groupKey } },
      "old public polynomial": { ...generation, oldKey: { ...old("b"), groupKey: old("a").groupKey } },
      "old threshold": { ...generation, oldKey: { ...old("a"), threshold: 2 } },
      "a recipient's identity": changed(1, { address: others[1]!.address }),
      "a recipient's encryption key": changed(1, { encryptionKey: others[1]!.encryptionKey }),
      "the recipients' order": { ...generation, recipients: [...base.recipients].reverse() },
    };
    const dealt = async (instance: DealInstance): Promise<Uint8Array> =>
      makeDeal((await dealEngines()).bn254.mcl, agreement, instance, secretOf("bound", "bn254"), seeded("bound"));

    for (const [what, other] of Object.entries(contexts)) {
      it(`another ${what}`, async () => {
        const engine = (await dealEngines()).bn254.mcl;
        const [mine, theirs] = [dealInstance(generation, 0), dealInstance(other, 0)];
        const bytes = await dealt(mine);
        expect(faultOfDeal(engine, agreement, mine, bytes, RELAXED_CHECKS)).to.equal(undefined);
        expect(faultOfDeal(engine, agreement, theirs, bytes, RELAXED_CHECKS)).to.equal("wrongTranscript");
        // Control: an associated data that forgets this field makes one deal good for both (keys are used directly, too).
        const forgetful = { ...theirs, associatedData: mine.associatedData, encryptionKeys: mine.encryptionKeys };
        expect(faultOfDeal(engine, agreement, forgetful, bytes, RELAXED_CHECKS)).to.equal(undefined);
      });
    }

    it("another dealer", async () => {
      const engine = (await dealEngines()).bn254.mcl;
      const [mine, theirs] = [dealInstance(generation, 0), dealInstance(generation, 1)];
      const bytes = await dealt(mine);
      expect(faultOfDeal(engine, agreement, theirs, bytes, RELAXED_CHECKS)).to.equal("wrongTranscript");
      const forgetful = { ...theirs, associatedData: mine.associatedData };
      expect(faultOfDeal(engine, agreement, forgetful, bytes, RELAXED_CHECKS)).to.equal(undefined);
    });

    it("another suite, threshold, number of members or of rounds", async () => {
      const instances = [
        base,
        ceremonyContext("bls12-381", 4, 3, FEW_ROUNDS),
        ceremonyContext("bn254", 4, 2, FEW_ROUNDS),
        ceremonyContext("bn254", 5, 3, FEW_ROUNDS),
        ceremonyContext("bn254", 4, 3, { total: 7, chosen: 3 }),
        ceremonyContext("bn254", 4, 3, { total: 6, chosen: 4 }),
      ].map((context) => dealInstance(context, 0));
      const engines = await dealEngines();
      const bytes = await dealt(instances[0]!);
      expect(new Set(instances.map((instance) => bytesToHex(instance.associatedData))).size).to.equal(6);
      for (const instance of instances.slice(1)) {
        const fault = faultOfDeal(engines[instance.suite].mcl, agreement, instance, bytes, RELAXED_CHECKS);
        expect(fault).to.equal("wrongLength");
      }
    });

    it("impossible contexts are refused before anybody deals", () => {
      const impossible: DealContext[] = [
        { ...base, oldKey: old("a") },
        { ...base, kind: "reshare" },
        { ...base, dealers: [...base.dealers].reverse() },
        { ...generation, dealers: [...base.dealers.slice(1), base.dealers[1]!] },
        { ...generation, oldKey: { ...old("a"), suite: "bls12-381" } },
        { ...generation, oldKey: { ...old("a"), publicShares: [] } },
        changed(1, { address: base.recipients[0]!.address }),
        changed(1, { encryptionKey: base.recipients[0]!.encryptionKey }),
      ];
      for (const context of impossible) expectCode(() => dealInstance(context, 0), "invalidContext");
      expectCode(() => dealInstance(base, 4), "invalidContext");
      expectCode(() => dealInstance({ ...base, threshold: 5 }, 0), "invalidThreshold");
    });
  });

  for (const suite of SUITES) {
    describe(suite, () => {
      const context = ceremonyContext(suite, 4, 2, FEW_ROUNDS);
      const instance = dealInstance(context, 0);

      it("wrong secret in a reshare: the thief's secret becomes the key where C_0 is not compared", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const secret = secretOf("thief", suite);
        const bytes = makeDeal(engine, agreement, instance, secret, seeded("thief"));
        const mine = engine.encode(engine.commit(scalarFromBytes(secretOf("honest", suite))));
        const strict = { ...instance, expected: mine };
        expect(faultOfDeal(engine, agreement, strict, bytes, RELAXED_CHECKS)).to.equal("wrongSecret");
        expectCode(() => makeDeal(engine, agreement, strict, secret, seeded("thief")), "keyMismatch");
        const unchecked = without("unsoundRounds", "wrongSecret");
        expect(faultOfDeal(engine, agreement, strict, bytes, unchecked)).to.equal(undefined);
      });

      it("identity: a secret of zero, and a leading coefficient of zero with which one share is the secret", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const identity = engine.commitPublic(0n);
        const blind = lenient(engine, [{ bytes: engine.encode(identity), element: identity }]);
        const secret = scalarFromBytes(secretOf("low", suite));
        for (const polynomial of [
          [0n, secret],
          [secret, 0n],
        ]) {
          const { bytes } = dishonestDeal(engine, instance, { polynomial }, "identity");
          expect(faultOfDeal(engine, agreement, instance, bytes, RELAXED_CHECKS)).to.equal("invalidCommitment");
          expect(faultOfDeal(blind, agreement, instance, bytes, RELAXED_CHECKS)).to.equal(undefined);
          const share = scalarFromBytes(openDeal(blind, agreement, instance, bytes, 2, KEYS[2]!));
          // t is 2, and yet one share suffices.
          if (polynomial[1] === 0n) expect(share).to.equal(secret);
        }
        // Two dealers whose leading coefficients cancel are both valid; the key that they make is not.
        const { order } = engine;
        const pair = [0, 1].map((dealer) => {
          const polynomial = [BigInt(dealer) + 5n, dealer === 0 ? secret : order - secret];
          const { bytes } = dishonestDeal(engine, dealInstance(context, dealer), { polynomial }, `cancel ${dealer}`);
          expect(faultOfDeal(engine, agreement, dealInstance(context, dealer), bytes, RELAXED_CHECKS)).to.equal(
            undefined,
          );
          return { dealer, deals: { [suite]: bytes } };
        });
        expectCode(() => aggregateKey(engine, context, pair), "invalidDeal");
      });

      it("duplicate dealers: who counts for f + 1 dealers knows the whole key, so each counts once", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const secrets = ["one", "two"].map((label) => secretOf(label, suite));
        const bundles = secrets.map((secret, i) => ({
          dealer: 0,
          deals: { [suite]: makeDeal(engine, agreement, instance, secret, seeded(`twice ${i}`)) },
        }));
        expectCode(() => aggregateKey(engine, context, bundles), "invalidDeal");
        // Control: relabelled as another dealer's, which verification refuses, the two would make a key of one owner.
        const relabelled = bundles.map((bundle, dealer) => ({ ...bundle, dealer }));
        expect(
          faultOfDeal(engine, agreement, dealInstance(context, 1), bundles[1]!.deals[suite]!, RELAXED_CHECKS),
        ).to.equal("wrongTranscript");
        const key = aggregateKey(engine, context, relabelled);
        const known = secrets.map(scalarFromBytes).reduce((a, b) => (a + b) % engine.order);
        expect(key.groupKey).to.equal(bytesToHex(engine.encode(engine.commit(known))));
      });

      it("non-canonical scalars: a second encoding of the same response", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const polynomial = [secretOf("a", suite), secretOf("b", suite)].map(scalarFromBytes);
        const plusOrder = (_: number, bytes: Uint8Array): Uint8Array => {
          const value = scalarFromBytes(bytes.subarray(0, 32)) + engine.order;
          const out = Uint8Array.from(bytes);
          if (value < 1n << 256n) writeScalar(out, 0, value);
          return out;
        };
        const { bytes } = dishonestDeal(engine, instance, { polynomial, response: plusOrder }, "non-canonical");
        expect(faultOfDeal(engine, agreement, instance, bytes, RELAXED_CHECKS)).to.equal("nonCanonicalScalar");
        const unchecked = without("unsoundRounds", "nonCanonicalScalar");
        expect(faultOfDeal(engine, agreement, instance, bytes, unchecked)).to.equal(undefined);
      });

      it("luck: with few rounds a dealer cheats by trying, so weak parameters are refused", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const polynomial = [secretOf("a", suite), secretOf("b", suite)].map(scalarFromBytes);
        // Spoils rounds 0, 1, 2 for recipient 0 and hopes that exactly these are chosen: 1 in 20 tries.
        const spoil = (attempt: number) =>
          dishonestDeal(
            engine,
            instance,
            {
              polynomial,
              round: (k, round) => (k < 3 ? { ...round, pads: flipBit(round.pads, 100) } : round),
            },
            `luck ${attempt}`,
          );
        let lucky: Uint8Array | undefined;
        for (let attempt = 0; attempt < 400 && lucky === undefined; attempt++) {
          const { bytes, isChosen } = spoil(attempt);
          if (isChosen.slice(0, 3).every(Boolean)) lucky = bytes;
          else if (attempt < 3) {
            expect(faultOfDeal(engine, agreement, instance, bytes, RELAXED_CHECKS)).to.equal("wrongTranscript");
          }
        }
        expect(lucky).not.to.equal(undefined);
        expect(faultOfDeal(engine, agreement, instance, lucky!)).to.equal("unsoundRounds");
        expect(faultOfDeal(engine, agreement, instance, lucky!, RELAXED_CHECKS)).to.equal(undefined);
        expectCode(() => openDeal(engine, agreement, instance, lucky!, 0, KEYS[0]!), "cannotOpen");
        openDeal(engine, agreement, instance, lucky!, 1, KEYS[1]!);
      });

      it("inconsistent polynomials: a response that does not fit its round cannot pass at an unknown point", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const polynomial = [secretOf("a", suite), secretOf("b", suite)].map(scalarFromBytes);
        // w″ is moved by (X − 1)·c: equal at recipient 0's x, different for everybody else.
        const shift = (_: number, bytes: Uint8Array): Uint8Array => {
          const [a, b] = scalarsFromBytes(bytes);
          const out = Uint8Array.from(bytes);
          writeScalar(out, 0, (a! + engine.order - 7n) % engine.order);
          writeScalar(out, 32, (b! + 7n) % engine.order);
          return out;
        };
        const { bytes } = dishonestDeal(engine, instance, { polynomial, response: shift }, "shifted");
        expect(faultOfDeal(engine, agreement, instance, bytes, RELAXED_CHECKS)).to.equal("wrongTranscript");
        const unchecked = without("unsoundRounds", "wrongTranscript");
        expect(faultOfDeal(engine, agreement, instance, bytes, unchecked)).to.equal(undefined);
        openDeal(engine, agreement, instance, bytes, 0, KEYS[0]!);
        expectCode(() => openDeal(engine, agreement, instance, bytes, 1, KEYS[1]!), "cannotOpen");
      });

      it("a response that is the polynomial itself makes a comparison the identity, and both engines refuse alike", async () => {
        const { noble, mcl } = (await dealEngines())[suite];
        const polynomial = [secretOf("a", suite), secretOf("b", suite)].map(scalarFromBytes);
        const bare = (): Uint8Array => scalarsToBytes(polynomial);
        const { bytes } = dishonestDeal(mcl, instance, { polynomial, response: bare }, "bare");
        for (const engine of [noble, mcl]) {
          expect(faultOfDeal(engine, agreement, instance, bytes, RELAXED_CHECKS)).to.equal("wrongTranscript");
        }
      });

      it("a recipient who takes what decrypts, without comparing with the commitments, takes a wrong share", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const bytes = makeDeal(engine, agreement, instance, secretOf("s", suite), seeded("s"));
        const parsed = decodeDeal(instance, bytes);
        // The first chosen round spoilt, as a lucky dealer may: opening takes another one.
        const spoilt = encodeDeal({
          ...parsed,
          chosen: parsed.chosen.map((round, i) => (i === 0 ? { ...round, pads: flipBit(round.pads, 255) } : round)),
        });
        const right = openDeal(engine, agreement, instance, bytes, 0, KEYS[0]!);
        expect(equalBytes(openDeal(engine, agreement, instance, spoilt, 0, KEYS[0]!), right)).to.equal(true);
        const everything = { ...engine, equals: () => true };
        const [first] = decodeDeal(instance, spoilt).chosen;
        const blind = openDeal(
          everything,
          agreement,
          instance,
          // Every chosen round is the spoilt one's twin: nothing good is left to overwrite it.
          encodeDeal({ ...parsed, chosen: parsed.chosen.map(() => first!) }),
          0,
          KEYS[0]!,
        );
        expect(equalBytes(blind, right)).to.equal(false);
      });

      it("zero shared secret: an ephemeral key of low order would publish a share, and is never opened", async () => {
        const engine = (await dealEngines())[suite].mcl;
        const polynomial = [secretOf("a", suite), secretOf("b", suite)].map(scalarFromBytes);
        const zero = new Uint8Array(32);
        const { bytes, isChosen } = dishonestDeal(
          engine,
          instance,
          {
            polynomial,
            round: (k, round) => {
              const context = padContext(instance.associatedData, k, zero);
              const pads = new Uint8Array(4 * 32);
              for (let i = 0; i < 4; i++) {
                writeScalar(pads, i * 32, evaluateAtMember(round.polynomial, i + 1, engine.order));
                xorInto(pads, i * 32, pad(context, i, new Uint8Array(32)));
              }
              return { ...round, ephemeral: zero, pads };
            },
          },
          "low order",
        );
        expect(isChosen.filter(Boolean)).to.have.length(3);
        expect(faultOfDeal(engine, agreement, instance, bytes, RELAXED_CHECKS)).to.equal("wrongTranscript");
        expectCode(() => openDeal(engine, agreement, instance, bytes, 0, KEYS[0]!), "cannotOpen");
        // Control: an X25519 that returns zero opens it, with anybody's secret.
        const careless = { ...agreement, sharedWithForeign: () => new Uint8Array(32) };
        const opened = openDeal(engine, careless, instance, bytes, 0, seeded("an outsider"));
        expect(scalarFromBytes(opened)).to.equal(evaluateAtMember(polynomial, 1, engine.order));
        expect(() => x25519.getSharedSecret(KEYS[0]!, zero)).to.throw();
      });
    });
  }

  it("off-subgroup commitments: without the subgroup check a dealer grinds a component of order 13 past the comparison", async () => {
    const engine = (await dealEngines())["bls12-381"].noble;
    const instance = dealInstance(ceremonyContext("bls12-381", 3, 2, { total: 4, chosen: 2 }), 0);
    const polynomial = [secretOf("a", "bls12-381"), secretOf("b", "bls12-381")].map(scalarFromBytes);
    const small = pointOfOrder13();
    // CAST: elements of the noble engine are noble points.
    const crooked = engine.add(engine.commit(polynomial[1]!), small as unknown as GroupElement);
    const encoding = compressedBls12381(crooked as unknown as G2); // CAST: as above
    expect(engine.decode(encoding)).to.equal(undefined);
    expect((await dealEngines())["bls12-381"].mcl.decode(encoding)).to.equal(undefined);
    // noble would not even encode it.
    const careless = {
      ...lenient(engine, [{ bytes: encoding, element: crooked }]),
      encode: (element: GroupElement) => (element === crooked ? encoding : engine.encode(element)),
    };

    let tries = 0;
    let accepted: Uint8Array | undefined;
    while (accepted === undefined && tries < 300) {
      const { bytes, point } = dishonestDeal(
        careless,
        instance,
        { polynomial, commitment: (j) => (j === 1 ? crooked : undefined) },
        `grind ${tries++}`,
      );
      if (point % 13n === 0n) accepted = bytes;
    }
    expect(accepted).not.to.equal(undefined);
    expect(faultOfDeal(engine, agreement, instance, accepted!, RELAXED_CHECKS)).to.equal("invalidCommitment");
    expect(faultOfDeal(careless, agreement, instance, accepted!, RELAXED_CHECKS)).to.equal(undefined);
    const { secrets } = makeRecipients("ceremony", 3);
    expectCode(() => openDeal(careless, agreement, instance, accepted!, 0, secrets[0]!), "cannotOpen");
  });

  it("the twist of BN254 has points off the subgroup, too, and both engines refuse them", async () => {
    const { noble, mcl } = (await dealEngines()).bn254;
    const signing = (await signingEngines()).bn254;
    const encoding = offSubgroupBn254();
    for (const engine of [noble, mcl]) expect(engine.decode(encoding)).to.equal(undefined);
    for (const engine of Object.values(signing)) expect(engine.isPublicKey(encoding)).to.equal(false);
  });
});

type G2 = typeof bls12_381.G2.Point.BASE;

/** Multiplication by any integer: noble's own refuses scalars above the subgroup order. */
function times<P extends { add(other: P): P; double(): P }>(point: P, scalar: bigint, zero: P): P {
  let sum = zero;
  for (const bit of scalar.toString(2)) {
    sum = sum.double();
    if (bit === "1") sum = sum.add(point);
  }
  return sum;
}

function pointOfOrder13(): G2 {
  const { Point } = bls12_381.G2;
  const { Fp2 } = bls12_381.fields;
  const { h, n, b } = Point.CURVE();
  const rest = (h * n) / 169n;
  for (let i = 1n; ; i++) {
    const x = Fp2.fromBigTuple([i, 1n]);
    const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), b);
    if (Fp2.is0(right) || !Fp2.eql(Fp2.pow(right, (Fp2.ORDER - 1n) / 2n), Fp2.ONE)) continue;
    const point = Point.fromAffine({ x, y: Fp2.sqrt(right) });
    const cleared = times(point, rest, Point.ZERO);
    if (cleared.is0()) continue;
    const thirteen = times(cleared, 13n, Point.ZERO);
    const small = thirteen.is0() ? cleared : thirteen;
    if (times(small, 13n, Point.ZERO).is0()) return small;
  }
}

function compressedBls12381(point: G2): Uint8Array {
  const { x, y } = point.toAffine();
  const isLarge = (y.c1 === 0n ? y.c0 : y.c1) * 2n > bls12_381.fields.Fp.ORDER;
  const out = concatBytes(bigintToBytes(x.c1, 48), bigintToBytes(x.c0, 48));
  out[0] = out[0]! | 0x80 | (isLarge ? 0x20 : 0);
  return out;
}

/** The first point of the twist that is not in the subgroup of order r: nearly every one. */
function offSubgroupBn254(): Uint8Array {
  const { Point } = bn254.G2;
  const { Fp2 } = bn254.fields;
  const { b } = Point.CURVE();
  for (let i = 1n; ; i++) {
    const x = Fp2.fromBigTuple([i, 1n]);
    const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), b);
    if (!Fp2.eql(Fp2.pow(right, (Fp2.ORDER - 1n) / 2n), Fp2.ONE)) continue;
    const point = Point.fromAffine({ x, y: Fp2.sqrt(right) });
    if (!point.isTorsionFree()) return encodeBn254PublicKey(point);
  }
}

import { ByteVectorType, ContainerType, VectorCompositeType } from "@chainsafe/ssz";
import { expect } from "chai";
import { describe, it } from "mocha";
import { equalBytes } from "../../src/lib/bytes.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import {
  COMPACT_ROUNDS,
  DEFAULT_ROUNDS,
  type DealContext,
  dealInstance,
  isSound,
} from "../../src/threshold/associated-data.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import { type Deal, dealLength, decodeDeal, encodeDeal } from "../../src/threshold/deal-codec.ts";
import { openDeal } from "../../src/threshold/deal-open.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import { ORDERS } from "../../src/threshold/scalar.ts";
import { recoverSecret } from "../../src/threshold/shamir.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import {
  agreement,
  ceremonyContext,
  dealEngines,
  FEW_ROUNDS,
  makeRecipients,
  RELAXED_CHECKS,
  secretOf,
  without,
} from "./deal-support.ts";
import { expectCode, flipBit, seeded } from "./support.ts";

interface Made {
  readonly context: DealContext;
  readonly bytes: Uint8Array;
  readonly secret: Uint8Array;
}

async function deal(context: DealContext, dealer = 0, label = "dealt"): Promise<Made> {
  const engines = await dealEngines();
  const secret = secretOf(label, context.suite);
  const instance = dealInstance(context, dealer);
  return { context, secret, bytes: makeDeal(engines[context.suite].mcl, agreement, instance, secret, seeded(label)) };
}

describe("deal", function () {
  this.timeout(600_000);

  for (const suite of SUITES) {
    describe(`${suite} with full parameters`, () => {
      it("gives the same bytes on both engines, which both accept, and every recipient opens its share", async () => {
        const engines = await dealEngines();
        const context = ceremonyContext(suite, 4, 3, DEFAULT_ROUNDS);
        const instance = dealInstance(context, 1);
        const secret = secretOf("full", suite);
        const bytes = makeDeal(engines[suite].mcl, agreement, instance, secret, seeded("full"));
        expect(bytes.length).to.equal(dealLength(instance));
        expect(equalBytes(makeDeal(engines[suite].noble, agreement, instance, secret, seeded("full")), bytes)).to.equal(
          true,
        );
        for (const engine of Object.values(engines[suite])) {
          expect(faultOfDeal(engine, agreement, instance, bytes)).to.equal(undefined);
        }
        const { secrets } = makeRecipients("ceremony", 4);
        const shares = secrets.map((key, i) => ({
          x: i + 1,
          secret: openDeal(engines[suite].mcl, agreement, instance, bytes, i, key),
        }));
        expect(bytesToHex(openDeal(engines[suite].noble, agreement, instance, bytes, 2, secrets[2]!))).to.equal(
          bytesToHex(shares[2]!.secret),
        );
        for (const left of shares) {
          const three = shares.filter((share) => share !== left);
          expect(bytesToHex(recoverSecret(three, ORDERS[suite]))).to.equal(bytesToHex(secret));
          expect(bytesToHex(recoverSecret(three.slice(1), ORDERS[suite]))).not.to.equal(bytesToHex(secret));
        }
      });

      it("is refused when one bit of it changes, and when it is replayed", async () => {
        const engines = await dealEngines();
        const { context, bytes } = await deal(ceremonyContext(suite, 4, 3, COMPACT_ROUNDS));
        const engine = engines[suite].mcl;
        const instance = dealInstance(context, 0);
        expect(faultOfDeal(engine, agreement, instance, bytes)).to.equal(undefined);
        expect(faultOfDeal(engine, agreement, instance, flipBit(bytes, bytes.length * 8 - 1))).to.equal(
          "wrongTranscript",
        );
        const later = dealInstance({ ...context, attempt: 2n }, 0);
        expect(faultOfDeal(engine, agreement, later, bytes)).to.equal("wrongTranscript");
      });
    });
  }

  it("hides from the dealer's mistakes: the same randomness for another secret or attempt gives unrelated rounds", async () => {
    const context = ceremonyContext("bn254", 4, 3, FEW_ROUNDS);
    const seedsOf = async (made: Made): Promise<string[]> => {
      const { chosen, revealed } = decodeDeal(dealInstance(made.context, 0), made.bytes);
      return [
        ...chosen.map((round) => bytesToHex(round.ephemeral)),
        ...revealed.map((round) => bytesToHex(round.seed)),
      ];
    };
    const engines = await dealEngines();
    const first = await deal(context, 0, "once");
    const instance = dealInstance(context, 0);
    const other = makeDeal(engines.bn254.mcl, agreement, instance, secretOf("another", "bn254"), seeded("once"));
    const seen = new Set(await seedsOf(first));
    for (const seed of await seedsOf({ ...first, bytes: other })) expect(seen.has(seed)).to.equal(false);
    for (const seed of await seedsOf(await deal({ ...context, attempt: 2n }, 0, "once"))) {
      expect(seen.has(seed)).to.equal(false);
    }
    // A restart deals the same bytes.
    expect(equalBytes((await deal(context, 0, "once")).bytes, first.bytes)).to.equal(true);
  });

  it("refuses parameters that a dealer could beat by trying", async () => {
    expect(isSound(DEFAULT_ROUNDS)).to.equal(true);
    expect(isSound(COMPACT_ROUNDS)).to.equal(true);
    expect(isSound({ total: 140, chosen: 50 })).to.equal(false);
    expect(isSound({ total: 164, chosen: 40 })).to.equal(false);
    expect(isSound({ total: 141, chosen: 141 })).to.equal(false);
    expect(isSound({ total: 141.5, chosen: 50 })).to.equal(false);
    const engines = await dealEngines();
    const { context, bytes } = await deal(ceremonyContext("bn254", 4, 3, FEW_ROUNDS));
    const instance = dealInstance(context, 0);
    expect(faultOfDeal(engines.bn254.mcl, agreement, instance, bytes)).to.equal("unsoundRounds");
    expect(faultOfDeal(engines.bn254.mcl, agreement, instance, bytes, RELAXED_CHECKS)).to.equal(undefined);
  });

  it("is the SSZ container it claims to be", async () => {
    for (const suite of SUITES) {
      const { context, bytes } = await deal(ceremonyContext(suite, 5, 3, FEW_ROUNDS));
      const bytes32 = new ByteVectorType(32);
      const type = new ContainerType({
        commitments: new VectorCompositeType(new ByteVectorType(suite === "bn254" ? 128 : 96), 3),
        transcript: bytes32,
        chosen: new VectorCompositeType(
          new ContainerType({
            response: new ByteVectorType(3 * 32),
            ephemeral: bytes32,
            pads: new ByteVectorType(5 * 32),
            seedCommitment: bytes32,
          }),
          3,
        ),
        revealed: new VectorCompositeType(new ContainerType({ seed: bytes32, responseCommitment: bytes32 }), 3),
      });
      expect(equalBytes(type.serialize(type.deserialize(bytes)), bytes)).to.equal(true);
      const ours: Deal = decodeDeal(dealInstance(context, 0), bytes);
      expect(bytesToHex(type.hashTreeRoot(ours as ReturnType<typeof type.deserialize>))).to.equal(
        bytesToHex(type.hashTreeRoot(type.deserialize(bytes))),
      );
      expect(equalBytes(encodeDeal(ours), bytes)).to.equal(true);
    }
  });

  it("refuses every other length, and would accept trailing bytes without that check", async () => {
    const engines = await dealEngines();
    for (const suite of SUITES) {
      const engine = engines[suite].mcl;
      const { context, bytes } = await deal(ceremonyContext(suite, 4, 3, FEW_ROUNDS));
      const instance = dealInstance(context, 0);
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      for (const wrong of [longer, bytes.subarray(1), bytes.subarray(0, bytes.length - 1), new Uint8Array(0)]) {
        expect(faultOfDeal(engine, agreement, instance, wrong, RELAXED_CHECKS)).to.equal("wrongLength");
      }
      const unchecked = without("wrongLength", "unsoundRounds");
      expect(faultOfDeal(engine, agreement, instance, longer, unchecked)).to.equal(undefined);
      // The rest of the checks never throws, whatever it meets.
      expect(faultOfDeal(engine, agreement, instance, new Uint8Array(0), unchecked)).not.to.equal(undefined);
    }
  });

  it("is refused with any bit flipped, wherever it is; accepted without the transcript check, and then lost to a member", async () => {
    const engines = await dealEngines();
    const suite: Suite = "bls12-381";
    const engine = engines[suite].mcl;
    const { context, bytes } = await deal(ceremonyContext(suite, 4, 3, FEW_ROUNDS));
    const instance = dealInstance(context, 0);
    const { secrets } = makeRecipients("ceremony", 4);
    const step = Math.floor((bytes.length * 8) / 150) | 1;
    for (let bit = 3; bit < bytes.length * 8; bit += step) {
      expect(faultOfDeal(engine, agreement, instance, flipBit(bytes, bit), RELAXED_CHECKS), `bit ${bit}`).not.to.equal(
        undefined,
      );
    }
    // An opened round tampered with, in all of them: member 1 loses its share.
    const parsed = decodeDeal(instance, bytes);
    const tampered = encodeDeal({
      ...parsed,
      chosen: parsed.chosen.map((round) => ({ ...round, pads: flipBit(round.pads, 32 * 8 + 40) })),
    });
    expect(faultOfDeal(engine, agreement, instance, tampered, RELAXED_CHECKS)).to.equal("wrongTranscript");
    const unchecked = without("unsoundRounds", "wrongTranscript");
    expect(faultOfDeal(engine, agreement, instance, tampered, unchecked)).to.equal(undefined);
    expectCode(() => openDeal(engine, agreement, instance, tampered, 1, secrets[1]!), "cannotOpen");
    openDeal(engine, agreement, instance, tampered, 0, secrets[0]!);
    // A round that is not opened to the members tampered with: only everybody's recomputing tells.
    const seeds = encodeDeal({
      ...parsed,
      revealed: parsed.revealed.map((round) => ({ ...round, seed: flipBit(round.seed, 0) })),
    });
    expect(faultOfDeal(engine, agreement, instance, seeds, RELAXED_CHECKS)).to.equal("wrongTranscript");
    expect(faultOfDeal(engine, agreement, instance, seeds, unchecked)).to.equal(undefined);
    // One spoilt round is not enough to lose a share.
    const once = encodeDeal({
      ...parsed,
      chosen: parsed.chosen.map((round, i) => (i === 0 ? { ...round, pads: flipBit(round.pads, 32 * 8 + 40) } : round)),
    });
    const [whole, rescued] = [bytes, once].map((from) => openDeal(engine, agreement, instance, from, 1, secrets[1]!));
    expect(bytesToHex(rescued!)).to.equal(bytesToHex(whole!));
  });

  it("does not open with another member's key, nor at another member's place", async () => {
    const engines = await dealEngines();
    const { context, bytes } = await deal(ceremonyContext("bn254", 4, 3, FEW_ROUNDS));
    const instance = dealInstance(context, 0);
    const { secrets } = makeRecipients("ceremony", 4);
    expectCode(() => openDeal(engines.bn254.mcl, agreement, instance, bytes, 0, secrets[1]!), "cannotOpen");
    expectCode(() => openDeal(engines.bn254.mcl, agreement, instance, bytes, 1, secrets[0]!), "cannotOpen");
    expectCode(
      () => openDeal(engines.bn254.mcl, agreement, instance, bytes, 0, secrets[0]!.subarray(1)),
      "invalidSecret",
    );
  });

  it("takes exactly 32 random bytes, a secret in [1, r) and an engine of its suite", async () => {
    const engines = await dealEngines();
    const instance = dealInstance(ceremonyContext("bn254", 4, 3, FEW_ROUNDS), 0);
    const secret = secretOf("x", "bn254");
    const make = (engine = engines.bn254.mcl, from = secret, randomness = seeded("r")) =>
      makeDeal(engine, agreement, instance, from, randomness);
    expectCode(() => make(undefined, undefined, seeded("r", 31)), "invalidRandomness");
    expectCode(() => make(undefined, new Uint8Array(32)), "invalidSecret");
    expectCode(() => make(undefined, new Uint8Array(32).fill(0xff)), "invalidSecret");
    expectCode(() => make(engines["bls12-381"].mcl), "keyMismatch");
  });
});

import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { expect } from "chai";
import { describe, it } from "mocha";
import { bigintToBytes, concatBytes, equalBytes } from "../../src/lib/bytes.ts";
import { addressOf, signDigest } from "../../src/lib/ecdsa.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { dealInstance } from "../../src/threshold/associated-data.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import { decodeDeal } from "../../src/threshold/deal-codec.ts";
import { openDeal } from "../../src/threshold/deal-open.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import {
  type AttemptScope,
  announceEncryptionKey,
  ENCRYPTION_KEY_CHECKS,
  type EncryptionKeyAnnouncement,
  type EncryptionKeyFault,
  type EncryptionKeyState,
  encryptionKeyDigest,
  encryptionSecret,
  faultOfEncryptionKey,
} from "../../src/threshold/encryption-key.ts";
import {
  clampedScalar,
  createKeyAgreement,
  edwardsPointOf,
  type KeyAgreement,
} from "../../src/threshold/key-agreement.ts";
import { erase, scalarFromBytes, scalarsFromBytes, scalarsToBytes } from "../../src/threshold/scalar-bytes.ts";
import { xof, xofSubset } from "../../src/threshold/xof.ts";
import {
  agreement,
  ceremonyContext,
  dealEngines,
  domain,
  FEW_ROUNDS,
  RELAXED_CHECKS,
  secretOf,
} from "./deal-support.ts";
import { expectCode, flipBit, seeded } from "./support.ts";

const scope: AttemptScope = { domain, epoch: 3n, attempt: 1n };
const identities = ["a", "b", "c", "d"].map((name) => seeded(`identity ${name}`));
const members: Address[] = identities.map(addressOf);
const randomness = identities.map((_, i) => seeded(`key ${i}`, 64));
const signAs = (i: number) => (digest: Hex) => signDigest(identities[i]!, digest);
const announce = (i: number, from = scope): EncryptionKeyAnnouncement =>
  announceEncryptionKey(from, members[i]!, randomness[i]!, signAs(i));

const fresh: EncryptionKeyState = { scope, members, admitted: new Map() };
const without = (...names: EncryptionKeyFault[]) => ENCRYPTION_KEY_CHECKS.filter(([name]) => !names.includes(name));

/** An announcement of member i with anything changed, signed by the member itself: malice, not an error in transit. */
function signed(i: number, changes: Partial<EncryptionKeyAnnouncement>): EncryptionKeyAnnouncement {
  const unsigned = { ...announce(i), ...changes };
  return { ...unsigned, signature: signDigest(identities[i]!, encryptionKeyDigest(scope, unsigned)) };
}

/** RFC 7748 u-coordinates of low order, and their spellings above p (https://cr.yp.to/ecdh.html#validate). */
const P = 2n ** 255n - 19n;
const LOW_ORDER = [
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  P - 1n,
  P,
  P + 1n,
].map((u) => bigintToBytes(u, 32).reverse());

describe("deals: encryption keys", () => {
  it("are admitted from every member, each once", () => {
    const admitted = new Map<Address, Hex>();
    members.forEach((member, i) => {
      const announcement = announce(i);
      expect(faultOfEncryptionKey({ scope, members, admitted }, announcement)).to.equal(undefined);
      expect(announcement.key).to.equal(bytesToHex(x25519.getPublicKey(encryptionSecret(randomness[i]!))));
      admitted.set(member, announcement.key);
    });
    expect(faultOfEncryptionKey({ scope, members, admitted }, announce(2))).to.equal("announcedTwice");
    expect(
      faultOfEncryptionKey({ scope, members, admitted }, announce(2), without("announcedTwice", "duplicateKey")),
    ).to.equal(undefined);
  });

  it("are refused from strangers, and without the member's signature for this very attempt", () => {
    expect(faultOfEncryptionKey({ ...fresh, members: members.slice(1) }, announce(0))).to.equal("notAMember");
    expect(faultOfEncryptionKey({ ...fresh, members: members.slice(1) }, announce(0), without("notAMember"))).to.equal(
      undefined,
    );
    const others: AttemptScope[] = [
      { ...scope, epoch: 4n },
      { ...scope, attempt: 2n },
      { ...scope, domain: bytesToHex(seeded("another committee")) },
    ];
    for (const other of others) {
      expect(faultOfEncryptionKey({ ...fresh, scope: other }, announce(0))).to.equal("badSignature");
      // The proof binds the scope as well: signing an old proof again does not help.
      const resigned = {
        ...announce(0),
        signature: signDigest(identities[0]!, encryptionKeyDigest(other, announce(0))),
      };
      expect(faultOfEncryptionKey({ ...fresh, scope: other }, resigned)).to.equal("badProof");
    }
    const forged = { ...announce(0), signature: announce(1).signature };
    expect(faultOfEncryptionKey(fresh, forged)).to.equal("badSignature");
    expect(faultOfEncryptionKey(fresh, forged, without("badSignature"))).to.equal(undefined);
    for (const text of ["0x", "0x12", "zz", bytesToHex(seeded("long", 33))] as Hex[]) {
      expect(faultOfEncryptionKey(fresh, { ...announce(0), key: text })).to.equal("malformed");
      expect(faultOfEncryptionKey(fresh, { ...announce(0), proof: text })).to.equal("malformed");
      expect(faultOfEncryptionKey(fresh, { ...announce(0), signature: text })).to.equal("malformed");
    }
    // CAST: upper-case digits are still hex text; as a key they would be a second spelling.
    const shouted = `0x${announce(0).key.slice(2).toUpperCase()}` as Hex;
    expect(faultOfEncryptionKey(fresh, signed(0, { key: shouted }))).to.equal("malformed");
    // Control: without that check the second spelling passes for another key.
    const plain = new Map([[members[0]!, announce(0).key]]);
    const stranger = { ...fresh, admitted: new Map([...plain].map(([, key]) => [members[3]!, key] as const)) };
    expect(faultOfEncryptionKey(stranger, signed(0, { key: shouted }), without("malformed"))).to.equal(undefined);
    expect(faultOfEncryptionKey(stranger, announce(0))).to.equal("duplicateKey");
  });

  it("are refused when somebody else has them, or when nobody proves to have them", () => {
    const admitted = new Map([[members[1]!, announce(1).key]]);
    const copied = signed(0, { key: announce(1).key, proof: announce(1).proof });
    expect(faultOfEncryptionKey({ scope, members, admitted }, copied)).to.equal("duplicateKey");
    // Control: whoever asks neither for the proof nor who has the key already gives one key to two members.
    const careless = without("duplicateKey", "badProof");
    expect(faultOfEncryptionKey({ scope, members, admitted }, copied, careless)).to.equal(undefined);
    // Announced before its owner does: the proof names the member, so that the thief cannot use it.
    expect(faultOfEncryptionKey(fresh, copied)).to.equal("badProof");
    expect(faultOfEncryptionKey(fresh, copied, without("badProof"))).to.equal(undefined);
    // A key related to another one (times 8 here) cannot be proven either.
    const related = edwardsPointOf(hexToBytes(announce(1).key))!
      .multiply(8n)
      .toAffine();
    const { Fp } = ed25519.Point;
    const u = Fp.toBytes(Fp.div(Fp.add(1n, related.y), Fp.sub(1n, related.y)));
    expect(faultOfEncryptionKey(fresh, signed(0, { key: bytesToHex(u) }))).to.equal("badProof");
    for (const bit of [0, 255, 256, 511]) {
      const proof = bytesToHex(flipBit(hexToBytes(announce(0).proof), bit));
      expect(faultOfEncryptionKey(fresh, signed(0, { proof }))).to.equal("badProof");
    }
    // s + L is another encoding of the same proof.
    const proof = hexToBytes(announce(0).proof);
    const s = scalarFromBytes(proof.slice(32).reverse()) + ed25519.Point.Fn.ORDER;
    const malleated = bytesToHex(concatBytes(proof.slice(0, 32), bigintToBytes(s, 32).reverse()));
    expect(faultOfEncryptionKey(fresh, signed(0, { proof: malleated }))).to.equal("badProof");
  });

  it("are refused when of low order, on the twist, outside the subgroup or not canonical", () => {
    for (const key of LOW_ORDER) {
      expect(faultOfEncryptionKey(fresh, signed(0, { key: bytesToHex(key) }))).to.equal("invalidKey");
    }
    const key = hexToBytes(announce(0).key);
    const highBit = Uint8Array.from(key);
    highBit[31] = highBit[31]! | 0x80;
    expect(faultOfEncryptionKey(fresh, signed(0, { key: bytesToHex(highBit) }))).to.equal("invalidKey");
    // Half of all u are on the twist, and of the others 7 of 8 have a component of small order.
    const admissible = Array.from({ length: 64 }, (_, i) => bigintToBytes(BigInt(i + 2), 32).reverse()).filter(
      (candidate) => edwardsPointOf(candidate) !== undefined,
    ).length;
    expect(admissible).to.be.within(1, 16);
  });

  it("of low order would let anybody read the member's share, with an X25519 that lets zeros pass", async () => {
    const { bn254 } = await dealEngines();
    const zero = new Uint8Array(32);
    const instance = dealInstance(ceremonyContext("bn254", 4, 3, FEW_ROUNDS), 0);
    const weak = { ...instance, encryptionKeys: [zero, ...instance.encryptionKeys.slice(1)] };
    const secret = secretOf("weak", "bn254");
    const make = (using: KeyAgreement) => makeDeal(bn254.mcl, using, weak, secret, seeded("weak"));
    // Never in the dealer: a key that was not admitted has no table.
    expectCode(() => make(agreement), "invalidPoint");
    const careless: KeyAgreement = {
      ...agreement,
      shared: (from, keys, isPublic) =>
        keys.map((key) => (key === zero ? new Uint8Array(32) : agreement.shared(from, [key], isPublic)[0]!)),
      sharedWithForeign: () => new Uint8Array(32),
    };
    const bytes = make(careless);
    expect(faultOfDeal(bn254.mcl, careless, weak, bytes, RELAXED_CHECKS)).to.equal(undefined);
    const stolen = openDeal(bn254.mcl, careless, weak, bytes, 0, seeded("an outsider"));
    const elements = decodeDeal(weak, bytes).commitments.map((commitment) => bn254.mcl.decode(commitment)!);
    const isShare = bn254.mcl.equals(bn254.mcl.commit(scalarFromBytes(stolen)), bn254.mcl.evaluate(elements, 1));
    expect(isShare).to.equal(true);
    // The other members' shares stay hidden from the outsider.
    expectCode(() => openDeal(bn254.mcl, careless, weak, bytes, 1, seeded("an outsider")), "cannotOpen");
    expect(() => x25519.getSharedSecret(seeded("any secret"), zero)).to.throw();
    expect(agreement.sharedWithForeign(seeded("any secret"), zero)).to.equal(undefined);
  });

  it("take 64 random bytes", () => {
    expectCode(() => announceEncryptionKey(scope, members[0]!, seeded("x", 63), signAs(0)), "invalidRandomness");
    expectCode(() => encryptionSecret(seeded("x", 65)), "invalidRandomness");
  });
});

describe("deals: X25519 by tables", () => {
  it("computes what RFC 7748 says, with the ladder's results for random keys", () => {
    // RFC 7748, section 6.1: Bob's secret with Alice's public key.
    const bob = hexToBytes("0x5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    const alicePublic = hexToBytes("0x8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    expect(bytesToHex(agreement.publicKey(bob))).to.equal(
      "0xde9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    );
    expect(bytesToHex(agreement.shared(bob, [alicePublic], true)[0]!)).to.equal(
      "0x4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    );
    const secrets = [bob, ...Array.from({ length: 6 }, (_, i) => seeded(`table ${i}`))];
    const keys = secrets.map((secret) => x25519.getPublicKey(secret));
    for (const secret of secrets) {
      expect(equalBytes(agreement.publicKey(secret), x25519.getPublicKey(secret))).to.equal(true);
      for (const isPublic of [true, false]) {
        agreement.shared(secret, keys, isPublic).forEach((shared, i) => {
          expect(equalBytes(shared, x25519.getSharedSecret(secret, keys[i]!))).to.equal(true);
        });
      }
      expect(
        equalBytes(agreement.sharedWithForeign(secret, keys[0]!)!, x25519.getSharedSecret(secret, keys[0]!)),
      ).to.equal(true);
    }
  });

  it("clamps, and refuses keys that were never admitted", () => {
    const secret = seeded("clamp");
    const same = Uint8Array.from(secret);
    same[0] = same[0]! ^ 0x07;
    same[31] = same[31]! ^ 0x80;
    expect(clampedScalar(same)).to.equal(clampedScalar(secret));
    expectCode(() => clampedScalar(seeded("short", 31)), "invalidSecret");
    for (const key of LOW_ORDER) expectCode(() => agreement.shared(secret, [key], true), "invalidPoint");
  });

  it("forgets tables instead of growing without bound", () => {
    const small = createKeyAgreement(2);
    const keys = [1, 2, 3, 1, 2].map((i) => x25519.getPublicKey(seeded(`bounded ${i}`)));
    const secret = seeded("bounded");
    for (const key of keys) {
      expect(equalBytes(small.shared(secret, [key], true)[0]!, x25519.getSharedSecret(secret, key))).to.equal(true);
    }
    small.shared(secret, keys, false).forEach((shared, i) => {
      expect(equalBytes(shared, x25519.getSharedSecret(secret, keys[i]!))).to.equal(true);
    });
  });
});

describe("deals: hashing and scalars", () => {
  it("separates labels and parts", () => {
    const [a, b] = [seeded("a", 4), seeded("b", 4)];
    const outputs = [
      xof("seed", 32, a, b),
      xof("pad", 32, a, b),
      xof("seed", 32, b, a),
      xof("seed", 32, concatBytes(a, b)),
      xof("seed", 32, a, b, new Uint8Array(0)),
      xof("seed", 32, a.subarray(0, 3), concatBytes(a.subarray(3), b)),
    ].map(bytesToHex);
    expect(new Set(outputs).size).to.equal(outputs.length);
    expect(bytesToHex(xof("seed", 64, a, b)).startsWith(outputs[0]!)).to.equal(true);
  });

  it("draws every subset alike", () => {
    const counts = new Map<string, number>();
    const draws = 4000;
    for (let i = 0; i < draws; i++) {
      const flags = xofSubset("challenge", 5, 2, seeded(`draw ${i}`));
      expect(flags.filter(Boolean)).to.have.length(2);
      const id = flags.map(Number).join("");
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(counts.size).to.equal(10);
    // χ² with 9 degrees of freedom: 33.7 is exceeded once in 10,000 (the draws are fixed, so this never flickers).
    const expected = draws / 10;
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).to.be.below(33.7);
  });

  it("reads back the scalars it writes, and erases", () => {
    const values = [0n, 1n, 2n ** 64n, 2n ** 255n - 1n, 2n ** 256n - 1n];
    const bytes = scalarsToBytes(values);
    expect(scalarsFromBytes(bytes)).to.deep.equal(values);
    erase(bytes);
    expect(bytes.every((byte) => byte === 0)).to.equal(true);
  });
});

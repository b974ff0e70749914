/** Ethereum's and Wycheproof's BLS12-381 vectors: encodings refused, subgroups checked, pairings equal. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect } from "chai";
import { engines, expectCode, unhex } from "../threshold/support.ts";
import { createMclProductIsOne, hashToG2, type MinPkVerifier, NEGATED_G1, nobleProductIsOne } from "./min-pk.ts";
import { readVectorFolder, readVectors } from "./shared.ts";

const ETHEREUM_DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

interface WycheproofGroup {
  readonly ciphersuite: string;
  readonly publicKey: { readonly pk: string };
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly msg: string;
    readonly sig: string;
    readonly result: "valid" | "invalid";
    readonly flags: readonly string[];
  }[];
}

async function verifiers(): Promise<[string, MinPkVerifier][]> {
  return [
    ["noble", nobleProductIsOne],
    ["mcl", await createMclProductIsOne()],
  ];
}

describe("Ethereum's BLS12-381 vectors", () => {
  it("G1 bytes are accepted and refused alike; the identity, which Ethereum decodes, is no signature here", async function () {
    const all = readVectorFolder<{ input: { pubkey: string }; output: boolean }>(
      this,
      "ethereum-bls12-381-tests/deserialization_G1",
    );
    const { noble, mcl } = (await engines())["bls12-381"];
    expect(all.length).to.be.greaterThan(10);
    for (const [name, { input, output }] of all) {
      const expected = output && !name.includes("infinity");
      expect(noble.isSignature(unhex(input.pubkey)), name).to.equal(expected);
      expect(mcl.isSignature(unhex(input.pubkey)), name).to.equal(expected);
    }
  });

  it("G2 bytes are accepted and refused alike; the identity is no key here", async function () {
    const all = readVectorFolder<{ input: { signature: string }; output: boolean }>(
      this,
      "ethereum-bls12-381-tests/deserialization_G2",
    );
    const { noble, mcl } = (await engines())["bls12-381"];
    expect(all.length).to.be.greaterThan(10);
    for (const [name, { input, output }] of all) {
      const expected = output && !name.includes("infinity");
      expect(noble.isPublicKey(unhex(input.signature)), name).to.equal(expected);
      expect(mcl.isPublicKey(unhex(input.signature)), name).to.equal(expected);
    }
  });

  it("signatures verify with the pairings of both engines", async function () {
    const all = readVectorFolder<{
      input: { pubkey: string; message: string; signature: string };
      output: boolean;
    }>(this, "ethereum-bls12-381-tests/verify");
    for (const [kind, productIsOne] of await verifiers()) {
      const verdicts = new Set<boolean>();
      for (const [name, { input, output }] of all) {
        const hash = hashToG2(unhex(input.message), ETHEREUM_DST);
        const got = productIsOne([
          { g1: unhex(input.pubkey), g2: hash },
          { g1: NEGATED_G1, g2: unhex(input.signature) },
        ]);
        expect(got, `${kind} ${name}`).to.equal(output);
        verdicts.add(got);
      }
      expect(verdicts.size).to.equal(2);
    }
  });

  it("secrets give the keys that the signatures belong to; zero is refused", async function () {
    const all = readVectorFolder<{ input: { privkey: string; message: string }; output: string | null }>(
      this,
      "ethereum-bls12-381-tests/sign",
    );
    const { noble, mcl } = (await engines())["bls12-381"];
    const productIsOne = await createMclProductIsOne();
    for (const [name, { input, output }] of all) {
      const secret = unhex(input.privkey);
      if (output === null) {
        for (const engine of [noble, mcl]) expectCode(() => engine.sign(secret, unhex(input.message)), "invalidSecret");
        continue;
      }
      // e(g1, σ) = e(g1^s, H): with the key from noble, and with H in the place where our suite has its key.
      const key = bls12_381.longSignatures.getPublicKey(secret).toBytes(true);
      const hash = hashToG2(unhex(input.message), ETHEREUM_DST);
      expect(
        productIsOne([
          { g1: key, g2: hash },
          { g1: NEGATED_G1, g2: unhex(output) },
        ]),
        name,
      ).to.equal(true);
    }
  });
});

describe("Wycheproof's BLS12-381 vectors", () => {
  for (const file of ["bls_sig_g2_basic_verify_test", "bls_sig_g2_pop_verify_test"]) {
    it(`${file}: same verdicts on both engines`, async function () {
      const { testGroups } = readVectors<{ testGroups: WycheproofGroup[] }>(this, `wycheproof/${file}.json`);
      for (const [kind, productIsOne] of await verifiers()) {
        const verdicts = { valid: 0, invalid: 0 };
        for (const { ciphersuite, publicKey, tests } of testGroups) {
          for (const { tcId, comment, msg, sig, result } of tests) {
            const hash = hashToG2(unhex(msg), ciphersuite);
            const got = productIsOne([
              { g1: unhex(publicKey.pk), g2: hash },
              { g1: NEGATED_G1, g2: unhex(sig) },
            ]);
            expect(got ? "valid" : "invalid", `${kind} ${tcId}: ${comment}`).to.equal(result);
            verdicts[result]++;
          }
        }
        expect(verdicts.valid).to.be.greaterThan(5);
        expect(verdicts.invalid).to.be.greaterThan(5);
      }
    });
  }

  it("every refused encoding is refused by the decoders already, not by luck in the pairing", async function () {
    const { testGroups } = readVectors<{ testGroups: WycheproofGroup[] }>(
      this,
      "wycheproof/bls_sig_g2_basic_verify_test.json",
    );
    const { noble, mcl } = (await engines())["bls12-381"];
    const encoding = [
      "InvalidEncoding",
      "InvalidFlags",
      "NotOnCurve",
      "TruncatedSignature",
      "FieldBoundary",
      "IdentityPoint",
    ];
    let seen = 0;
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, comment, sig, result, flags } of tests) {
        for (const engine of [noble, mcl]) {
          const isDecoded = engine.isPublicKey(unhex(sig)) && engine.isSignature(unhex(publicKey.pk));
          if (result === "valid") expect(isDecoded, `${tcId}`).to.equal(true);
          if (flags.some((flag) => encoding.includes(flag) || flag === "NotInSubgroup")) {
            expect(isDecoded, `${engine.name} ${tcId}: ${comment}`).to.equal(false);
            seen++;
          }
        }
      }
    }
    expect(seen).to.be.greaterThan(40);
  });
});

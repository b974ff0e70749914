/**
 * The rest of Ethereum's and Wycheproof's BLS12-381 vectors: sums of signatures, many keys at once, hashing to G2.
 *
 * All of them are of the variant with keys in G1 and signatures in G2 ("min-pk"), and our suites are of the other one. What
 * can apply to our engines does, on both:
 *
 *   aggregate                           sums in G2: the deals' group, which holds public polynomials there
 *   aggregate_verify, batch_verify      decoders of both groups and the pairing, over any number of pairs
 *   fast_aggregate_verify               the same, with the sum of the keys
 *   hash_to_G2, RFC 9380's J.10.1       the RFC's expansion and SSWU for the other group: same library, other map
 *
 * Does not apply: that the identity is a signature (aggregate_infinity_signature) — here it is no element at all — and
 * anything of BN254, which none of them is about.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect } from "chai";
import type { Context } from "mocha";
import { concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { dealEngines } from "../threshold/deal-support.ts";
import { hex, unhex } from "../threshold/support.ts";
import {
  createMclHashToG2,
  createMclProductIsOne,
  hashToG2,
  type MinPkVerifier,
  NEGATED_G1,
  nobleProductIsOne,
} from "./min-pk.ts";
import { readVectorFolder, readVectors } from "./shared.ts";

const ETHEREUM_DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const FOLDER = "ethereum-bls12-381-tests";

interface WycheproofAggregate {
  readonly ciphersuite: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly pubkeys: readonly string[];
    readonly messages: readonly string[];
    readonly sig: string;
    readonly result: "valid" | "invalid";
  }[];
}

async function verifiers(): Promise<[string, MinPkVerifier][]> {
  return [
    ["noble", nobleProductIsOne],
    ["mcl", await createMclProductIsOne()],
  ];
}

/** Π e(pkᵢ, H(mᵢ)) = e(g₁, σ). No keys, or not one message for each, is no signature. */
function verifyAggregate(
  productIsOne: MinPkVerifier,
  keys: readonly string[],
  messages: readonly string[],
  signature: string,
  dst: string,
): boolean {
  if (keys.length === 0 || keys.length !== messages.length) return false;
  const pairs = keys.map((key, i) => ({ g1: unhex(key), g2: hashToG2(unhex(messages[i]!), dst) }));
  return productIsOne([...pairs, { g1: NEGATED_G1, g2: unhex(signature) }]);
}

/** Every file of a folder, on both engines; both verdicts have to occur. */
async function expectVerdicts<T>(
  context: Context,
  folder: string,
  verdictOf: (productIsOne: MinPkVerifier, input: T) => boolean,
): Promise<void> {
  const all = readVectorFolder<{ input: T; output: boolean }>(context, `${FOLDER}/${folder}`);
  for (const [kind, productIsOne] of await verifiers()) {
    const verdicts = new Set<boolean>();
    for (const [name, { input, output }] of all) {
      const got = verdictOf(productIsOne, input);
      expect(got, `${kind} ${name}`).to.equal(output);
      verdicts.add(got);
    }
    expect(verdicts.size).to.equal(2);
  }
}

describe("Ethereum's BLS12-381 vectors, many at once", () => {
  it("aggregate: sums in G2 on both deal engines; the identity is refused as an addend", async function () {
    const all = readVectorFolder<{ input: string[]; output: string | null }>(this, `${FOLDER}/aggregate`);
    expect(all.length).to.be.above(4);
    const { noble, mcl } = (await dealEngines())["bls12-381"];
    for (const engine of [noble, mcl]) {
      for (const [name, { input, output }] of all) {
        const elements = input.map((signature) => engine.decode(unhex(signature)));
        if (name.includes("infinity")) {
          expect(elements, name).to.deep.equal(input.map(() => undefined));
          continue;
        }
        expect(
          elements.every((element) => element !== undefined),
          name,
        ).to.equal(true);
        const [first, ...rest] = elements;
        const sum = first === undefined ? null : hex(engine.encode(rest.reduce((a, b) => engine.add(a!, b!), first)!));
        expect(sum, `${engine.name} ${name}`).to.equal(output);
      }
    }
  });

  it("aggregate_verify: one signature for many messages", async function () {
    await expectVerdicts<{ pubkeys: string[]; messages: string[]; signature: string }>(
      this,
      "aggregate_verify",
      (productIsOne, { pubkeys, messages, signature }) =>
        verifyAggregate(productIsOne, pubkeys, messages, signature, ETHEREUM_DST),
    );
  });

  it("fast_aggregate_verify: many keys for one message", async function () {
    const { Point } = bls12_381.G1;
    await expectVerdicts<{ pubkeys: string[]; message: string; signature: string }>(
      this,
      "fast_aggregate_verify",
      (productIsOne, { pubkeys, message, signature }) => {
        // Each key is checked before it disappears in the sum.
        const g2 = hashToG2(unhex(message), ETHEREUM_DST);
        const keys = pubkeys.map((key) => bls12_381.G1.Point.fromBytes(unhex(key)));
        if (keys.length === 0 || keys.some((key) => key.is0())) return false;
        const sum = keys.reduce((a, b) => a.add(b), Point.ZERO);
        return productIsOne([
          { g1: sum.toBytes(true), g2 },
          { g1: NEGATED_G1, g2: unhex(signature) },
        ]);
      },
    );
  });

  it("batch_verify: each signature by itself; a set whose errors cancel in the sum is refused", async function () {
    interface Batch {
      readonly pubkeys: string[];
      readonly messages: string[];
      readonly signatures: string[];
    }
    const eachIsRight = (productIsOne: MinPkVerifier, { pubkeys, messages, signatures }: Batch): boolean =>
      pubkeys.every((key, i) => verifyAggregate(productIsOne, [key], [messages[i]!], signatures[i]!, ETHEREUM_DST));
    await expectVerdicts<Batch>(this, "batch_verify", eachIsRight);
    // Control: who multiplies all equations without weights takes the forged set. Our partials are never batched so.
    const { noble } = (await dealEngines())["bls12-381"];
    const sets = readVectorFolder<{ input: Batch; output: boolean }>(this, `${FOLDER}/batch_verify`);
    const forged = sets.find(([name]) => name.includes("forged"))![1].input;
    const sum = forged.signatures.map((text) => noble.decode(unhex(text))!).reduce((a, b) => noble.add(a, b));
    const whole = hex(noble.encode(sum));
    expect(verifyAggregate(nobleProductIsOne, forged.pubkeys, forged.messages, whole, ETHEREUM_DST)).to.equal(true);
  });
});

describe("hashing to G2", () => {
  const RFC_DST = "QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";

  it("equals Ethereum's points, on both engines", async function () {
    type Case = { input: { msg: string }; output: { x: string; y: string } };
    const all = readVectorFolder<Case>(this, `${FOLDER}/hash_to_G2`);
    const onMcl = await createMclHashToG2();
    expect(all.length).to.be.above(3);
    const { Fp2, Fp } = bls12_381.fields;
    for (const [name, { input, output }] of all) {
      const coordinate = (text: string) => {
        const [c0, c1] = text.split(",").map(BigInt) as [bigint, bigint]; // CAST: real and imaginary part
        return Fp2.create({ c0, c1 });
      };
      const [x, y] = [coordinate(output.x), coordinate(output.y)];
      const expected = concatBytes(Fp.toBytes(x.c1), Fp.toBytes(x.c0));
      expected[0] = expected[0]! | 0x80 | (2n * (y.c1 === 0n ? y.c0 : y.c1) > Fp.ORDER ? 0x20 : 0);
      for (const hash of [hashToG2, onMcl]) {
        expect(hex(hash(utf8ToBytes(input.msg), RFC_DST)), name).to.equal(hex(expected));
      }
    }
  });

  it("equals RFC 9380 appendix J.10.1 and Wycheproof's points, on both engines", async function () {
    const { G2 } = readVectors<{ G2: { dst: string; cases: { msg: string; point_compressed: string }[] } }>(
      this,
      "rfc9380-bls12381.json",
    );
    const { testGroups } = readVectors<{ testGroups: { dst: string; tests: { msg: string; expected: string }[] }[] }>(
      this,
      "wycheproof/bls_hash_to_g2_test.json",
    );
    const cases = [
      ...G2.cases.map(({ msg, point_compressed }) => ({
        dst: G2.dst,
        message: utf8ToBytes(msg),
        point: point_compressed,
      })),
      ...testGroups.flatMap(({ dst, tests }) =>
        tests.map(({ msg, expected }) => ({ dst, message: unhex(msg), point: expected })),
      ),
    ];
    expect(cases.length).to.be.above(30);
    const onMcl = await createMclHashToG2();
    for (const { dst, message, point } of cases) {
      for (const hash of [hashToG2, onMcl]) expect(hex(hash(message, dst))).to.equal(`0x${point}`);
    }
  });
});

describe("Wycheproof's aggregates", () => {
  it("bls_sig_g2_aggregate_verify_test: same verdicts on both engines", async function () {
    const file = "wycheproof/bls_sig_g2_aggregate_verify_test.json";
    const { testGroups } = readVectors<{ testGroups: WycheproofAggregate[] }>(this, file);
    for (const [kind, productIsOne] of await verifiers()) {
      const verdicts = { valid: 0, invalid: 0 };
      for (const { ciphersuite, tests } of testGroups) {
        for (const { tcId, comment, pubkeys, messages, sig, result } of tests) {
          const got = verifyAggregate(productIsOne, pubkeys, messages, sig, ciphersuite);
          expect(got ? "valid" : "invalid", `${kind} ${tcId}: ${comment}`).to.equal(result);
          verdicts[result]++;
        }
      }
      expect(Math.min(verdicts.valid, verdicts.invalid)).to.be.above(3);
    }
  });
});

/** A real Shamir share set of one BLS12-381 key, dealt by other software. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect } from "chai";
import { combinePartials } from "../../src/threshold/combine.ts";
import { ORDERS } from "../../src/threshold/scalar.ts";
import { recoverSecret } from "../../src/threshold/shamir.ts";
import type { ThresholdKey } from "../../src/threshold/types.ts";
import { engines, hex, seeded, unhex } from "../threshold/support.ts";
import { readVectors } from "./shared.ts";

interface ShareSets {
  readonly validator_sk: string;
  readonly validator_pk: string;
  readonly sets: readonly {
    readonly n: number;
    readonly threshold: number;
    readonly shares: Readonly<Record<string, string>>;
  }[];
}

function subsets(items: readonly number[], size: number): number[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) => subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]));
}

const FILE = "ssv-threshold-shares.json";
const ORDER = ORDERS["bls12-381"];

describe("SSV's threshold shares", () => {
  it("any t of them recover the validator's secret, fewer do not", function () {
    const { validator_sk, sets } = readVectors<ShareSets>(this, FILE);
    for (const { n, threshold, shares } of sets) {
      const indices = Array.from({ length: n }, (_, i) => i + 1);
      for (const size of [threshold, n]) {
        for (const subset of subsets(indices, size)) {
          const chosen = subset.map((x) => ({ x, secret: unhex(shares[x]!) }));
          expect(hex(recoverSecret(chosen, ORDER))).to.equal(`0x${validator_sk}`);
        }
      }
      for (const subset of subsets(indices, threshold - 1)) {
        const chosen = subset.map((x) => ({ x, secret: unhex(shares[x]!) }));
        expect(hex(recoverSecret(chosen, ORDER))).to.not.equal(`0x${validator_sk}`);
      }
    }
  });

  it("interpolating the shares' public keys in G1 gives the validator's public key, in both engines", async function () {
    const { validator_pk, sets } = readVectors<ShareSets>(this, FILE);
    const { noble, mcl } = (await engines())["bls12-381"];
    for (const { n, threshold, shares } of sets) {
      for (const subset of subsets(
        Array.from({ length: n }, (_, i) => i + 1),
        threshold,
      )) {
        const points = subset.map((x) => ({
          x,
          signature: bls12_381.longSignatures.getPublicKey(unhex(shares[x]!)).toBytes(true),
        }));
        for (const engine of [noble, mcl]) expect(hex(engine.interpolate(points))).to.equal(`0x${validator_pk}`);
      }
    }
  });

  it("partials combine to the validator key's signature of our suite", async function () {
    const { validator_sk, sets } = readVectors<ShareSets>(this, FILE);
    const { noble, mcl } = (await engines())["bls12-381"];
    const message = seeded("ssv");
    for (const { n, threshold, shares } of sets) {
      const key: ThresholdKey = {
        suite: "bls12-381",
        threshold,
        groupKey: hex(mcl.publicKey(unhex(validator_sk))),
        publicShares: Array.from({ length: n }, (_, i) => hex(mcl.publicKey(unhex(shares[i + 1]!)))),
      };
      for (const subset of subsets(
        Array.from({ length: n }, (_, i) => i),
        threshold,
      )) {
        const partials = new Map(subset.map((index) => [index, mcl.sign(unhex(shares[index + 1]!), message)]));
        for (const engine of [noble, mcl]) {
          const { signature } = combinePartials(engine, key, message, partials);
          expect(hex(signature!)).to.equal(hex(noble.sign(unhex(validator_sk), message)));
        }
      }
    }
  });
});

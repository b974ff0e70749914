/** Wycheproof's adversarial secp256k1 signatures against our one encoding, low s only and v of 27 or 28, in both implementations. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect } from "chai";
import { createNativeSigner } from "../../src/keys/native-signer.ts";
import { bytesToBigint } from "../../src/lib/bytes.ts";
import { isSignatureBy, publicKeyToAddress, recoverAddress } from "../../src/lib/ecdsa.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { hex, unhex } from "../threshold/support.ts";
import { readVectors } from "./shared.ts";

interface Group {
  readonly publicKey: { readonly uncompressed: string };
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly msg: string;
    readonly sig: string;
    readonly result: "valid" | "invalid";
  }[];
}

const HALF_ORDER = secp256k1.Point.Fn.ORDER / 2n;

const native = createNativeSigner();

/** True when r ‖ s with either recovery bit is a signature by the key; both implementations must say the same. */
function isAccepted(key: string, message: string, compact: string): boolean {
  const address = publicKeyToAddress(unhex(key));
  const digest = hex(sha256(unhex(message)));
  return ["1b", "1c"].some((v) => {
    const signature = `0x${compact}${v}` as Hex; // CAST: hex text of a vector
    const verdict = isSignatureBy(address, digest, signature);
    expect(native.verify(digest, signature, address), `${signature}: native`).to.equal(verdict);
    return verdict;
  });
}

describe("Wycheproof's secp256k1 vectors", () => {
  it("r ‖ s: valid with low s is accepted, everything else refused", function () {
    const file = "wycheproof/ecdsa_secp256k1_sha256_p1363_test.json";
    const { testGroups } = readVectors<{ testGroups: Group[] }>(this, file);
    const counts = { accepted: 0, highS: 0, refused: 0 };
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, comment, msg, sig, result } of tests) {
        const isHigh = sig.length === 128 && bytesToBigint(unhex(sig.slice(64))) > HALF_ORDER;
        const expected = result === "valid" && !isHigh;
        expect(isAccepted(publicKey.uncompressed, msg, sig), `${tcId}: ${comment}`).to.equal(expected);
        counts[expected ? "accepted" : isHigh && result === "valid" ? "highS" : "refused"]++;
      }
    }
    expect(counts.accepted).to.be.greaterThan(80);
    expect(counts.highS).to.be.greaterThan(0);
    expect(counts.refused).to.be.greaterThan(50);
  });

  it("Bitcoin's rule, which is low s too: same verdict on every signature that has an r and an s", function () {
    const file = "wycheproof/ecdsa_secp256k1_sha256_bitcoin_test.json";
    const { testGroups } = readVectors<{ testGroups: Group[] }>(this, file);
    let accepted = 0;
    let refused = 0;
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, comment, msg, sig, result } of tests) {
        const compact = compactOf(sig);
        if (compact === undefined) {
          // No pair of integers of 32 bytes: nothing that our encoding could carry.
          expect(result, `${tcId}: ${comment}`).to.equal("invalid");
          continue;
        }
        const got = isAccepted(publicKey.uncompressed, msg, compact);
        // When the x of k·G is at or above the group order, recovery needs a bit that Ethereum's v does not have.
        const isExpressible = comment !== "k*G has a large x-coordinate";
        expect(got, `${tcId}: ${comment}`).to.equal(result === "valid" && isExpressible);
        if (got) accepted++;
        else refused++;
      }
    }
    expect(accepted).to.be.greaterThan(100);
    expect(refused).to.be.greaterThan(5);
  });

  it("another v, another length and trailing bytes are refused", function () {
    const file = "wycheproof/ecdsa_secp256k1_sha256_p1363_test.json";
    const { testGroups } = readVectors<{ testGroups: Group[] }>(this, file);
    const group = testGroups.find(({ tests }) => tests.some(({ result }) => result === "valid"))!;
    const { msg, sig } = group.tests.find(
      ({ result, sig: s }) => result === "valid" && bytesToBigint(unhex(s.slice(64))) <= HALF_ORDER,
    )!;
    const digest = hex(sha256(unhex(msg)));
    for (const tail of ["", "00", "01", "1a", "1d", "ff", "1b00", "001b"]) {
      const signature = `0x${sig}${tail}` as Hex; // CAST: hex text of a vector
      expect(recoverAddress(digest, signature), tail).to.equal(undefined);
      expect(native.recover(digest, signature), tail).to.equal(undefined);
    }
  });
});

/** r ‖ s of a strictly encoded DER signature. */
function compactOf(der: string): string | undefined {
  try {
    return hex(secp256k1.Signature.fromBytes(unhex(der), "der").toBytes("compact")).slice(2);
  } catch {
    return undefined;
  }
}

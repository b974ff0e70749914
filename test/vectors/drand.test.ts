/** Beacons of live networks: signatures that hundreds of other people's machines made verify here, and nothing near them does. */
import { expect } from "chai";
import type { Engine } from "../../src/threshold/types.ts";
import { engines, flipBit, unhex } from "../threshold/support.ts";
import { readVectors } from "./shared.ts";

interface Network {
  readonly public_key: string;
  readonly rounds: readonly { readonly round: number; readonly signature: string; readonly message: string }[];
}

interface Beacon {
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

const NETWORKS = [
  ["quicknet", "bls12-381"],
  ["evmnet", "bn254"],
] as const;

/** Spread over all bits, always with the flag bits at the front and the last bit. */
function sampledBits(length: number, step: number): number[] {
  const bits = [0, 1, 2];
  for (let bit = 3; bit < 8 * length - 1; bit += step) bits.push(bit);
  return [...bits, 8 * length - 1];
}

function expectEveryFlipRefused(engine: Engine, { key, message, signature }: Beacon, step: number): void {
  for (const bit of sampledBits(signature.length, step)) {
    expect(engine.verify(key, message, flipBit(signature, bit)), `signature bit ${bit}`).to.equal(false);
  }
  for (const bit of sampledBits(message.length, 4 * step)) {
    expect(engine.verify(key, flipBit(message, bit), signature), `message bit ${bit}`).to.equal(false);
  }
  for (const bit of sampledBits(key.length, 4 * step)) {
    expect(engine.verify(flipBit(key, bit), message, signature), `key bit ${bit}`).to.equal(false);
  }
}

describe("drand beacons", () => {
  for (const [network, suite] of NETWORKS) {
    for (const kind of ["noble", "mcl"] as const) {
      it(`every ${network} beacon verifies, and not with a flipped bit (${kind})`, async function () {
        const { public_key, rounds } = readVectors<Record<string, Network>>(this, "drand.json")[network]!;
        const engine = (await engines())[suite][kind];
        expect(rounds.length).to.be.greaterThan(2);
        for (const round of rounds) {
          const beacon = {
            key: unhex(public_key),
            message: unhex(round.message),
            signature: unhex(round.signature),
          };
          expect(engine.verify(beacon.key, beacon.message, beacon.signature), `round ${round.round}`).to.equal(true);
          expectEveryFlipRefused(engine, beacon, kind === "noble" ? 251 : 61);
        }
      });
    }

    it(`a ${network} beacon has no second encoding one bit away: all bits of signature, message and key (mcl)`, async function () {
      const { public_key, rounds } = readVectors<Record<string, Network>>(this, "drand.json")[network]!;
      const [round] = rounds;
      const beacon = { key: unhex(public_key), message: unhex(round!.message), signature: unhex(round!.signature) };
      const engine = (await engines())[suite].mcl;
      for (let bit = 0; bit < 8 * beacon.signature.length; bit++) {
        expect(engine.verify(beacon.key, beacon.message, flipBit(beacon.signature, bit)), `bit ${bit}`).to.equal(false);
      }
      for (let bit = 0; bit < 8 * beacon.message.length; bit++) {
        expect(engine.verify(beacon.key, flipBit(beacon.message, bit), beacon.signature), `bit ${bit}`).to.equal(false);
      }
      for (let bit = 0; bit < 8 * beacon.key.length; bit += 3) {
        expect(engine.verify(flipBit(beacon.key, bit), beacon.message, beacon.signature), `bit ${bit}`).to.equal(false);
      }
    });
  }
});

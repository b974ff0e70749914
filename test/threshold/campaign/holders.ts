/** What a malicious new member does with its share when READYs are asked for; undefined: it says nothing. */
import type { Random } from "../../../src/testing/random.ts";
import { scalarFromBytes, writeScalar } from "../../../src/threshold/scalar-bytes.ts";
import type { Engine } from "../../../src/threshold/types.ts";
import { flipBit, offSubgroup, seeded } from "../support.ts";

export interface Holding {
  readonly engine: Engine;
  readonly message: Uint8Array;
  readonly share: Uint8Array;
  /** Of another new member, which conspires. */
  readonly next: Uint8Array;
  /** Of an old member. */
  readonly oldShare: Uint8Array;
  readonly random: Random;
}

function shifted({ engine, message, share }: Holding, delta: bigint): Uint8Array {
  const secret = new Uint8Array(32);
  writeScalar(secret, 0, (scalarFromBytes(share) + engine.order + delta) % engine.order);
  return engine.sign(secret, message);
}

export const HOLDER_KINDS: Readonly<Record<string, (holding: Holding) => Uint8Array | undefined>> = {
  "dies before it opens, or before READY": () => undefined,
  "signs another digest": ({ engine, share }) => engine.sign(share, seeded("another digest")),
  "signs with an old share": ({ engine, message, oldShare }) => engine.sign(oldShare, message),
  "signs with another member's share": ({ engine, message, next }) => engine.sign(next, message),
  "adds Δ": (holding) => shifted(holding, 99n),
  "takes Δ away": (holding) => shifted(holding, -99n),
  "flips a bit": ({ engine, message, share, random }) =>
    flipBit(engine.sign(share, message), random.below(8 * engine.signatureLength)),
  "sends noise": ({ engine, random }) => random.bytes(engine.signatureLength),
  "sends the identity": ({ engine }) => {
    const bytes = new Uint8Array(engine.signatureLength);
    if (engine.suite === "bls12-381") bytes[0] = 0xc0;
    return bytes;
  },
  "sends a point outside the subgroup": ({ engine }) =>
    offSubgroup(engine.suite, "G1") ?? new Uint8Array(engine.signatureLength),
  "sends another length": ({ engine, message, share }) => engine.sign(share, message).subarray(1),
  "answers well, then dies": ({ engine, message, share }) => engine.sign(share, message),
};

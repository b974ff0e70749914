/**
 * Cheap stand-ins for signatures and the coin, for simulators and tests. They keep what safety arguments need (a signature
 * binds key and digest, a coin needs n − f shares and is unpredictable to the rule) and cost one hash instead of a pairing.
 */
import type { BlockSigner, CoinScheme } from "../../../src/consensus/types.ts";
import { bytesToBigint, concatBytes, equalBytes, utf8ToBytes } from "../../../src/lib/bytes.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../../src/lib/hex.ts";
import { quorumOf } from "../../../src/lib/math.ts";

/** The address that belongs to a stand-in secret. */
export function standInAddress(secret: Uint8Array): Address {
  return bytesToHex(keccak256(secret).subarray(12));
}

/** 65 bytes: keccak256(address ‖ digest) ‖ zeros. Anybody could compute it; forging is not what such a test is about. */
export const standInSigner: BlockSigner = {
  sign: (secret, digest) => standInSignature(standInAddress(secret), digest),
  verify: (digest, signature, author) => signature === standInSignature(author, digest),
};

function standInSignature(address: Address, digest: Hex): Hex {
  const tag = keccak256(concatBytes(hexToBytes(address), hexToBytes(digest)));
  return bytesToHex(concatBytes(tag, new Uint8Array(33)));
}

const tagOf = (...parts: readonly Uint8Array[]): Uint8Array => keccak256(concatBytes(...parts));
const indexBytes = (value: number): Uint8Array => utf8ToBytes(`/${value}`);

/**
 * A coin of n members from one seed. `self` undefined: a learner without shares. A share is a keyed hash that `combine`
 * recomputes, so wrong shares are found exactly as with BLS; the coin exists only with n − f of them.
 */
export function standInCoin(seed: string, n: number, self: number | undefined): CoinScheme {
  const key = utf8ToBytes(`coin/${seed}`);
  const share = (round: number, author: number) => tagOf(key, indexBytes(round), indexBytes(author));
  const whole = (round: number) => tagOf(key, indexBytes(round));
  return {
    share: (round) => (self === undefined ? undefined : share(round, self)),
    combine(round, shares) {
      const bad: number[] = [];
      for (const [author, value] of shares) if (!equalBytes(value, share(round, author))) bad.push(author);
      const isEnough = shares.size - bad.length >= quorumOf(n);
      return { signature: isEnough ? whole(round) : undefined, bad: isEnough && bad.length === 0 ? [] : bad };
    },
    verify: (round, signature) => equalBytes(signature, whole(round)),
    // n is far below 2^256: the bias of a plain remainder is immeasurable here.
    leader: (_round, signature) => Number(bytesToBigint(keccak256(signature)) % BigInt(n)),
  };
}

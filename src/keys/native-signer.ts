/**
 * The signatures of lib/ecdsa.ts by libsecp256k1: the same bytes and the same verdicts, many times faster. Verifying these is most of what
 * a member computes.
 *
 * The two must agree on every input that an attacker can make, and so must its two builds: one member that accepts what another refuses
 * would order other instructions and settle other balances. So ranges are checked here, before either of them.
 */
import { assert } from "../lib/assert.ts";
import { compareBytes, concatBytes } from "../lib/bytes.ts";
import { publicKeyToAddress } from "../lib/ecdsa.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { loadAddon, ORDER, type Secp256k1, WASM } from "./secp256k1.ts";

/** Fits `MemberConfig.identities` and `MemberConfig.blockSigner`. */
export interface NativeSigner {
  /** As `signDigest`. Throws on a secret outside [1, n), and on a digest that is not 32 bytes. */
  sign(secret: Uint8Array, digest: Hex): Hex;
  /** As `isSignatureBy`. */
  verify(digest: Hex, signature: Hex, address: Address): boolean;
  /** As `recoverAddress`. */
  recover(digest: Hex, signature: Hex): Address | undefined;
}

const ZERO = new Uint8Array(32);
/** ⌊n / 2⌋. */
const HALF_ORDER = hexToBytes("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/** Throws InvariantError where it computes wrongly: a member must not start with that. */
export function createNativeSigner(secp256k1: Secp256k1 = loadAddon() ?? WASM): NativeSigner {
  const recover = (digest: Hex, signature: Hex): Address | undefined => recoverSigner(secp256k1, digest, signature);
  const signer: NativeSigner = {
    sign(secret, digest) {
      const { signature, recoveryId } = secp256k1.sign(hexToBytes(digest), secret);
      // An r of n or more has chance 2⁻¹²⁷, and Ethereum's v cannot say it: the reference's bytes end in 29 or 30 then, too.
      return bytesToHex(concatBytes(signature, Uint8Array.of(27 + recoveryId)));
    },
    verify: (digest, signature, address) => recover(digest, signature) === address,
    recover,
  };
  selfTest(signer);
  return signer;
}

function recoverSigner(secp256k1: Secp256k1, digest: Hex, signature: Hex): Address | undefined {
  const bytes = signatureBytes(signature);
  if (bytes === undefined) return undefined;
  const v = bytes[64]!;
  if (v !== 27 && v !== 28) return undefined;
  const [r, s] = [bytes.subarray(0, 32), bytes.subarray(32, 64)];
  if (compareBytes(r, ZERO) === 0 || compareBytes(r, ORDER) >= 0) return undefined;
  if (compareBytes(s, ZERO) === 0 || compareBytes(s, HALF_ORDER) > 0) return undefined;
  const key = secp256k1.recover(hexToBytes(digest), bytes.subarray(0, 64), v === 27 ? 0 : 1);
  return key === undefined ? undefined : publicKeyToAddress(key);
}

/** Of 65 bytes in hexadecimal; undefined: anything else, which attackers send. */
function signatureBytes(signature: Hex): Uint8Array | undefined {
  if (signature.length !== 132) return undefined;
  try {
    return hexToBytes(signature);
  } catch {
    return undefined;
  }
}

/** A known answer, made with the reference. */
const KNOWN_SECRET = new Uint8Array(32).fill(0x17);
const KNOWN_DIGEST: Hex = `0x${"42".repeat(32)}`;
const KNOWN_SIGNATURE: Hex =
  "0x9e5cd86512379d7a9c4b54bcbacb7001b88a9e7e18405c5f268ef173e7d50aa32dfe8e4d641fc25ffd7bcfbd787a902f93f206db9fd06c35f486027b2cc6d8e81c";
const KNOWN_ADDRESS: Address = "0x7e9fb40f66c4e132fa5e64e49f307e02b76540f8";

function selfTest({ sign, recover }: NativeSigner): void {
  const isRight =
    sign(KNOWN_SECRET, KNOWN_DIGEST) === KNOWN_SIGNATURE &&
    recover(KNOWN_DIGEST, KNOWN_SIGNATURE) === KNOWN_ADDRESS &&
    recover(`0x${"43".repeat(32)}`, KNOWN_SIGNATURE) !== KNOWN_ADDRESS;
  assert(isRight, "libsecp256k1 computes signatures wrongly here");
}

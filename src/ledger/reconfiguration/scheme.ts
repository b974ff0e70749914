/** The real cryptography of a change, on whichever engines the member runs. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { isSignatureBy, publicKeyToAddress } from "../../lib/ecdsa.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { aggregateKey } from "../../threshold/aggregate.ts";
import { type DealContext, dealInstance } from "../../threshold/associated-data.ts";
import type { DealEngine } from "../../threshold/deal-engine.ts";
import { type DealFault, faultOfDeal } from "../../threshold/deal-verify.ts";
import { type EncryptionKeyFault, faultOfEncryptionKey } from "../../threshold/encryption-key.ts";
import { createKeyAgreement, type KeyAgreement } from "../../threshold/key-agreement.ts";
import type { Engine, Suite } from "../../threshold/types.ts";
import type { Proposal, ReshareScheme } from "./types.ts";

export interface ReshareSchemeOptions {
  readonly engines: Readonly<Record<Suite, Engine>>;
  readonly deals: Readonly<Record<Suite, DealEngine>>;
  /** Default: plain JavaScript. Every implementation gives the same bytes. */
  readonly agreement?: KeyAgreement;
  /** Answers from a cache that workers fill; `compute` is the real thing, for what the cache does not know. Must agree with it. */
  readonly faultOfDeal?: (
    context: DealContext,
    dealer: number,
    bytes: Uint8Array,
    compute: () => DealFault | undefined,
  ) => DealFault | undefined;
}

export function createReshareScheme({ engines, deals, ...options }: ReshareSchemeOptions): ReshareScheme {
  const agreement = options.agreement ?? createKeyAgreement();
  return {
    faultOfDeal: (context, dealer, bytes) => {
      const compute = (): DealFault | undefined =>
        faultOfDeal(deals[context.suite], agreement, dealInstance(context, dealer), bytes);
      return options.faultOfDeal === undefined ? compute() : options.faultOfDeal(context, dealer, bytes, compute);
    },
    aggregate: (context, qualified) => aggregateKey(deals[context.suite], context, qualified),
    verify: (suite, publicKey, digest, signature) =>
      engines[suite].verify(hexToBytes(publicKey), hexToBytes(digest), hexToBytes(signature)),
    combine: (suite, partials) => {
      const shares = [...partials].map(([index, hex]) => ({ x: index + 1, signature: hexToBytes(hex) }));
      return bytesToHex(engines[suite].interpolate(shares));
    },
    faultOfAnnouncements,
    isSignedBy: isSignatureBy,
  };
}

/** Every member's announcement is admissible, in order, and its public key is the one its address comes from. */
export function faultOfAnnouncements(
  committeeId: Hex,
  { epoch, attempt, members }: Proposal,
): EncryptionKeyFault | undefined {
  const scope = { domain: committeeId, epoch, attempt };
  const addresses = members.map(({ address }) => address);
  const admitted = new Map<Address, Hex>();
  for (const { address, publicKey, encryptionKey, proof, signature } of members) {
    if (addressOfCompressed(publicKey) !== address) return "malformed";
    const announcement = { member: address, key: encryptionKey, proof, signature };
    const fault = faultOfEncryptionKey({ scope, members: addresses, admitted }, announcement);
    if (fault !== undefined) return fault;
    admitted.set(address, encryptionKey);
  }
  return undefined;
}

/** Address of a compressed (33-byte) public key; undefined when it is none. */
export function addressOfCompressed(publicKey: Hex): Address | undefined {
  try {
    const bytes = hexToBytes(publicKey);
    // 65 bytes would be a second form of the same key.
    if (bytes.length !== 33) return undefined;
    return publicKeyToAddress(secp256k1.Point.fromBytes(bytes).toBytes(false));
  } catch {
    // Strangers choose these bytes: x that is no coordinate of a point, digits that are none. All mean the same.
    return undefined;
  }
}

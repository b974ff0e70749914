/** One identity, two names: a member's secp256k1 key gives its Ethereum address and its libp2p peer id. */
import { privateKeyFromRaw, publicKeyFromRaw } from "@libp2p/crypto/keys";
import type { PeerId, PrivateKey } from "@libp2p/interface";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { addressOf, publicKeyToAddress } from "../lib/ecdsa.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { type PeerConfig, TransportError } from "./port.ts";

/** Compressed public key (33 bytes) of a secret: what other members list in their peer table. */
export function publicKeyOf(identity: Uint8Array): Hex {
  return bytesToHex(secp256k1.getPublicKey(identity, true));
}

/** libp2p peer id of a compressed secp256k1 public key, as text (`16Uiu2HA…`). Throws TransportError `identityMismatch` on a malformed key. */
export function peerIdOf(publicKey: Hex): string {
  return decodePublicKey(publicKey).peerId.toString();
}

/** The peer ids of a committee by index, each checked against its address. Throws TransportError `identityMismatch`. */
export function committeePeerIds(members: readonly PeerConfig[]): PeerId[] {
  const seen = new Set<Address>();
  return members.map((member, index) => {
    const { address, peerId } = decodePublicKey(member.publicKey);
    if (address !== member.address.toLowerCase()) {
      throw new TransportError("identityMismatch", `The public key of member ${index} does not belong to its address`, {
        details: { index, expected: member.address, actual: address },
      });
    }
    if (seen.has(address)) {
      throw new TransportError("identityMismatch", `Member ${index} is listed twice`, { details: { index, address } });
    }
    seen.add(address);
    return peerId;
  });
}

/** Our own libp2p key. Throws TransportError `identityMismatch` unless it is the key of `address`. */
export function identityKey(identity: Uint8Array, address: Address): PrivateKey {
  let actual: Address;
  try {
    actual = addressOf(identity);
  } catch {
    // The cause is left out on purpose: its message could quote the secret.
    throw new TransportError("identityMismatch", "The identity key is not a secp256k1 secret of 32 bytes");
  }
  if (actual !== address.toLowerCase()) {
    throw new TransportError("identityMismatch", "The identity key does not belong to this member", {
      details: { expected: address, actual },
    });
  }
  return privateKeyFromRaw(identity);
}

function decodePublicKey(publicKey: Hex): { address: Address; peerId: PeerId } {
  try {
    const bytes = hexToBytes(publicKey);
    if (bytes.length !== 33) throw new RangeError("a compressed secp256k1 key has 33 bytes");
    const address = publicKeyToAddress(secp256k1.Point.fromBytes(bytes).toBytes(false));
    return { address, peerId: peerIdFromPublicKey(publicKeyFromRaw(bytes)) };
  } catch (cause) {
    throw new TransportError("identityMismatch", "Not a compressed secp256k1 public key", {
      cause,
      details: { publicKey },
    });
  }
}

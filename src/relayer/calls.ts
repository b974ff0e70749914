/** A hub's calls from what members gave and was verified: signatures in the form that the chain reads. */
import { handoverDigest } from "../batch/handover.ts";
import { headerDigest } from "../batch/header.ts";
import type { Certificate } from "../batch/types.ts";
import type { HubClient, PreparedCall, ProvenDestination } from "../chain/port.ts";
import type { Quote } from "../chain/transaction-manager.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { encodeProof } from "../threshold/evm.ts";
import type { Suite } from "../threshold/types.ts";
import type { Anchor } from "./key-path.ts";
import type { Cost } from "./types.ts";

export function acceptCall(
  hub: HubClient,
  { committeeId }: Anchor,
  { header, suite, signature }: Certificate,
  destination: ProvenDestination,
): PreparedCall {
  return hub.prepareAccept({
    header,
    destination,
    signature: onChain(suite, signature, headerDigest(header, committeeId)),
  });
}

export function handoverCall(
  hub: HubClient,
  { committeeId, suite }: Anchor,
  { statement, signatures }: SignedHandover,
): PreparedCall {
  const digest = handoverDigest(statement, committeeId);
  return hub.prepareHandover({ statement, signature: onChain(suite, signatures[suite], digest) });
}

export function costOf(quote: Quote): Cost {
  const { gasLimit, maxFeePerGasWei, expectedCostWei: expectedWei, maxCostWei: maxWei } = quote;
  return { gasLimit, maxFeePerGasWei, expectedWei, maxWei };
}

function onChain(suite: Suite, signature: Hex, digest: Hex): Hex {
  return bytesToHex(encodeProof(suite, hexToBytes(signature), hexToBytes(digest)));
}

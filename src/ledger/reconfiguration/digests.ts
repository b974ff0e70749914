/**
 * What is signed when a committee changes. EIP-712, salt = committee id; `bytes` are hashed as the standard says.
 *
 *   Reconfigure(uint64 epoch,uint64 attempt,bytes content)                       the proposal; content: SSZ of its members
 *   ApproveReconfiguration(bytes32 proposal,address member)                      an old member's identity
 *   Ready(uint64 epoch,uint64 attempt,bytes32 proposal,bytes32 keys)             a new share, in each suite; the coming epoch
 *   ReadyApproval(bytes32 ready,address member,bytes32 bls12381,bytes32 bn254)   a new member's identity over its partials
 *
 * Deals are signed as threshold/deal-select.ts says, handovers as batch/handover.ts says.
 */
import { concatBytes, utf8ToBytes } from "../../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../../lib/eip712.ts";
import { keccak256 } from "../../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../lib/hex.ts";
import { SUITES, type Suite, type ThresholdKey } from "../../threshold/types.ts";
import { encodeMembers } from "./codec.ts";
import type { Proposal } from "./types.ts";

const RECONFIGURE = typeHash("Reconfigure(uint64 epoch,uint64 attempt,bytes content)");
const APPROVE = typeHash("ApproveReconfiguration(bytes32 proposal,address member)");
const READY = typeHash("Ready(uint64 epoch,uint64 attempt,bytes32 proposal,bytes32 keys)");
const READY_APPROVAL = typeHash("ReadyApproval(bytes32 ready,address member,bytes32 bls12381,bytes32 bn254)");

/** Names a proposal. Throws LedgerError `malformedBytes` on one that no transaction can carry. */
export function proposalDigest(committeeId: Hex, { epoch, attempt, members }: Proposal): Hex {
  const content = keccak256(encodeMembers(members));
  return typedDigest(domainSeparator(committeeId), hashStruct(RECONFIGURE, word(epoch), word(attempt), content));
}

/** What an old member signs for a proposal, given by its digest. */
export function approvalDigest(committeeId: Hex, proposal: Hex, member: Address): Hex {
  return typedDigest(domainSeparator(committeeId), hashStruct(APPROVE, word(proposal), word(member)));
}

/** Hash of the keys of the next epoch: every threshold, group key and public share. */
export function keysHash(keys: Readonly<Record<Suite, ThresholdKey>>): Hex {
  const parts = SUITES.flatMap((suite) => {
    const { threshold, groupKey, publicShares } = keys[suite];
    const shares = publicShares.map(hexToBytes);
    return [utf8ToBytes(suite), word(threshold), word(publicShares.length), hexToBytes(groupKey), ...shares];
  });
  return bytesToHex(keccak256(concatBytes(...parts)));
}

/** What the partials of a READY sign. `proposal`: its digest. */
export function readyDigest(
  committeeId: Hex,
  scope: { readonly epoch: bigint; readonly attempt: bigint },
  proposal: Hex,
  keys: Readonly<Record<Suite, ThresholdKey>>,
): Hex {
  const struct = hashStruct(READY, word(scope.epoch), word(scope.attempt), word(proposal), word(keysHash(keys)));
  return typedDigest(domainSeparator(committeeId), struct);
}

/** What the new member's identity signs, so that a wrong partial under a right signature is its own doing. */
export function readySignatureDigest(
  committeeId: Hex,
  ready: Hex,
  member: Address,
  partials: Readonly<Record<Suite, Hex>>,
): Hex {
  const hashOf = (suite: Suite): Uint8Array => keccak256(hexToBytes(partials[suite]));
  const struct = hashStruct(READY_APPROVAL, word(ready), word(member), hashOf("bls12-381"), hashOf("bn254"));
  return typedDigest(domainSeparator(committeeId), struct);
}

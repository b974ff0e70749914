/** Blocks as bytes that need not be valid: what the shipping codec refuses to make, signed or not. */
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
} from "@chainsafe/ssz";
import { BLOCK_TYPE, blockRefType, coinShareType, refToSsz } from "../../../consensus/block.ts";
import { MAX_COIN_SHARES, MAX_PARTIALS, MAX_SIGNATURE_BYTES } from "../../../consensus/limits.ts";
import type { Block } from "../../../consensus/types.ts";
import { concatBytes } from "../../../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../../../lib/eip712.ts";
import { keccak256 } from "../../../lib/hash.ts";
import { type Address, type Hex, hexToBytes } from "../../../lib/hex.ts";
import { SUITES } from "../../../threshold/types.ts";

const MAX_RAW_PARENTS = 1024;
const MAX_RAW_PAYLOAD = 4 * 1024 * 1024;
const HEAD_BYTES = 87;

const Body = new ContainerType({
  parents: new ListCompositeType(blockRefType, MAX_RAW_PARENTS),
  payload: new ByteListType(MAX_RAW_PAYLOAD),
  coinShares: new ListCompositeType(coinShareType, MAX_COIN_SHARES),
  partials: new ListCompositeType(
    new ContainerType({
      sequence: new UintBigintType(8),
      suite: new UintNumberType(1),
      digest: new ByteVectorType(32),
      signature: new ByteListType(MAX_SIGNATURE_BYTES),
    }),
    MAX_PARTIALS,
  ),
});

/** `sign` undefined: with the signature that it has. Throws what the encoder throws when a value has no encoding at all. */
export function encodeRaw(
  block: Block,
  { committeeId, genesisHash }: { readonly committeeId: Hex; readonly genesisHash: Hex },
  author: Address,
  sign: ((digest: Hex) => Hex) | undefined,
): Uint8Array {
  const body = Body.serialize({
    parents: block.parents.map(refToSsz),
    payload: block.payload,
    coinShares: [...block.coinShares],
    partials: block.partials.map((partial) => ({
      ...partial,
      suite: SUITES.indexOf(partial.suite),
      digest: hexToBytes(partial.digest),
    })),
  });
  const struct = hashStruct(
    typeHash(BLOCK_TYPE),
    word(genesisHash),
    word(block.epoch),
    word(block.round),
    word(author),
    keccak256(body),
  );
  const digest = typedDigest(domainSeparator(committeeId), struct);
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setBigUint64(0, block.epoch, true);
  view.setBigUint64(8, BigInt(block.round), true);
  view.setUint16(16, block.author, true);
  head.set(hexToBytes(sign === undefined ? block.signature : sign(digest)).subarray(0, 65), 18);
  view.setUint32(83, HEAD_BYTES, true);
  return concatBytes(head, body);
}

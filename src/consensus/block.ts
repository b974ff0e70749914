/**
 * Block codec, digest and stateless validity (consensus.md, "Block").
 *
 *   bytes  = SSZ container {epoch: uint64, round: uint64, author: uint16, signature: 65 bytes, body: offset}
 *            body = container {parents: List[{round: uint64, author: uint16, digest: 32 bytes}], payload: ByteList,
 *                              coinShares: List[{round: uint64, signature: ByteList}],
 *                              partials: List[{sequence: uint64, suite: uint8, digest: 32 bytes, signature: ByteList}]}
 *   digest = EIP-712 over Block(bytes32 genesis,uint64 epoch,uint64 round,address author,bytes32 body),
 *            body = keccak256 of the SSZ body, domain salt = committee id
 *
 * The signature is outside the body, so a digest has one content and any number of signatures, of which one suffices.
 */
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UintNumberType,
  type ValueOf,
} from "@chainsafe/ssz";
import { concatBytes, equalBytes, utf8ToBytes } from "../lib/bytes.ts";
import { domainSeparator, hashStruct, typedDigest, typeHash, word } from "../lib/eip712.ts";
import { keccak256 } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { quorumOf } from "../lib/math.ts";
import { ConsensusError, refuse } from "./errors.ts";
import { COIN_DELAY, MAX_COIN_SHARES, MAX_PARTIALS, MAX_ROUND, MAX_SIGNATURE_BYTES } from "./limits.ts";
import type { BatchPartial, Block, BlockRef, CoinShare, ConsensusLimits, VerifiedBlock } from "./types.ts";

export const BLOCK_TYPE = "Block(bytes32 genesis,uint64 epoch,uint64 round,address author,bytes32 body)";
const SIGNATURE_START = 18;
const SIGNATURE_END = 83;
/** Fixed part of the outer container: 8 + 8 + 2 + 65 + 4. The body is the rest of the bytes. */
const BODY_START = 87;
/** Fixed part of the body: where each of its four lists begins. */
const LISTS_START = 16;
/** 8 + 2 + 32: parents are a list without offsets. */
const REF_BYTES = 42;
const SUITES: readonly BatchPartial["suite"][] = ["bls12-381", "bn254"];
const BLOCK_TYPE_HASH = typeHash(BLOCK_TYPE);
const GENESIS_PREFIX = utf8ToBytes("Clockless genesis block");

const round64 = new UintNumberType(8);
const uint16 = new UintNumberType(2);
const bytes32 = new ByteVectorType(32);
const signatureBytes = new ByteListType(MAX_SIGNATURE_BYTES);

export const blockRefType = new ContainerType({ round: round64, author: uint16, digest: bytes32 });
export const coinShareType = new ContainerType({ round: round64, signature: signatureBytes });
const partialType = new ContainerType({
  sequence: new UintBigintType(8),
  suite: new UintNumberType(1),
  digest: bytes32,
  signature: signatureBytes,
});

export const refToSsz = (ref: BlockRef): ValueOf<typeof blockRefType> => ({
  round: ref.round,
  author: ref.author,
  digest: hexToBytes(ref.digest),
});
export const refFromSsz = (ref: ValueOf<typeof blockRefType>): BlockRef => ({
  round: ref.round,
  author: ref.author,
  digest: bytesToHex(ref.digest),
});

/** What all members of one committee and epoch agree on about blocks. */
export interface BlockRules {
  readonly committeeId: Hex;
  readonly epoch: bigint;
  readonly genesisHash: Hex;
  readonly members: readonly Address[];
  readonly limits: Pick<ConsensusLimits, "maxBlockBytes" | "maxPayloadBytes" | "maxParents">;
}

export type UnsignedBlock = Omit<Block, "epoch" | "signature">;

const coinSharesType = new ListCompositeType(coinShareType, MAX_COIN_SHARES);
const partialsType = new ListCompositeType(partialType, MAX_PARTIALS);
const bodyType = (limits: BlockRules["limits"]) =>
  new ContainerType({
    parents: new ListCompositeType(blockRefType, limits.maxParents),
    payload: new ByteListType(limits.maxPayloadBytes),
    coinShares: coinSharesType,
    partials: partialsType,
  });

export class BlockCodec {
  readonly n: number;
  readonly quorum: number;
  readonly genesis: readonly BlockRef[];
  readonly #rules: BlockRules;
  readonly #separator: Uint8Array;
  readonly #genesisWord: Uint8Array;
  readonly #epochWord: Uint8Array;
  readonly #authorWords: readonly Uint8Array[];
  readonly #bodyType: ReturnType<typeof bodyType>;

  constructor(rules: BlockRules) {
    this.#rules = rules;
    this.n = rules.members.length;
    this.quorum = quorumOf(this.n);
    this.#separator = domainSeparator(rules.committeeId);
    this.#genesisWord = word(rules.genesisHash);
    this.#epochWord = word(rules.epoch);
    this.#authorWords = rules.members.map((address) => word(address));
    this.genesis = rules.members.map((_, author) => ({ round: 0, author, digest: genesisDigest(rules, author) }));
    this.#bodyType = bodyType(rules.limits);
  }

  /** The implicit round-0 blocks: never sent, never output, not valid by the rules above. */
  genesisBlocks(): readonly VerifiedBlock[] {
    const { epoch } = this.#rules;
    const empty = {
      epoch,
      parents: [],
      payload: new Uint8Array(0),
      coinShares: [],
      partials: [],
      signature: "0x",
    } as const;
    return this.genesis.map((ref) => ({ ...empty, ...ref, bytes: new Uint8Array(0) }));
  }

  /** Encodes, hashes and signs a block of ours. Throws ConsensusError when it would not be valid. */
  seal(unsigned: UnsignedBlock, sign: (digest: Hex) => Hex): VerifiedBlock {
    const body = this.#bodyType.serialize({
      parents: unsigned.parents.map(refToSsz),
      payload: unsigned.payload,
      coinShares: [...unsigned.coinShares],
      partials: unsigned.partials.map((partial) => ({
        sequence: partial.sequence,
        suite: SUITES.indexOf(partial.suite),
        digest: hexToBytes(partial.digest),
        signature: partial.signature,
      })),
    });
    const digest = this.#digest(unsigned.round, unsigned.author, body);
    const signature = sign(digest);
    const head = new Uint8Array(BODY_START);
    const view = new DataView(head.buffer);
    view.setBigUint64(0, this.#rules.epoch, true);
    view.setBigUint64(8, BigInt(unsigned.round), true);
    view.setUint16(16, unsigned.author, true);
    head.set(hexToBytes(signature), 18);
    view.setUint32(83, BODY_START, true);
    const bytes = concatBytes(head, body);
    // A view of the block's own bytes: it is held for hundreds of rounds, and a copy would double that.
    const payload = bytes.subarray(...payloadRange(bytes.subarray(BODY_START)).map((at) => BODY_START + at));
    const block: VerifiedBlock = { ...unsigned, payload, epoch: this.#rules.epoch, signature, digest, bytes };
    if (bytes.length > this.#rules.limits.maxBlockBytes) refuse("oversize", "block exceeds the committee's size limit");
    this.validate(block);
    return block;
  }

  /**
   * Bytes to a block with its digest; every stateless rule but the signature is checked (`verify` does that, because the
   * caller first wants to know whether it has the digest already). Throws ConsensusError.
   */
  decode(bytes: Uint8Array): VerifiedBlock {
    const { limits } = this.#rules;
    if (bytes.length > limits.maxBlockBytes) {
      refuse("oversize", "block exceeds the committee's size limit", {
        size: bytes.length,
        limit: limits.maxBlockBytes,
      });
    }
    if (bytes.length < BODY_START + LISTS_START) malformed("too short for a block");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(83, true) !== BODY_START) malformed("not the canonical encoding of the block");
    const body = bytes.subarray(BODY_START);
    const [parentsEnd, payloadEnd, sharesEnd] = listEnds(body);
    if (payloadEnd - parentsEnd > limits.maxPayloadBytes) malformed("more payload than a block may have");
    const partials = readList(partialsType, body.subarray(sharesEnd));
    const block: VerifiedBlock = {
      epoch: view.getBigUint64(0, true),
      author: view.getUint16(16, true),
      round: round64At(view, 8),
      parents: readParents(body.subarray(LISTS_START, parentsEnd), limits.maxParents),
      payload: body.subarray(parentsEnd, payloadEnd),
      coinShares: readList(coinSharesType, body.subarray(payloadEnd, sharesEnd)),
      partials: partials.map((partial) => ({
        sequence: partial.sequence,
        suite: SUITES[partial.suite] ?? refuse("malformed", "unknown signature suite"),
        digest: bytesToHex(partial.digest),
        signature: partial.signature,
      })),
      signature: bytesToHex(signatureOf(bytes)),
      digest: "0x",
      bytes,
    };
    this.validate(block);
    return { ...block, digest: this.#digest(block.round, block.author, body) };
  }

  /** Rules 1 to 4 without size, encoding and signature. Stateless: depends on the committee and the block alone. */
  validate(block: Block): void {
    const { epoch, members } = this.#rules;
    const { author, round, parents } = block;
    if (block.epoch !== epoch) refuse("wrongEpoch", "block of another epoch", { epoch: block.epoch });
    if (!(author < members.length)) refuse("badAuthor", "author out of range", { author });
    if (!(round >= 1 && round <= MAX_ROUND)) refuse("badRound", "round out of range", { round });
    const own = parents[0];
    if (own === undefined || own.author !== author || !(own.round < round)) {
      refuse("badOwnParent", "the first parent must be an older block of the author", { author, round });
    }
    let strong = 0;
    const seen = new Set<number>();
    for (const [i, parent] of parents.entries()) {
      if (!(parent.author < members.length) || !(parent.round < round)) {
        refuse("badParent", "parent's author or round out of range", { parent });
      }
      if (parent.round === 0 && this.genesis[parent.author]?.digest !== parent.digest) {
        refuse("badParent", "a round-0 parent must be the genesis block", { parent });
      }
      const key = slotKey(parent.round, parent.author);
      if (seen.has(key)) refuse("duplicateParent", "two parents of one author and round", { parent });
      seen.add(key);
      if (i >= 2 && compareParents(parents[i - 1]!, parent) >= 0)
        refuse("unsortedParents", "parents out of order", { i });
      if (parent.round === round - 1) strong++;
    }
    // One parent per (author, round), so strong parents have distinct authors.
    if (strong < this.quorum) refuse("missingQuorum", "strong parents of fewer than Q authors", { strong });
  }

  #digest(round: number, author: number, body: Uint8Array): Hex {
    const authorWord = this.#authorWords[author];
    if (authorWord === undefined) return refuse("badAuthor", "author out of range", { author });
    const struct = hashStruct(
      BLOCK_TYPE_HASH,
      this.#genesisWord,
      this.#epochWord,
      word(round),
      authorWord,
      keccak256(body),
    );
    return typedDigest(this.#separator, struct);
  }
}

function malformed(message: string): never {
  return refuse("malformed", message);
}

/**
 * Where a body's parents, payload and coin shares end; its partials end with it. The lists follow each other without gaps, in order, and
 * begin right after their offsets: the one encoding. Read by hand, because the payload is nearly all of a block and need not be copied.
 */
function listEnds(body: Uint8Array): readonly [parents: number, payload: number, shares: number] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [first, payload, shares, partials] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
  const isOrdered = first === LISTS_START && first <= payload! && payload! <= shares! && shares! <= partials!;
  if (!isOrdered || partials! > body.length) malformed("the lists of a block are not where they must be");
  return [payload!, shares!, partials!];
}

/** Beginning and end of the payload in a body. */
function payloadRange(body: Uint8Array): [from: number, to: number] {
  const [from, to] = listEnds(body);
  return [from, to];
}

/** Exact to 2^53; what is beyond stays beyond MAX_ROUND. */
function round64At(view: DataView, at: number): number {
  return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
}

function readParents(bytes: Uint8Array, limit: number): BlockRef[] {
  const count = bytes.length / REF_BYTES;
  if (!Number.isInteger(count) || count > limit) malformed("not a list of parents");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const at = REF_BYTES * i;
    const digest = bytesToHex(bytes.subarray(at + 10, at + REF_BYTES));
    return { round: round64At(view, at), author: view.getUint16(at + 8, true), digest };
  });
}

/** A list in its one encoding. */
function readList<T>(
  type: { deserialize(bytes: Uint8Array): T; serialize(value: T): Uint8Array },
  bytes: Uint8Array,
): T {
  let value: T;
  let canonical: Uint8Array;
  try {
    value = type.deserialize(bytes);
    canonical = type.serialize(value);
  } catch (cause) {
    // The library throws plain errors on foreign bytes (offsets, lengths, limits): all of them mean the same here.
    throw new ConsensusError("malformed", "not an SSZ block", { cause });
  }
  if (!equalBytes(canonical, bytes)) malformed("not the canonical encoding of the block");
  return value;
}

/** Round and author that undecoded bytes claim; undefined when they are too short for a block. */
export function slotOfBytes(bytes: Uint8Array): { readonly round: number; readonly author: number } | undefined {
  if (bytes.length < BODY_START) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { round: Number(view.getBigUint64(8, true)), author: view.getUint16(16, true) };
}

/** The signature that undecoded bytes claim; they are long enough (`slotOfBytes`). */
export function signatureOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(SIGNATURE_START, SIGNATURE_END);
}

/** (round, author) as one exact number: rounds stay at or below 2^44 and authors below 256 (limits.ts). */
export function slotKey(round: number, author: number): number {
  return round * 256 + author;
}

/**
 * All of a reference. Blocks are told by their digests, references are not: an author may name the digest of a block beside a round and an
 * author that are not the block's, and such a reference is one to a block that never was.
 */
export function refKey({ round, author, digest }: BlockRef): string {
  return `${slotKey(round, author)}/${digest}`;
}

/** Whether a reference names this block. */
export function isNamed(block: BlockRef | undefined, ref: BlockRef): boolean {
  return block?.digest === ref.digest && block.round === ref.round && block.author === ref.author;
}

/** Stored order of parents after the first: newest round first, then author, then digest. */
export function compareParents(a: BlockRef, b: BlockRef): number {
  if (a.round !== b.round) return b.round - a.round;
  if (a.author !== b.author) return a.author - b.author;
  return a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0;
}

/** Output order of blocks within a commit: (round, author, digest). */
export function compareBlocks(a: BlockRef, b: BlockRef): number {
  if (a.round !== b.round) return a.round - b.round;
  if (a.author !== b.author) return a.author - b.author;
  return a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0;
}

/** Digest of an author's implicit round-0 block. `genesisHash` binds committee and the previous epoch's last commit. */
export function genesisDigest(rules: Pick<BlockRules, "epoch" | "genesisHash">, author: number): Hex {
  return bytesToHex(keccak256(concatBytes(GENESIS_PREFIX, word(rules.genesisHash), word(rules.epoch), word(author))));
}

export function refOf(block: Pick<VerifiedBlock, "round" | "author" | "digest">): BlockRef {
  return { round: block.round, author: block.author, digest: block.digest };
}

/** Coin shares that may count: rule 5 ignores those released too early, which an honest author never does. */
export function releasedShares(block: Block): readonly CoinShare[] {
  return block.coinShares.filter((share) => share.round >= 1 && share.round + COIN_DELAY <= block.round);
}

/**
 * Decoding is a function of committee and bytes, so the members of one run share what it gives: the shipping codec decodes each block once,
 * for whoever gets it first. What is shared is frozen: a member that changed a block would find out at once, and not in secret as when
 * each had its own. Bytes that are no block are looked at by everybody.
 */
import { BlockCodec, type BlockRules } from "../../consensus/block.ts";
import type { VerifiedBlock } from "../../consensus/types.ts";
import { keyOf, Recent } from "./recent.ts";

/** More than are on their way or in anybody's DAG in a campaign's runs; a long run of a large committee decodes some again. */
const KEPT_BLOCKS = 8192;

class SharedCodec extends BlockCodec {
  readonly #blocks = new Recent<VerifiedBlock>(KEPT_BLOCKS);

  override decode(bytes: Uint8Array): VerifiedBlock {
    const key = keyOf(bytes);
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    // A copy, so that nobody who keeps the message can change what others hold.
    const block = frozen(super.decode(bytes.slice()));
    this.#blocks.set(key, block);
    return block;
  }
}

/** For the members of one run, and of no other: the second run of a seed decodes by itself. */
export function shareCodecs(): (rules: BlockRules) => BlockCodec {
  const codecs = new Map<string, SharedCodec>();
  return (rules) => {
    const key = `${rules.committeeId}/${rules.epoch}/${rules.genesisHash}`;
    const codec = codecs.get(key) ?? new SharedCodec(rules);
    codecs.set(key, codec);
    return codec;
  };
}

function frozen(block: VerifiedBlock): VerifiedBlock {
  for (const list of [block.parents, block.coinShares, block.partials]) {
    for (const entry of list) Object.freeze(entry);
    Object.freeze(list);
  }
  return Object.freeze(block);
}

/**
 * One hash of everything the fold reads and no account leaf holds: `core` of the state root (batch/receipts.ts). It is made of sections; a section is hashed again only when it
 * changed, and the lanes' section keeps a Merkle tree of its own, so the cost of a batch follows what the batch changed.
 */
import type { Hex } from "../lib/hex.ts";
import { compareText } from "../lib/math.ts";
import type { Fold } from "./fold.ts";
import { commitToEpochs } from "./reconfiguration/bytes.ts";
import { WordWriter } from "./words.ts";

export class RestHash {
  private readonly genesisHash: Hex;
  private readonly sections = new Map<string, Uint8Array>();
  private readonly words = new WordWriter();

  constructor(genesisHash: Hex) {
    this.genesisHash = genesisHash;
  }

  /** Call once per batch. */
  close(sequence: bigint, fold: Fold): Hex {
    const section = (name: string, dirty: boolean, write: (w: WordWriter) => void): void => {
      if (!dirty && this.sections.has(name)) return;
      const w = this.words.reset();
      write(w);
      this.sections.set(name, w.keccak());
    };
    section("genesis", false, (w) => w.hex(this.genesisHash));
    section("lanes", true, (w) => w.raw(fold.lanes.digest(sequence)));
    section("clock", true, (w) => fold.clock.write(w));
    for (const [id, prices] of fold.prices) section(`market ${id}`, prices.dirty, (w) => prices.write(w));
    for (const [id, tally] of fold.tallies) section(`inbox ${id}`, tally.dirty, (w) => tally.write(w));
    section("chains", true, (w) => writeChains(w, fold));
    section("marks", true, (w) => writeMarks(w, fold));
    const { epochs } = fold;
    if (epochs !== undefined) {
      section("epochs", epochs.dirty, (w) => w.raw(commitToEpochs(epochs)));
      epochs.dirty = false;
    }
    const w = this.words.reset().int(this.sections.size);
    // Sections were inserted in the order of the lines above, on every machine alike.
    for (const hash of this.sections.values()) w.raw(hash);
    return w.keccakHex();
  }
}

function writeChains(w: WordWriter, { chains, assets }: Fold): void {
  for (const chain of chains.values()) {
    const { chainId, inboxCursor, inboxHash, outboxSize, outboxRoot, promisedRoot } = chain.destination;
    w.int(chainId).int(inboxCursor).hex(inboxHash).int(outboxSize).hex(outboxRoot).hex(promisedRoot);
    for (const asset of assets) w.int(chain.backingOf(asset));
  }
}

/** Marks of what is open, by id: before a market has a price they follow from nothing else in the state. */
function writeMarks(w: WordWriter, { book }: Fold): void {
  const linear = [...book.linear.values()].sort((a, b) => compareText(a.id, b.id));
  w.int(linear.length);
  for (const { id, mark, fundingIndex } of linear) w.hex(id).int(mark).int(fundingIndex);
}

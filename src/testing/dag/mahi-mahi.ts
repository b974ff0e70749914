/**
 * Mahi-Mahi's commit rule (arXiv 2410.08670, sections 3 and 4) on the same DAG, as the baseline of every latency table.
 *
 *   wave of round r, length w:   propose r, …, vote r + w − 2, certify r + w − 1; a wave starts in every round
 *   leaders of r:                l authors from the coin of r on, known with blocks of Q authors at r + w − 1
 *   direct:                      Q authors at r + w − 1 with a certificate (Q parents voting for L) ⇒ Commit L
 *                                Q authors at r + w − 2 voting for nobody                           ⇒ Skip
 *   indirect:                    the first slot of a round ≥ r + w that is not Skip: Commit X ⇒ Commit L if a certificate of L
 *                                is in X's cone, else Skip;   Undecided ⇒ Undecided
 *
 * The published code elects round-robin and skips when one twin lacks votes (which forks); this is the rule as the paper means
 * it: elected by a coin, skipped when Q vote for nobody.
 */
import { quorumOf } from "../../lib/math.ts";

export interface BaselineRule {
  readonly waveLength: 4 | 5;
  readonly leaders: number;
}

/** A block with what it votes for and certifies; the same for everybody who has it, so computed once. */
export interface VotedBlock {
  readonly round: number;
  readonly author: number;
  readonly parents: readonly VotedBlock[];
  /** [k − 1][author]: the block of round − k it votes for. */
  readonly support: readonly (readonly (VotedBlock | undefined)[])[];
  /** [k − 1][author]: the block of round − 1 − k that Q of its parents vote for. */
  readonly certified: readonly (readonly (VotedBlock | undefined)[])[];
  /** Sorts the blocks of a commit: (round, author, order of making). */
  readonly order: number;
}

const DEPTH = 3;

/** All blocks of a run by name (a digest, an id): blocks are added when their parents are. */
export class VotedBlocks<Name> {
  readonly #n: number;
  readonly #quorum: number;
  readonly #byName = new Map<Name, VotedBlock>();

  constructor(n: number) {
    this.#n = n;
    this.#quorum = quorumOf(n);
  }

  get(name: Name): VotedBlock | undefined {
    return this.#byName.get(name);
  }

  /** `parents`: own previous first. A parent that is not known (genesis, or dropped) votes for nothing. */
  add(name: Name, round: number, author: number, parents: readonly Name[]): VotedBlock {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const held = parents.map((parent) => this.#byName.get(parent));
    const voters = held.filter((parent, i) => parent !== undefined && (i === 0 || parent.round === round - 1));
    // CAST: undefined was filtered out
    const support = this.#support(round, voters as VotedBlock[]);
    const block: VotedBlock = {
      round,
      author,
      parents: held.filter((parent) => parent !== undefined),
      support,
      certified: this.#certified(
        // CAST: as above
        (voters as VotedBlock[]).filter((voter) => voter.round === round - 1),
      ),
      order: this.#byName.size,
    };
    this.#byName.set(name, block);
    return block;
  }

  #support(round: number, voters: readonly VotedBlock[]): (VotedBlock | undefined)[][] {
    const table: (VotedBlock | undefined)[][] = [];
    for (let k = 1; k <= DEPTH; k++) {
      const row = new Array<VotedBlock | undefined>(this.#n).fill(undefined);
      for (const voter of voters) {
        const below = voter.round - (round - k);
        if (below === 0) row[voter.author] ??= voter;
        else if (below > 0) for (const [author, block] of voter.support[below - 1]!.entries()) row[author] ??= block;
      }
      table.push(row);
    }
    return table;
  }

  #certified(voters: readonly VotedBlock[]): (VotedBlock | undefined)[][] {
    return Array.from({ length: DEPTH }, (_, i) =>
      Array.from({ length: this.#n }, (_, author) => {
        const votes = new Map<VotedBlock, number>();
        for (const voter of voters) {
          const block = voter.support[i]![author];
          if (block === undefined) continue;
          const count = (votes.get(block) ?? 0) + 1;
          if (count >= this.#quorum) return block;
          votes.set(block, count);
        }
        return undefined;
      }),
    );
  }
}

interface Tally {
  certified: VotedBlock | undefined;
  readonly holders: Set<number>;
  readonly nobody: Set<number>;
}

/** What one member has seen, for one wave length; shared by rules that differ in the number of leaders only. */
export class WaveTally {
  readonly n: number;
  readonly waveLength: 4 | 5;
  readonly quorum: number;
  readonly #tallies = new Map<number, Tally>();
  readonly #certificates = new Map<number, VotedBlock[]>();
  readonly #highest: number[];

  constructor(n: number, waveLength: 4 | 5) {
    this.n = n;
    this.waveLength = waveLength;
    this.quorum = quorumOf(n);
    this.#highest = new Array<number>(n).fill(0);
  }

  accept(block: VotedBlock): void {
    const { waveLength } = this;
    this.#highest[block.author] = Math.max(this.#highest[block.author]!, block.round);
    const row = block.certified[waveLength - 3]!;
    const slotRound = block.round - waveLength + 1;
    for (let author = 0; author < this.n && slotRound >= 1; author++) {
      const leader = row[author];
      if (leader === undefined) continue;
      const tally = this.#tally(slotRound, author);
      tally.certified = leader;
      tally.holders.add(block.author);
    }
    if (slotRound >= 1) push(this.#certificates, slotRound, block);
    const votedRound = block.round - waveLength + 2;
    const votes = block.support[waveLength - 3]!;
    for (let author = 0; author < this.n && votedRound >= 1; author++) {
      if (votes[author] === undefined) this.#tally(votedRound, author).nobody.add(block.author);
    }
  }

  /** The highest round whose coin can be combined: Q authors have reached its certifying round. */
  get coinRound(): number {
    return [...this.#highest].sort((a, b) => b - a)[this.quorum - 1]! - this.waveLength + 1;
  }

  direct(round: number, author: number): VotedBlock | "skip" | undefined {
    const tally = this.#tallies.get(round * 256 + author);
    if (tally === undefined) return undefined;
    if (tally.holders.size >= this.quorum) return tally.certified;
    return tally.nobody.size >= this.quorum ? "skip" : undefined;
  }

  byAnchor(anchor: VotedBlock, round: number, author: number): VotedBlock | "skip" {
    const cone = new Set([anchor]);
    for (const block of cone) for (const parent of block.parents) if (parent.round > round) cone.add(parent);
    for (const holder of this.#certificates.get(round) ?? []) {
      const leader = holder.certified[this.waveLength - 3]![author];
      if (leader !== undefined && cone.has(holder)) return leader;
    }
    return "skip";
  }

  #tally(round: number, author: number): Tally {
    let tally = this.#tallies.get(round * 256 + author);
    if (tally === undefined) {
      tally = { certified: undefined, holders: new Set(), nobody: new Set() };
      this.#tallies.set(round * 256 + author, tally);
    }
    return tally;
  }
}

/** One member's order under the baseline rule. */
export class MahiMahi {
  readonly #tally: WaveTally;
  readonly #leaders: number;
  readonly #coin: (round: number) => number;
  readonly #decided = new Map<number, VotedBlock | "skip">();
  readonly #done = new Set<VotedBlock>();
  #round = 1;
  #slot = 0;

  constructor(tally: WaveTally, leaders: number, coin: (round: number) => number) {
    this.#tally = tally;
    this.#leaders = Math.min(leaders, tally.n);
    this.#coin = coin;
  }

  /** Blocks that are output now, in order. Call after the tally has accepted something. */
  advance(): VotedBlock[] {
    const output: VotedBlock[] = [];
    const highest = this.#tally.coinRound;
    if (highest < this.#round) return output;
    this.#decideDownTo(this.#round, highest);
    while (this.#round <= highest) {
      const decision = this.#decided.get(this.#key(this.#round, this.#slot));
      if (decision === undefined) break;
      if (decision !== "skip") this.#emit(decision, output);
      if (++this.#slot < this.#leaders) continue;
      this.#slot = 0;
      this.#round++;
    }
    return output;
  }

  /** From the newest round down, because a slot is decided by those above it. */
  #decideDownTo(lowest: number, highest: number): void {
    /** The first slot that is not Skip at or above each round; undefined: undecided or none yet. */
    const anchors = new Map<number, VotedBlock | undefined>();
    for (let round = highest; round >= lowest; round--) {
      let first = anchors.get(round + 1);
      for (let slot = this.#leaders - 1; slot >= 0; slot--) {
        const decision = this.#decide(round, slot, anchors.get(round + this.#tally.waveLength));
        if (decision !== "skip") first = decision;
      }
      anchors.set(round, first);
    }
  }

  #decide(round: number, slot: number, anchor: VotedBlock | undefined): VotedBlock | "skip" | undefined {
    const key = this.#key(round, slot);
    const known = this.#decided.get(key);
    if (known !== undefined) return known;
    const author = (this.#coin(round) + slot) % this.#tally.n;
    const direct = this.#tally.direct(round, author);
    const decision = direct ?? (anchor === undefined ? undefined : this.#tally.byAnchor(anchor, round, author));
    if (decision !== undefined) this.#decided.set(key, decision);
    return decision;
  }

  #emit(leader: VotedBlock, output: VotedBlock[]): void {
    const fresh: VotedBlock[] = [];
    const stack = [leader];
    while (stack.length > 0) {
      const block = stack.pop()!;
      if (this.#done.has(block)) continue;
      this.#done.add(block);
      fresh.push(block);
      stack.push(...block.parents);
    }
    output.push(...fresh.sort((a, b) => a.round - b.round || a.author - b.author || a.order - b.order));
  }

  #key(round: number, slot: number): number {
    return round * 256 + slot;
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

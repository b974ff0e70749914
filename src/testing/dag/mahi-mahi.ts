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

/** What the rule reads of a block: what it votes for and certifies is the same for everybody who has it. */
export interface WaveBlock<B> {
  readonly round: number;
  readonly author: number;
  readonly parents: readonly B[];
  /** [k − 1][author]: the block of round − k it votes for. */
  readonly support: readonly (readonly (B | undefined)[])[];
  /** [k − 1][author]: the block of round − 1 − k that Q of its parents vote for. Absent where no quorum of parents is held. */
  readonly certified: readonly (readonly (B | undefined)[])[];
}

/** A block with its votes, computed once. */
export interface VotedBlock extends WaveBlock<VotedBlock> {
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

interface Tally<B> {
  certified: B | undefined;
  readonly holders: Set<number>;
  readonly nobody: Set<number>;
}

/** What one member has seen, for one wave length; shared by rules that differ in the number of leaders only. */
export class WaveTally<B extends WaveBlock<B>> {
  readonly n: number;
  readonly waveLength: 4 | 5;
  readonly quorum: number;
  readonly #tallies = new Map<number, Tally<B>>();
  readonly #certificates = new Map<number, B[]>();
  readonly #highest: number[];

  constructor(n: number, waveLength: 4 | 5) {
    this.n = n;
    this.waveLength = waveLength;
    this.quorum = quorumOf(n);
    this.#highest = new Array<number>(n).fill(0);
  }

  accept(block: B): void {
    const { waveLength } = this;
    this.#highest[block.author] = Math.max(this.#highest[block.author]!, block.round);
    const row = block.certified[waveLength - 3];
    const slotRound = block.round - waveLength + 1;
    for (let author = 0; author < this.n && slotRound >= 1; author++) {
      const leader = row?.[author];
      if (leader === undefined) continue;
      const tally = this.#tally(slotRound, author);
      tally.certified = leader;
      tally.holders.add(block.author);
    }
    if (slotRound >= 1) push(this.#certificates, slotRound, block);
    const votedRound = block.round - waveLength + 2;
    const votes = block.support[waveLength - 3];
    for (let author = 0; author < this.n && votedRound >= 1; author++) {
      if (votes?.[author] === undefined) this.#tally(votedRound, author).nobody.add(block.author);
    }
  }

  /** The highest round whose coin can be combined: Q authors have reached its certifying round. */
  get coinRound(): number {
    return [...this.#highest].sort((a, b) => b - a)[this.quorum - 1]! - this.waveLength + 1;
  }

  direct(round: number, author: number): B | "skip" | undefined {
    const tally = this.#tallies.get(round * 256 + author);
    if (tally === undefined) return undefined;
    if (tally.holders.size >= this.quorum) return tally.certified;
    return tally.nobody.size >= this.quorum ? "skip" : undefined;
  }

  byAnchor(anchor: B, round: number, author: number): B | "skip" {
    const cone = new Set([anchor]);
    for (const block of cone) for (const parent of block.parents) if (parent.round > round) cone.add(parent);
    for (const holder of this.#certificates.get(round) ?? []) {
      const leader = holder.certified[this.waveLength - 3]?.[author];
      if (leader !== undefined && cone.has(holder)) return leader;
    }
    return "skip";
  }

  /** Forgets the slots of rounds in [from, to]. */
  forget(from: number, to: number): void {
    for (let round = Math.max(1, from); round <= to; round++) {
      this.#certificates.delete(round);
      for (let author = 0; author < this.n; author++) this.#tallies.delete(round * 256 + author);
    }
  }

  #tally(round: number, author: number): Tally<B> {
    let tally = this.#tallies.get(round * 256 + author);
    if (tally === undefined) {
      tally = { certified: undefined, holders: new Set(), nobody: new Set() };
      this.#tallies.set(round * 256 + author, tally);
    }
    return tally;
  }
}

/** A decided slot: the block that leads it, or nothing. */
interface ElectedSlot<B> {
  readonly round: number;
  readonly decision: B | "skip";
  /** The round has no more slots. */
  readonly isLast: boolean;
}

/** Which leaders commit, slot by slot. */
export class Elections<B extends WaveBlock<B>> {
  readonly #tally: WaveTally<B>;
  readonly #leaders: number;
  readonly #coin: (round: number) => number | undefined;
  readonly #decided = new Map<number, B | "skip">();
  #round: number;
  #slot = 0;

  /** `coin`: first leader of a round whose coin Q authors have opened; undefined: it is not combined yet. `round`: where to start. */
  constructor(tally: WaveTally<B>, leaders: number, coin: (round: number) => number | undefined, round = 1) {
    this.#tally = tally;
    this.#leaders = Math.min(leaders, tally.n);
    this.#coin = coin;
    this.#round = round;
  }

  /** The next slot in order, if it is decided. Call until undefined, after the tally has accepted something. */
  next(): ElectedSlot<B> | undefined {
    const round = this.#round;
    const slot = this.#slot;
    let decision = this.#decided.get(this.#key(round, slot));
    if (decision === undefined) {
      const highest = this.#tally.coinRound;
      if (highest < round) return undefined;
      this.#decideDownTo(round, highest);
      decision = this.#decided.get(this.#key(round, slot));
      if (decision === undefined) return undefined;
    }
    const isLast = slot === this.#leaders - 1;
    this.#slot = isLast ? 0 : slot + 1;
    if (isLast) this.#round++;
    return { round, decision, isLast };
  }

  /** Forgets the slots of rounds in [from, to]. */
  forget(from: number, to: number): void {
    for (let round = Math.max(1, from); round <= to; round++) {
      for (let slot = 0; slot < this.#leaders; slot++) this.#decided.delete(this.#key(round, slot));
    }
  }

  /** From the newest round down, because a slot is decided by those above it. */
  #decideDownTo(lowest: number, highest: number): void {
    /** The first slot that is not Skip at or above each round; undefined: undecided or none yet. */
    const anchors = new Map<number, B | undefined>();
    for (let round = highest; round >= lowest; round--) {
      const elected = this.#coin(round);
      let first = elected === undefined ? undefined : anchors.get(round + 1);
      for (let slot = this.#leaders - 1; slot >= 0 && elected !== undefined; slot--) {
        const author = (elected + slot) % this.#tally.n;
        const decision = this.#decide(round, slot, author, anchors.get(round + this.#tally.waveLength));
        if (decision !== "skip") first = decision;
      }
      anchors.set(round, first);
    }
  }

  #decide(round: number, slot: number, author: number, anchor: B | undefined): B | "skip" | undefined {
    const key = this.#key(round, slot);
    const known = this.#decided.get(key);
    if (known !== undefined) return known;
    const direct = this.#tally.direct(round, author);
    const decision = direct ?? (anchor === undefined ? undefined : this.#tally.byAnchor(anchor, round, author));
    if (decision !== undefined) this.#decided.set(key, decision);
    return decision;
  }

  #key(round: number, slot: number): number {
    return round * 256 + slot;
  }
}

/** One member's order under the baseline rule. */
export class MahiMahi {
  readonly #elections: Elections<VotedBlock>;
  readonly #done = new Set<VotedBlock>();

  constructor(tally: WaveTally<VotedBlock>, leaders: number, coin: (round: number) => number) {
    this.#elections = new Elections(tally, leaders, coin);
  }

  /** Blocks that are output now, in order. Call after the tally has accepted something. */
  advance(): VotedBlock[] {
    const output: VotedBlock[] = [];
    for (;;) {
      const slot = this.#elections.next();
      if (slot === undefined) return output;
      if (slot.decision !== "skip") this.#emit(slot.decision, output);
    }
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
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** Mahi-Mahi's rules on the DAGs of a latency run: each member's view is read by each rule, with a coin of the rule's own. */
import type { VerifiedBlock } from "../../consensus/types.ts";
import type { Hex } from "../../lib/hex.ts";
import { type BaselineRule, MahiMahi, type VotedBlock, VotedBlocks, WaveTally } from "./mahi-mahi.ts";

interface View {
  readonly tallies: readonly WaveTally<VotedBlock>[];
  readonly orders: readonly { readonly rule: string; readonly order: MahiMahi }[];
}

export class Baselines {
  readonly #blocks: VotedBlocks<Hex>;
  readonly #digestOf = new Map<object, Hex>();
  readonly #views: readonly View[];

  /** The coin of a wave of five is out when ours is, and may be the same; a wave of four has its own, one round earlier. */
  constructor(
    n: number,
    rules: readonly BaselineRule[],
    coinLeader: (round: number, waveLength: BaselineRule["waveLength"]) => number,
  ) {
    this.#blocks = new VotedBlocks(n);
    this.#views = Array.from({ length: n }, () => {
      const tallies = ([4, 5] as const)
        .filter((waveLength) => rules.some((rule) => rule.waveLength === waveLength))
        .map((waveLength) => new WaveTally<VotedBlock>(n, waveLength));
      const orders = rules.map((rule) => {
        const tally = tallies.find(({ waveLength }) => waveLength === rule.waveLength)!;
        const order = new MahiMahi(tally, rule.leaders, (round) => coinLeader(round, rule.waveLength));
        return { rule: nameOf(rule), order };
      });
      return { tallies, orders };
    });
  }

  /** A block entered a member's DAG. */
  accepted(member: number, { digest, round, author, parents }: VerifiedBlock): void {
    const { tallies } = this.#views[member]!;
    if (tallies.length === 0) return;
    const ancestors = parents.map((parent) => parent.digest);
    const voted = this.#blocks.add(digest, round, author, ancestors);
    this.#digestOf.set(voted, digest);
    for (const tally of tallies) tally.accept(voted);
  }

  /** What each rule outputs at a member by now, in order. */
  *advance(member: number): IterableIterator<{ readonly rule: string; readonly digest: Hex }> {
    for (const { rule, order } of this.#views[member]!.orders)
      for (const block of order.advance()) yield { rule, digest: this.#digestOf.get(block)! };
  }
}

export function nameOf({ waveLength, leaders }: BaselineRule): string {
  return `mahi-mahi w=${waveLength} l=${leaders}`;
}

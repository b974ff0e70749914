/**
 * The decision rule with every choice a parameter (dag/rule.ts), on a member's own DAG: what makes a control run in the network
 * simulator. As plain as that one, but for what was decided once: that is final, and a contradiction stops the member, as it
 * stops a shipping one.
 */

import { refOf, slotKey } from "../../consensus/block.ts";
import type { CommitterParts, DecisionRule } from "../../consensus/committer.ts";
import type { DagBlock } from "../../consensus/dag.ts";
import type { OrderState } from "../../consensus/linearizer.ts";
import type { Commit, OutputRound, SlotStatus } from "../../consensus/types.ts";
import { assert } from "../../lib/assert.ts";
import type { Rule } from "../dag/rule.ts";

type Decision = { readonly kind: "commit"; readonly block: DagBlock } | { readonly kind: "skip" };

const WINDOWS = [1, 2, 3];

export class ControlRule implements DecisionRule {
  readonly #parts: CommitterParts;
  readonly #rule: Rule;
  readonly #quorum: number;
  readonly #decided = new Map<number, Decision>();
  /** By block, then by (round, author): what support found. Depends on a block's ancestors alone. */
  readonly #support = new WeakMap<DagBlock, Map<number, DagBlock | undefined>>();
  #round: number;
  #slots: readonly number[];
  #next = 0;
  #boundary: OrderState;
  #commits: Commit[] = [];

  constructor(parts: CommitterParts, rule: Rule) {
    this.#parts = parts;
    this.#rule = rule;
    this.#quorum = rule.quorum(parts.n);
    this.#round = parts.round;
    this.#boundary = parts.linearizer.state;
    this.#slots = parts.activity.slots(parts.round);
  }

  get cursor(): { readonly round: number; readonly author: number } {
    return { round: this.#round, author: this.#slots[this.#next]! };
  }

  get boundary(): OrderState {
    return this.#boundary;
  }

  advance(): OutputRound[] {
    const { activity, linearizer } = this.#parts;
    const outputs: OutputRound[] = [];
    for (;;) {
      for (; this.#next < this.#slots.length; this.#next++) {
        const decision = this.#decide(this.#round, this.#slots[this.#next]!);
        if (decision === undefined) return outputs;
        if (decision.kind === "commit") this.#commits.push(linearizer.commit(decision.block, activity.digest));
      }
      outputs.push({ round: this.#round, commits: this.#commits });
      activity.record(this.#round, this.#commits);
      this.#boundary = linearizer.state;
      this.#round++;
      this.#slots = activity.slots(this.#round);
      this.#next = 0;
      this.#commits = [];
    }
  }

  status(round: number, author: number): SlotStatus {
    if (round < 1 || round <= this.#parts.dag.floor) return { kind: "undecided" };
    const decision = this.#decide(round, author);
    if (decision === undefined) return { kind: "undecided" };
    return decision.kind === "skip" ? decision : { kind: "commit", block: refOf(decision.block) };
  }

  forget(from: number, to: number): void {
    for (let round = Math.max(1, from); round <= to; round++) {
      for (let author = 0; author < this.#parts.n; author++) this.#decided.delete(slotKey(round, author));
    }
  }

  #decide(round: number, author: number): Decision | undefined {
    const key = slotKey(round, author);
    const decided = this.#decided.get(key);
    const found = this.#direct(round, author) ?? decided ?? this.#byAnchors(round, author);
    if (found === undefined) return undefined;
    assert(
      decided === undefined || (decided.kind === found.kind && blockOf(decided) === blockOf(found)),
      `slot (${round}, ${author}) decided in two ways`,
    );
    this.#decided.set(key, found);
    return found;
  }

  #direct(round: number, author: number): Decision | undefined {
    let committed: DagBlock | undefined;
    for (const window of WINDOWS) {
      const holders = new Map<DagBlock, Set<number>>();
      for (const holder of this.#parts.dag.round(round + window + 1)) {
        const leader = this.#certified(holder, window, author);
        if (leader === undefined) continue;
        const authors = holders.get(leader) ?? new Set();
        holders.set(leader, authors.add(holder.author));
        if (authors.size < this.#quorum) continue;
        assert(committed === undefined || committed === leader, `two twins committed in slot (${round}, ${author})`);
        committed = leader;
      }
    }
    const isSkipped = this.#isSkipped(round, author);
    assert(!isSkipped || committed === undefined, `Commit beside Skip in slot (${round}, ${author})`);
    if (committed !== undefined) return { kind: "commit", block: committed };
    return isSkipped ? { kind: "skip" } : undefined;
  }

  #isSkipped(round: number, author: number): boolean {
    const { dag } = this.#parts;
    const voters = dag.round(round + this.#rule.skipWindow);
    const against = (isAgainst: (choice: DagBlock | undefined) => boolean): boolean => {
      const authors = new Set<number>();
      for (const voter of voters) if (isAgainst(this.#supported(voter, author, round))) authors.add(voter.author);
      return authors.size >= this.#quorum;
    };
    const leaders = dag.at(round, author);
    if (this.#rule.skipsOneTwin && leaders.length > 0)
      return leaders.some((leader) => against((choice) => choice !== leader));
    return against((choice) => choice === undefined);
  }

  #byAnchors(round: number, author: number): Decision | undefined {
    const { dag, coinLeader } = this.#parts;
    const step = this.#rule.anchorDistance;
    for (let q = round + step; q <= dag.highestRound; q += step) {
      const leader = coinLeader(q);
      const anchor = leader === undefined ? undefined : this.#decide(q, leader);
      if (anchor === undefined) return undefined;
      if (anchor.kind === "commit") return this.#byAnchor(anchor.block, round, author);
    }
    return undefined;
  }

  #byAnchor(anchor: DagBlock, round: number, author: number): Decision {
    let found: DagBlock | undefined;
    const cone = new Set([anchor]);
    for (const holder of cone) {
      for (const parent of holder.parents) if (parent.round > round) cone.add(parent);
      const window = holder.round - 1 - round;
      const leader = this.#rule.anchorWindows.includes(window) ? this.#certified(holder, window, author) : undefined;
      if (leader === undefined) continue;
      assert(
        found === undefined || found === leader,
        `an anchor sees two certified twins in slot (${round}, ${author})`,
      );
      found = leader;
    }
    return found === undefined ? { kind: "skip" } : { kind: "commit", block: found };
  }

  /** The block of (round of `holder` − 1 − window, author) of which `holder` is a certificate. */
  #certified(holder: DagBlock, window: number, author: number): DagBlock | undefined {
    const votes = new Map<DagBlock, number>();
    for (const voter of holder.voters) {
      if (voter.round !== holder.round - 1) continue;
      const leader = this.#supported(voter, author, holder.round - 1 - window);
      if (leader !== undefined) votes.set(leader, (votes.get(leader) ?? 0) + 1);
    }
    for (const [leader, count] of votes) if (count >= this.#quorum) return leader;
    return undefined;
  }

  /** Depth first over the own previous block and the strong parents, in stored order unless the rule says otherwise. */
  #supported(from: DagBlock, author: number, round: number): DagBlock | undefined {
    if (from.round <= round) return from.round === round && from.author === author ? from : undefined;
    const key = slotKey(round, author);
    const known = this.#support.get(from) ?? new Map<number, DagBlock | undefined>();
    if (known.has(key)) return known.get(key);
    this.#support.set(from, known);
    const { voters } = from;
    const walked = this.#rule.isOwnLast && voters.length > 0 ? [...voters.slice(1), voters[0]!] : voters;
    let found: DagBlock | undefined;
    for (const voter of walked) {
      found = this.#supported(voter, author, round);
      if (found !== undefined) break;
    }
    known.set(key, found);
    return found;
  }
}

const blockOf = (decision: Decision): DagBlock | undefined => (decision.kind === "commit" ? decision.block : undefined);

/**
 * The decision rule (consensus.md, "Decision"), incremental and idempotent: `advance` may be called at any time and any
 * number of times, and decided is final.
 *
 *   direct(r, a):   any window → Commit; last window, Q authors supporting nobody → Skip        (votes.ts)
 *   indirect(r, a): for q = r + 5, r + 10, …:  coin of q unknown ⇒ Undecided;  X = status(q, coin leader of q)
 *                     Skip ⇒ next q;   Undecided ⇒ Undecided;
 *                     Commit X ⇒ the L for which a cert_v of any window lies in X's cone ⇒ Commit L; none ⇒ Skip
 *
 * Only the residue class of r is asked: with r + 5, r + 6, … one undecided anchor would block all others.
 */
import { assert } from "../lib/assert.ts";
import type { Activity } from "./activity.ts";
import { refOf, slotKey } from "./block.ts";
import { type Dag, type DagBlock, WINDOWS } from "./dag.ts";
import type { Linearizer, OrderState } from "./linearizer.ts";
import type { Commit, OutputRound, SlotStatus } from "./types.ts";
import type { DirectDecision, Votes } from "./votes.ts";

/** From a slot to its first anchor, and from anchor to anchor. Every block from r + 4 on has the certificates below it. */
export const ANCHOR_DISTANCE = 5;

type Decision = DirectDecision;
interface Pending {
  readonly round: number;
  readonly author: number;
  /** The anchor round asked next. */
  anchor: number;
}

export interface CommitterParts {
  readonly n: number;
  readonly dag: Dag;
  readonly votes: Votes;
  readonly activity: Activity;
  readonly linearizer: Linearizer;
  /** Coin leader of a round, or undefined while its coin is unknown. Asking is what makes a coin be combined. */
  readonly coinLeader: (round: number) => number | undefined;
  /** First round that is not output yet. */
  readonly round: number;
}

/** What a member's DAG is ordered by. There is one; simulators put baselines, and controls that must fail, in its place. */
export type DecisionRule = Pick<Committer, "cursor" | "boundary" | "advance" | "status" | "forget">;

export class Committer {
  readonly #n: number;
  readonly #dag: Dag;
  readonly #votes: Votes;
  readonly #activity: Activity;
  readonly #linearizer: Linearizer;
  readonly #coinLeader: (round: number) => number | undefined;
  readonly #decided = new Map<number, Decision>();
  /** Cones of anchors, down to the cursor's round at the time; emptied when the cursor leaves a round. */
  readonly #cones = new Map<DagBlock, Set<DagBlock>>();
  #round: number;
  /** Authors with a slot in #round, in slot order, and how many of them are decided. */
  #slots: readonly number[];
  #next = 0;
  #boundary: OrderState;
  #commits: Commit[] = [];

  constructor(options: CommitterParts) {
    this.#n = options.n;
    this.#dag = options.dag;
    this.#votes = options.votes;
    this.#activity = options.activity;
    this.#linearizer = options.linearizer;
    this.#coinLeader = options.coinLeader;
    this.#round = options.round;
    this.#boundary = this.#linearizer.state;
    this.#slots = this.#activity.slots(this.#round);
  }

  /** The first slot that is not decided. */
  get cursor(): { readonly round: number; readonly author: number } {
    return { round: this.#round, author: this.#slots[this.#next]! };
  }

  /** The order as it stood after the last fully output round; what a checkpoint is taken of. */
  get boundary(): OrderState {
    return this.#boundary;
  }

  /** Decides as many slots as possible, in order; returns the rounds completed by it. */
  advance(): OutputRound[] {
    const outputs: OutputRound[] = [];
    for (;;) {
      while (this.#next < this.#slots.length) {
        const author = this.#slots[this.#next]!;
        const decision = this.#decide(this.#round, author);
        if (decision === undefined) return outputs;
        if (decision.kind === "commit")
          this.#commits.push(this.#linearizer.commit(decision.block, this.#activity.digest));
        this.#next++;
      }
      outputs.push(this.#completeRound());
    }
  }

  /** Status of any slot above the floor, of an active author or not. */
  status(round: number, author: number): SlotStatus {
    if (round < 1 || round <= this.#dag.floor) return { kind: "undecided" };
    const decision = this.#decide(round, author);
    if (decision === undefined) return { kind: "undecided" };
    return decision.kind === "skip" ? decision : { kind: "commit", block: refOf(decision.block) };
  }

  /** Forgets decisions of rounds in [from, to]. */
  forget(from: number, to: number): void {
    for (let round = Math.max(1, from); round <= to; round++) {
      for (let author = 0; author < this.#n; author++) this.#decided.delete(slotKey(round, author));
    }
  }

  #completeRound(): OutputRound {
    const output: OutputRound = { round: this.#round, commits: this.#commits };
    this.#activity.record(this.#round, this.#commits);
    this.#boundary = this.#linearizer.state;
    this.#round++;
    this.#slots = this.#activity.slots(this.#round);
    this.#next = 0;
    this.#commits = [];
    this.#cones.clear();
    return output;
  }

  /** Decision already taken or taken directly now. */
  #known(round: number, author: number): Decision | undefined {
    const key = slotKey(round, author);
    const decided = this.#decided.get(key);
    const direct = this.#votes.direct(round, author);
    if (direct === undefined) return decided;
    if (decided === undefined) this.#decided.set(key, direct);
    else assert(isSame(decided, direct), `slot (${round}, ${author}) decided in two ways`);
    return direct;
  }

  /** status() with an explicit stack: after long asynchrony chains of anchors may be as long as the backlog. */
  #decide(round: number, author: number): Decision | undefined {
    const immediate = this.#known(round, author);
    if (immediate !== undefined) return immediate;
    const stack: Pending[] = [{ round, author, anchor: round + ANCHOR_DISTANCE }];
    for (;;) {
      const slot = stack.at(-1)!;
      const leader = slot.anchor > this.#dag.highestRound ? undefined : this.#coinLeader(slot.anchor);
      // Undecided travels all the way up: whoever waits for this anchor is undecided, too.
      if (leader === undefined) return undefined;
      const anchor = this.#known(slot.anchor, leader);
      if (anchor === undefined) {
        stack.push({ round: slot.anchor, author: leader, anchor: slot.anchor + ANCHOR_DISTANCE });
      } else if (anchor.kind === "skip") {
        slot.anchor += ANCHOR_DISTANCE;
      } else {
        const decision = this.#decideByAnchor(slot.round, slot.author, anchor.block);
        this.#decided.set(slotKey(slot.round, slot.author), decision);
        stack.pop();
        if (stack.length === 0) return decision;
      }
    }
  }

  #decideByAnchor(round: number, author: number, anchor: DagBlock): Decision {
    const cone = this.#cone(anchor, Math.min(round, this.#round));
    let found: DagBlock | undefined;
    for (let k = 0; k < WINDOWS; k++) {
      for (const holder of this.#dag.round(round + 2 + k)) {
        const certified = holder.certified[k]?.[author];
        if (certified === undefined || !cone.has(holder)) continue;
        assert(found === undefined || found === certified, `two certified twins in slot (${round}, ${author})`);
        found = certified;
      }
    }
    return found === undefined ? { kind: "skip" } : { kind: "commit", block: found };
  }

  /** The blocks reachable from an anchor (weak links included) above `lowest`. */
  #cone(anchor: DagBlock, lowest: number): Set<DagBlock> {
    const isCurrent = lowest === this.#round;
    const known = isCurrent ? this.#cones.get(anchor) : undefined;
    if (known !== undefined) return known;
    const cone = new Set<DagBlock>([anchor]);
    for (const entry of cone) {
      for (const parent of entry.parents) if (parent.round > lowest) cone.add(parent);
    }
    if (isCurrent) this.#cones.set(anchor, cone);
    return cone;
  }
}

function isSame(a: Decision, b: Decision): boolean {
  return a.kind === "skip" ? b.kind === "skip" : b.kind === "commit" && a.block === b.block;
}

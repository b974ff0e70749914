/**
 * What a latency run collects: delays from the step in which an honest author makes a block to its output (or certificate) at an
 * honest member, by rule; every member's order, to find forks; and in how many rounds each round was output.
 */
import type { Hex } from "../../lib/hex.ts";
import { type LatencyReport, summarize } from "../simulator/latency.ts";
import { UNIT_MS } from "../simulator/network.ts";

export interface RuleLatency extends LatencyReport {
  readonly rule: string;
  /** Pairs of an honest block of the measured stretch and an honest member that had not output it when the run ended. */
  readonly missing: number;
  /** How many outputs took so many rounds: rounds[k] came when the member's newest block was k rounds above the block's. */
  readonly rounds: readonly number[];
}

interface Rule {
  readonly tookMs: number[];
  readonly rounds: number[];
  /** By member. */
  readonly orders: Map<number, Hex[]>;
}

export class Samples {
  readonly #fromMs: number;
  readonly #toMs: number;
  readonly #honest: readonly number[];
  /** Blocks of honest authors made in the measured stretch. */
  readonly #made = new Map<Hex, { readonly round: number; readonly ms: number }>();
  readonly #rules = new Map<string, Rule>();
  /** Newest round that an honest member has made a block of. */
  #newestRound = 0;
  /** Rounds whose first honest block was made in the measured stretch, with how many honest members have output them and the slowest. */
  readonly #measured = new Map<number, { outputs: number; took: number }>();

  constructor(honest: readonly number[], fromMs: number, toMs: number) {
    this.#honest = honest;
    this.#fromMs = fromMs;
    this.#toMs = toMs;
  }

  /** An honest author made a block. */
  made(digest: Hex, round: number, nowMs: number): void {
    const isMeasured = nowMs >= this.#fromMs && nowMs < this.#toMs;
    if (isMeasured && !this.#made.has(digest)) this.#made.set(digest, { round, ms: nowMs });
    if (round <= this.#newestRound) return;
    // By its first block: a member that is far behind makes one of a round that others have output.
    this.#newestRound = round;
    if (isMeasured) this.#measured.set(round, { outputs: 0, took: 0 });
  }

  /** A rule outputs a block at an honest member whose newest block's round is `highestRound`. */
  output(rule: string, member: number, digest: Hex, highestRound: number, nowMs: number): void {
    const { orders, rounds } = this.#rule(rule);
    const order = orders.get(member);
    if (order === undefined) orders.set(member, [digest]);
    else order.push(digest);
    const made = this.reached(rule, digest, nowMs);
    if (made === undefined) return;
    const took = highestRound - made.round;
    while (rounds.length <= took) rounds.push(0);
    rounds[took]!++;
  }

  /** A block got as far as the rule says, at one honest member. Undefined for what is not measured. */
  reached(rule: string, digest: Hex, nowMs: number): { readonly round: number } | undefined {
    const made = this.#made.get(digest);
    if (made !== undefined) this.#rule(rule).tookMs.push(nowMs - made.ms);
    return made;
  }

  /** All of a round is output, at one more honest member. */
  roundOutput(round: number, highestRound: number): void {
    const measured = this.#measured.get(round);
    if (measured === undefined) return;
    measured.outputs++;
    measured.took = Math.max(measured.took, highestRound - round);
  }

  latency(rule: string): RuleLatency {
    const { tookMs, rounds } = this.#rule(rule);
    const report = summarize(tookMs, UNIT_MS);
    return { rule, ...report, missing: this.#made.size * this.#honest.length - report.samples, rounds };
  }

  /** Two honest members whose orders differ. */
  isForked(rule: string): boolean {
    const orders = [...this.#rule(rule).orders.values()];
    const longest = orders.reduce((a, b) => (a.length >= b.length ? a : b), []);
    return orders.some((order) => order.some((digest, i) => digest !== longest[i]));
  }

  /** byRound[k]: rounds that the last honest member output k rounds later; open: those that some honest member never did. */
  get distribution(): { readonly byRound: readonly number[]; readonly open: number } {
    const done = [...this.#measured.values()].filter(({ outputs }) => outputs === this.#honest.length);
    const byRound = new Array<number>(Math.max(-1, ...done.map(({ took }) => took)) + 1).fill(0);
    for (const { took } of done) byRound[took]!++;
    return { byRound, open: this.#measured.size - done.length };
  }

  #rule(name: string): Rule {
    let rule = this.#rules.get(name);
    if (rule === undefined) {
      rule = { tookMs: [], rounds: [], orders: new Map() };
      this.#rules.set(name, rule);
    }
    return rule;
  }
}

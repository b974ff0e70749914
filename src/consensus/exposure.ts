/**
 * Who has been caught with two blocks in one round, and which blocks the others have vouched for by building on them.
 * Exposure is objective and lasts for the epoch; it never changes validity or votes, only what an honest member links.
 */
import type { Dag, DagBlock } from "./dag.ts";
import { twinQuota } from "./limits.ts";

export class Exposure {
  readonly #dag: Dag;
  readonly #quota: number;
  readonly #exposed = new Set<number>();
  /** Answers of addsTooManyTwins; forgotten when our cone grows or new twins come in. */
  readonly #answers = new Map<DagBlock, boolean>();

  constructor(dag: Dag, n: number) {
    this.#dag = dag;
    this.#quota = twinQuota(n);
  }

  has(author: number): boolean {
    return this.#exposed.has(author);
  }

  get authors(): ReadonlySet<number> {
    return this.#exposed;
  }

  /** Marks an author; false when it was marked before. What only it had vouched for is vouched for no more. */
  expose(author: number): boolean {
    if (this.#exposed.has(author)) return false;
    this.#exposed.add(author);
    for (const entry of this.#dag.blocks()) entry.isVouched = false;
    for (const entry of this.#dag.blocks()) this.observe(entry);
    return true;
  }

  /** A block entered the DAG: if its author is not exposed, its whole cone is vouched for. */
  observe(entry: DagBlock): void {
    if (this.#exposed.size === 0 || this.#exposed.has(entry.author)) return;
    const stack = [entry];
    while (stack.length > 0) {
      const top = stack.pop()!;
      if (top.isVouched) continue;
      top.isVouched = true;
      stack.push(...top.parents);
    }
  }

  /** Our cone grew, or another twin came in. */
  invalidate(): void {
    this.#answers.clear();
  }

  /** True when linking the block would add more twins to our cone than the quota. */
  addsTooManyTwins(entry: DagBlock): boolean {
    if (this.#exposed.size === 0) return false;
    let answer = this.#answers.get(entry);
    if (answer === undefined) {
      answer = this.#countsTooManyTwins(entry);
      this.#answers.set(entry, answer);
    }
    return answer;
  }

  #countsTooManyTwins(entry: DagBlock): boolean {
    const added = new Set<DagBlock>([entry]);
    let twins = 0;
    for (const block of added) {
      const others = this.#dag.at(block.round, block.author);
      if (others.length > 1 && others.some((other) => other !== block && (other.isInOwnCone || added.has(other)))) {
        twins++;
        if (twins > this.#quota) return true;
      }
      for (const parent of block.parents) if (!parent.isInOwnCone) added.add(parent);
    }
    return false;
  }
}

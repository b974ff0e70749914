/** Users of a committee that stays: which member they hand what they have to, and how they ask again where a member lost it. */
import type { Hex } from "../../lib/hex.ts";
import type { Random } from "../random.ts";
import type { Cluster } from "./cluster.ts";
import { UNIT_MS } from "./network.ts";
import type { Workload } from "./workload.ts";

/** A member whose block is lost in a crash before it was gossiped: its users ask again, this often. */
export const RESUBMIT_UNITS = 30;

export class Users {
  readonly #cluster: Cluster;
  readonly #workload: Workload;
  /** Members that nobody hands anything to. */
  readonly #learners: ReadonlySet<number>;
  readonly #random: Random;
  /** Submitted a second time: what a member says to that says nothing about the instruction. */
  readonly #resubmitted = new Set<Hex>();

  constructor(cluster: Cluster, workload: Workload, learners: ReadonlySet<number>, random: Random) {
    this.#cluster = cluster;
    this.#workload = workload;
    this.#learners = learners;
    this.#random = random;
  }

  /** Somebody's next instruction, now and again and again until the network is well. */
  submit(): void {
    const cluster = this.#cluster;
    if (cluster.isHealed) return;
    cluster.after(1 + this.#random.below(UNIT_MS), () => this.submit());
    const index = this.#someServer();
    if (index === undefined) return;
    const signed = this.#workload.next(cluster.processes[index]!.member?.ledger.sequence ?? 0n);
    if (signed !== undefined) cluster.step(index, { kind: "submit", instructions: [signed] });
  }

  /** All that are open, now and again and again until there are none. */
  resubmit(): void {
    const cluster = this.#cluster;
    if (this.#workload.pending.size > 0 || !cluster.isHealed)
      cluster.after(RESUBMIT_UNITS * UNIT_MS, () => this.resubmit());
    const index = this.#someServer();
    if (index === undefined) return;
    const again = this.#workload.again();
    for (const { id } of again) this.#resubmitted.add(id);
    cluster.step(index, { kind: "submit", instructions: again.map(({ signed }) => signed) });
  }

  /** A member refused an instruction. */
  refused(id: Hex): void {
    if (!this.#resubmitted.has(id)) this.#workload.refused(id);
  }

  /** Users of a member that dies before it has gossiped go elsewhere: they use one that does not crash, or ask again later. */
  #someServer(): number | undefined {
    const honest = this.#cluster.processes.flatMap((process, person) =>
      process.driver === undefined && !this.#learners.has(person) ? [{ person, process }] : [],
    );
    const steady = honest.filter(({ process }) => !process.everCrashed);
    const usable = steady.length > 0 ? steady : honest.filter(({ process }) => process.member !== undefined);
    return usable.length === 0 ? undefined : this.#random.pick(usable).person;
  }
}

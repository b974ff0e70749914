/**
 * Disks that are gone or not what they were: when that happens, and what becomes of the member. There is one path for it: its operator
 * declares the disk lost, and the member learns without shares until the next epoch, because it does not know what it has signed.
 */
import type { Random } from "../random.ts";
import type { Cluster } from "./cluster.ts";
import { SimulatedDisk } from "./disk.ts";
import type { Control } from "./names.ts";
import { UNIT_MS } from "./network.ts";

export class LostDisks {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #control: Control | undefined;
  readonly #declared: (person: number, disk: SimulatedDisk, lost: SimulatedDisk) => void;
  readonly #learners = new Set<number>();

  /** `declared`: an operator says so, and the process is about to start on this disk instead of the lost one. */
  constructor(
    cluster: Cluster,
    random: Random,
    control: Control | undefined,
    declared: (person: number, disk: SimulatedDisk, lost: SimulatedDisk) => void = () => {},
  ) {
    this.#declared = declared;
    this.#cluster = cluster;
    this.#random = random;
    this.#control = control;
  }

  /** Honest members whose disks were declared lost. */
  get learners(): ReadonlySet<number> {
    return this.#learners;
  }

  /** Within the phase with faults: some disks rot, others are lost, and what replaces them is empty or an old backup. */
  schedule(corrupting: Iterable<number>, losing: readonly number[], rounds: number, random: Random): void {
    const cluster = this.#cluster;
    const soon = (): number => (5 + random.below(rounds)) * UNIT_MS;
    for (const person of corrupting) cluster.after(soon(), () => cluster.processes[person]!.disk.corrupt(random));
    for (const person of losing) {
      cluster.processes[person]!.everCrashed = true;
      cluster.after(soon(), () => {
        const backup = random.chance(500) ? cluster.processes[person]!.disk.clone() : new SimulatedDisk();
        cluster.after((1 + random.below(15)) * UNIT_MS, () => {
          if (!cluster.isHealed) this.declare(person, this.#replacement(person, backup));
        });
      });
    }
  }

  /** The process stops, and comes back later with another disk and as a learner. */
  declare(person: number, disk: SimulatedDisk): void {
    const cluster = this.#cluster;
    const target = cluster.processes[person]!;
    target.everCrashed = true;
    cluster.stop(person);
    const lost = target.disk;
    target.disk = disk;
    if (this.#control !== "resume-after-loss") this.#learners.add(person);
    this.#declared(person, disk, lost);
    cluster.after((1 + this.#random.below(10)) * UNIT_MS, () => cluster.boot(person));
  }

  #replacement(person: number, backup: SimulatedDisk): SimulatedDisk {
    if (this.#control !== "resume-after-loss") return backup;
    const others = this.#cluster.processes.filter((_, other) => other !== person);
    return SimulatedDisk.salvaged(
      others.map(({ disk }) => disk),
      person,
    );
  }
}

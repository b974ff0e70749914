/** Users of a committee that changes: whom they hand what they have to, what they hand in again, and what watchers see of their deposits. */
import { instructionId } from "../../ledger/instruction.ts";
import type { Receipt, SignedInstruction } from "../../ledger/types.ts";
import type { Hex } from "../../lib/hex.ts";
import type { MemberEffect } from "../../member/types.ts";
import { UNIT_MS } from "./network.ts";
import type { Surroundings } from "./reshare-node.ts";
import { RESUBMIT_UNITS } from "./users.ts";
import type { Workload } from "./workload.ts";

type World = Pick<Surroundings, "cluster" | "random" | "config" | "addresses" | "mix">;

export class ReshareUsers {
  readonly #world: World;
  readonly #workload: Workload;
  readonly #owners: number;
  readonly #forwards = new Map<Hex, SignedInstruction>();
  /** Handed in again: what a member says to that says nothing about the instruction. */
  readonly #resubmitted = new Set<Hex>();
  #deposits: number;

  constructor(world: World, workload: Workload, owners: number) {
    this.#world = world;
    this.#workload = workload;
    this.#owners = owners;
    this.#deposits = owners;
  }

  /** That are there to be credited. */
  get deposits(): number {
    return this.#deposits;
  }

  /** Somebody's next instruction, now and again and again until the network is well. */
  submit(): void {
    const { cluster, random } = this.#world;
    if (cluster.isHealed) return;
    cluster.after(1 + random.below(Math.ceil((30 * UNIT_MS) / this.#owners)), () => this.submit());
    // Users of a member that dies before it has gossiped go elsewhere; here they use one that does not crash.
    const hosts = this.#hosts();
    if (hosts.length === 0) return;
    const person = random.pick(hosts);
    const signed = this.#workload.next(cluster.processes[person]!.member?.ledger.sequence ?? 0n);
    if (signed !== undefined) cluster.step(person, { kind: "submit", instructions: [signed] });
  }

  /** Where nobody is steady: users of whoever lost what they handed in ask again. */
  submitAgain(): void {
    const { cluster, random } = this.#world;
    cluster.after(RESUBMIT_UNITS * UNIT_MS, () => this.submitAgain());
    const hosts = this.#hosts();
    if (hosts.length === 0) return;
    const again = this.#workload.again();
    for (const { id } of again) this.#resubmitted.add(id);
    cluster.step(random.pick(hosts), { kind: "submit", instructions: again.map(({ signed }) => signed) });
  }

  /** More deposits now and then. */
  deposit(): void {
    const { cluster, random, addresses } = this.#world;
    if (cluster.isHealed || this.#deposits >= this.#workload.deposits.length) return;
    cluster.after((10 + random.below(50)) * UNIT_MS, () => this.deposit());
    this.#deposits++;
    for (const person of addresses.keys()) this.observe(person);
  }

  /** A person's watchers report what they have seen. */
  observe(person: number): void {
    const { cluster, random, config } = this.#world;
    const entries = this.#workload.deposits.slice(0, this.#deposits);
    const observation = { kind: "inbox", chainId: config.genesis.chains[0]!.chainId, entries } as const;
    cluster.push(person, random.below(5 * UNIT_MS), { kind: "observe", observations: [observation] });
  }

  /** What a node that leaves has not decided. */
  forward(instructions: readonly SignedInstruction[]): void {
    for (const signed of instructions) this.#forwards.set(instructionId(signed.instruction), signed);
  }

  forwardAgain(): void {
    const { cluster, random } = this.#world;
    cluster.after(10 * UNIT_MS, () => this.forwardAgain());
    const hosts = this.#hosts();
    if (hosts.length === 0 || this.#forwards.size === 0) return;
    cluster.push(random.pick(hosts), 0, { kind: "submit", instructions: [...this.#forwards.values()] });
  }

  settled(receipts: readonly Receipt[]): void {
    for (const receipt of receipts) this.#workload.settled(receipt);
  }

  told({ instructionId: id, status, code }: Extract<MemberEffect, { kind: "verdict" }>["verdict"]): void {
    if (!this.#forwards.has(id)) {
      if (status === "refused" && !this.#resubmitted.has(id)) this.#workload.refused(id);
    } else if (!["early", "retired", "mempoolFull"].includes(code)) this.#forwards.delete(id);
  }

  /** Members, or such as were until just now, that are honest and never crash, if there are any. */
  #hosts(): number[] {
    const { cluster, mix } = this.#world;
    return [...cluster.processes.entries()].flatMap(([person, { member, driver, everCrashed }]) => {
      if (member === undefined || driver !== undefined || member.isRetired) return [];
      return !everCrashed || mix.isRestless ? [person] : [];
    });
  }
}

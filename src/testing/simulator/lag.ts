/** Members that were away for longer than anybody keeps blocks: whom they ask for a checkpoint, and what a liar would answer. */

import { pastDigest } from "../../consensus/activity.ts";
import { decodeOrderTail, encodeOrderTail } from "../../consensus/checkpoint.ts";
import { commitDigest } from "../../consensus/linearizer.ts";
import { checkpointAfter, isCertified } from "../../member/checkpoints.ts";
import type { Checkpoint, MemberConfig } from "../../member/types.ts";
import type { Random } from "../random.ts";
import type { Cluster } from "./cluster.ts";
import type { Control } from "./names.ts";
import { UNIT_MS } from "./network.ts";

export class CatchUp {
  readonly #cluster: Cluster;
  readonly #config: (person: number) => MemberConfig;
  readonly #random: Random;
  readonly #control: Control | undefined;
  readonly #asking = new Set<number>();
  /** What a member had settled when it last asked. */
  readonly #settledBefore = new Map<number, bigint>();
  taken = 0;
  refused = 0;

  constructor(cluster: Cluster, config: (person: number) => MemberConfig, random: Random, control?: Control) {
    this.#cluster = cluster;
    this.#config = config;
    this.#random = random;
    this.#control = control;
  }

  /** A member says that it is behind within its epoch: two delays later it has an answer. */
  behind(person: number): void {
    if (this.#control === "no-catch-up" || this.#asking.has(person)) return;
    this.#asking.add(person);
    this.#cluster.after(2 * UNIT_MS, () => this.#answered(person));
  }

  #answered(person: number): void {
    this.#asking.delete(person);
    const { processes } = this.#cluster;
    const { member, disk } = processes[person]!;
    if (member === undefined) return;
    const { committee, engines } = this.#config(person);
    const servers = [...processes.keys()].filter((other) => other !== person);
    const { sequence } = member.ledger;
    const after = checkpointAfter(sequence, this.#settledBefore.get(person), disk.checkpoint);
    this.#settledBefore.set(person, sequence);
    let isFirst = true;
    while (servers.length > 0) {
      const [server] = servers.splice(this.#random.below(servers.length), 1);
      const offered = processes[server!]!.disk.checkpoint;
      if (offered === undefined || offered.header.sequence <= after) continue;
      const answer = isFirst ? forge(offered, this.#config(person).activityWindow) : offered;
      isFirst = false;
      if (this.#control !== "no-checkpoint-check" && !isCertified(answer, committee, engines)) {
        this.refused++;
        continue;
      }
      const undecided = member.undecided();
      this.#cluster.stop(person);
      disk.keepCheckpoint(answer, person, this.#config(person).retainedRounds);
      this.#cluster.boot(person);
      this.#cluster.push(person, 0, { kind: "submit", instructions: undecided });
      this.taken++;
      return;
    }
  }
}

/** As coherent as a lie can be: who is left out is changed, and everything that commits to it up to the header, but for the signature. */
function forge(checkpoint: Checkpoint, rounds: number): Checkpoint {
  const tail = decodeOrderTail(checkpoint.order);
  const last = tail.records.at(-1)!;
  const [first] = tail.past.standings;
  const standings = tail.past.standings.with(0, { ...first!, until: last.leader.round + 1 + rounds, rounds });
  const past = { ...tail.past, standings };
  const records = tail.records.with(-1, { ...last, past: pastDigest(past) });
  let commit = tail.previous;
  for (const [i, record] of records.entries())
    commit = commitDigest({ index: tail.index + BigInt(i), previous: commit, ...record });
  const header = { ...checkpoint.header, commit };
  const certificates = checkpoint.certificates.map((certificate) => ({ ...certificate, header }));
  return { header, certificates, snapshot: checkpoint.snapshot, order: encodeOrderTail({ ...tail, records, past }) };
}

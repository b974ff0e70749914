/** What malicious members did, as far as the checks need to know it. */
import type { Hex } from "../../../lib/hex.ts";
import type { Random } from "../../random.ts";
import type { Checker } from "../checker.ts";
import type { Cluster } from "../cluster.ts";
import type { Control, MaliceAdversary } from "../names.ts";
import type { SimulationReport } from "../types.ts";

/** Who gave two blocks of a round to different members in so many rounds is caught: each honest member links what it got. */
const CERTAIN_ROUNDS = 30;

export class Malice {
  readonly #signed = new Map<number, Map<number, Set<Hex>>>();
  acts = 0;

  acted(): void {
    this.acts++;
  }

  signed(member: number, round: number, digest: Hex): void {
    let rounds = this.#signed.get(member);
    if (rounds === undefined) {
      rounds = new Map();
      this.#signed.set(member, rounds);
    }
    const digests = rounds.get(round);
    if (digests === undefined) rounds.set(round, new Set([digest]));
    else digests.add(digest);
  }

  /** Evidence: whoever signed twice again and again is in somebody's hands. */
  check(checker: Checker): void {
    for (const [member, rounds] of this.#signed) {
      const twice = [...rounds.values()].filter((digests) => digests.size > 1).length;
      if (twice >= CERTAIN_ROUNDS && !checker.convicts.has(member))
        checker.violation(`evidence: ${member} signed twice in ${twice} rounds and nobody noticed`);
    }
  }

  report(
    malicious: ReadonlyMap<number, MaliceAdversary>,
    { checker, links }: Cluster,
  ): NonNullable<SimulationReport["malice"]> {
    const members: Record<string, number[]> = {};
    for (const [member, kind] of malicious) members[kind] = [...(members[kind] ?? []), member];
    return { members, acts: this.acts, exposed: [...checker.convicts], probes: links.probes };
  }
}

/** One or two instances more of every member that has twins, numbered after the members. */
export function drawTwins(
  malicious: ReadonlyMap<number, MaliceAdversary>,
  members: number,
  control: Control | undefined,
  random: Random,
): ReadonlyMap<number, number> {
  const twins = new Map<number, number>();
  for (const [member, kind] of malicious) {
    if (kind !== "twins") continue;
    const more = control === "f-plus-one" ? 1 : 1 + random.below(2);
    for (let i = 0; i < more; i++) twins.set(members + twins.size, member);
  }
  return twins;
}

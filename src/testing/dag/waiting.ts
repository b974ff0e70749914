/** How long a member of a latency run waits for stragglers before it makes its block. */
import type { Consensus } from "../../consensus/consensus.ts";
import { quorumOf } from "../../lib/math.ts";
import { UNIT_MS } from "../simulator/network.ts";

/** adaptive: what ships. never, always: no wait for stragglers, or half a delay for whoever is missing; to compare. */
export type Waiting = "adaptive" | "never" | "always";

/** Until when to wait, given what the shipping code says; undefined: no longer. */
export function createWaiting(
  waiting: Waiting,
  n: number,
  consensus: Consensus,
): (adaptiveMs: number | undefined, nowMs: number) => number | undefined {
  if (waiting === "adaptive") return (adaptiveMs) => adaptiveMs;
  if (waiting === "never") return () => undefined;
  const authorsAt = (round: number): number => new Set(consensus.blocksAt(round).map((block) => block.author)).size;
  const quorumRound = (): number => {
    let round = consensus.highestRound;
    while (round > 0 && authorsAt(round) < quorumOf(n)) round--;
    return round;
  };
  /** The round it may build on, and since when. */
  let ready = { round: -1, ms: 0 };
  return (_, nowMs) => {
    const round = quorumRound();
    if (ready.round !== round) ready = { round, ms: nowMs };
    return authorsAt(round) === n ? undefined : ready.ms + UNIT_MS / 2;
  };
}

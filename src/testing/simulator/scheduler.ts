/**
 * Schedulers that know what they do: they read every member's state and every coin as soon as it can be combined, and hold up what would
 * commit. They never ask for a coin that is not revealed yet: that is the one thing that an adversary cannot see.
 */

import type { Consensus } from "../../consensus/consensus.ts";
import { COIN_DELAY } from "../../consensus/limits.ts";
import { maxFaulty } from "../../lib/math.ts";
import type { Random } from "../random.ts";
import { type Condition, UNIT_MS } from "./network.ts";
import type { Sight } from "./sight.ts";

/**
 * The newest round whose coin can be combined: n − f members have made a block of round + COIN_DELAY, which carries their shares.
 * `early` of the shares are in malicious hands from the start.
 */
function revealed(sight: Sight, early: number): number {
  const rounds: number[] = [];
  for (let member = 0; member < sight.members; member++) rounds.push(sight.consensus(member)?.lastOwnRound ?? 0);
  rounds.sort((a, b) => b - a);
  return rounds[sight.members - maxFaulty(sight.members) - 1 - early]! - COIN_DELAY;
}

/** Whether the newest block of a member, which is what it is sending, helps the slots of `author` in rounds from `round` on. */
function helps(consensus: Consensus | undefined, author: number, round: number): boolean {
  const last = consensus?.lastOwnBlock;
  const block = last === undefined ? undefined : consensus?.block(last);
  return block?.parents.some((parent) => parent.author === author && parent.round >= round) ?? false;
}

/**
 * Known leaders: whoever the newest revealed coin names, and whose slot the members are about to decide. Their messages are held up, at
 * most f authors' at a time (with more, rounds themselves would wait), or, on other seeds, every block that votes for them, for some.
 */
export function starveLeaders(sight: Sight, random: Random): Condition {
  const holdMs = (3 + random.below(10)) * UNIT_MS;
  const reignMs = (6 + random.below(12)) * UNIT_MS;
  const holdsVotes = random.chance(400);
  const starvedUntil = new Map<number, number>();
  return ({ from, to }, nowMs) => {
    const f = maxFaulty(sight.members);
    const newest = revealed(sight, 0);
    const anchor = newest >= 1 ? sight.coinLeader(newest) : undefined;
    if (holdsVotes) {
      const next = sight.consensus(to)?.nextDecision;
      const isKept = to % 2 === Math.floor(nowMs / reignMs) % 2;
      const isVote =
        (anchor !== undefined && helps(sight.consensus(from), anchor, newest)) ||
        (next !== undefined && helps(sight.consensus(from), next.author, next.round));
      return isKept && isVote ? holdMs : 0;
    }
    // Who was let go still has messages on the way: its place is free when they have arrived.
    for (const [author, untilMs] of starvedUntil) if (untilMs + holdMs < nowMs) starvedUntil.delete(author);
    const targets = [anchor, sight.consensus(to)?.nextDecision.author];
    for (const target of targets) {
      if (target !== undefined && starvedUntil.size < f && !starvedUntil.has(target))
        starvedUntil.set(target, nowMs + reignMs);
    }
    return nowMs < (starvedUntil.get(from) ?? 0) ? holdMs : 0;
  };
}

/**
 * f members hand their shares to the scheduler at once, so that it knows a coin with n − 2f others. The slowest f members are kept from
 * the leader's own blocks and from those that build on them, while that can still matter.
 */
export function earlyCoin(sight: Sight, random: Random): Condition {
  const holdMs = (3 + random.below(10)) * UNIT_MS;
  return ({ from, to }) => {
    const f = maxFaulty(sight.members);
    const known = revealed(sight, f);
    if (known < 1) return 0;
    const leader = sight.coinLeader(known);
    if (leader === undefined) return 0;
    const mine = sight.consensus(to)?.lastOwnRound ?? 0;
    let faster = 0;
    for (let member = 0; member < sight.members; member++)
      if (member !== to && (sight.consensus(member)?.lastOwnRound ?? 0) > mine) faster++;
    const isSlow = faster >= sight.members - f || (to + known) % sight.members < f;
    if (!isSlow) return 0;
    const consensus = sight.consensus(from);
    const isEarly = (consensus?.lastOwnRound ?? 0) <= known + 5;
    return from === leader || (isEarly && helps(consensus, leader, known)) ? holdMs : 0;
  };
}

/**
 * Directed schedules: the counterexamples of the exhaustive search (dag/search.ts), built through the network out of honest members
 * alone. A block is kept from a member until that member has made its own block of some round; at n = 4 that says whose blocks it
 * builds on. Nothing is lost and nobody lies: whatever breaks, the decision rule has broken.
 */
import { slotOfBytes } from "../../consensus/block.ts";
import { decodeConsensusMessage } from "../../consensus/wire.ts";
import { decodeMessage } from "../../member/wire.ts";
import { predictedLeader } from "../rules/rules.ts";
import { type Network, UNIT_MS } from "./network.ts";
import type { Sight } from "./sight.ts";

export const SCHEDULES = ["lone-supporter", "lone-skipper", "known-anchors"] as const;
/**
 * In turn, everybody is the author a whose slot (r, a) is fought about; b, c, d are the others.
 * - lone-supporter: nobody hears of a until b and c get its blocks just before r + 3. Then a, b and c hold certificates of the last window
 *   at r + 4, and d's block of r + 4 does not; a alone learns of all three certificates before the coin of r + 4 is out.
 * - lone-skipper: the same up to r + 3, but d knows the three blocks of r + 2 that support nobody, and the others do not hear of d.
 * - known-anchors: a is the anchor that a predictable rule elects for r; half of the members support its block at r + 3, so that no
 *   window decides it, and the next anchor is the next one's. Whoever waits for these anchors waits for ever.
 */
export type ScheduleName = (typeof SCHEDULES)[number];

/** The own round that `to` must have reached before it may have the block of (round, author); 0: any. */
type Gate = (round: number, author: number, to: number) => number;

const MEMBERS = 4;
/** Rounds from one attack to the next. */
const PERIOD = 14;
/** Long enough for the coin of r + 4 to come out and everybody to decide by it. */
const ISOLATION_ROUNDS = 10;

/** Rounds that may stay open while the known anchors are starved: a coin that nobody knows is spared by the scheduler 3 times in 4. */
export const MAX_OPEN_ROUNDS = 60;

const GATES: Readonly<Record<ScheduleName, Gate>> = {
  "lone-supporter": (round, author, to) => {
    const { x, role, of } = attack(round, author, to);
    const { isA, isD } = role;
    if (x >= 0 && x <= 1 && isA) return round + 1;
    if (x === 2 && isA && of.isD) return round + 1;
    if (x === 2 && isD) return round + 1;
    if (x === 3 && isD && !of.isD) return round + 1;
    if (x === 3 && isA && of.isD) return round + 1;
    if (x >= 4 && x < ISOLATION_ROUNDS && isA) return round - x + ISOLATION_ROUNDS;
    return 0;
  },
  "lone-skipper": (round, author, to) => {
    const { x, role, of } = attack(round, author, to);
    const { isA, isD } = role;
    if (x >= 0 && x <= 1 && isA) return round + 1;
    if ((x === 2 || x === 3) && isA && of.isD) return round + 1;
    if (x >= 2 && x <= 6 && isD) return round - x + 7;
    return 0;
  },
  "known-anchors": (round, author, to) => {
    const x = round % 5;
    const a = predictedLeader(round, MEMBERS);
    const isB = to === (a + 1) % MEMBERS;
    const isD = author === (a + 3) % MEMBERS;
    if (round < 5) return 0;
    if (x <= 1 && author === a) return round + 1;
    if (x === 2 && author === a && !isB) return round + 1;
    if (x === 2 && isD && isB) return round + 1;
    return 0;
  },
};

interface Role {
  readonly isA: boolean;
  readonly isD: boolean;
}

/** x: rounds since the attacked slot's, negative outside; the author's and the receiver's parts. */
function attack(round: number, author: number, to: number): { x: number; role: Role; of: Role } {
  const period = Math.floor((round - 2) / PERIOD);
  const a = (period + MEMBERS) % MEMBERS;
  const roleOf = (member: number): Role => ({ isA: member === a, isD: member === (a + 3) % MEMBERS });
  return { x: round < 2 ? -1 : (round - 2) % PERIOD, role: roleOf(author), of: roleOf(to) };
}

/** Holds up blocks on top of what the network does. Throws RangeError unless there are four members. */
export function directed(network: Network, name: ScheduleName, sight: Sight): Network {
  if (sight.members !== MEMBERS) throw new RangeError(`schedule ${name} is for ${MEMBERS} members`);
  const gate = GATES[name];
  const slots = new WeakMap<Uint8Array, readonly Slot[]>();
  let isHealed = false;
  return {
    delays: (sent, nowMs) => network.delays(sent, nowMs),
    heldMs: ({ to, bytes }) => {
      if (isHealed) return 0;
      let carried = slots.get(bytes);
      if (carried === undefined) {
        carried = slotsOf(bytes);
        slots.set(bytes, carried);
      }
      const own = sight.consensus(to)?.lastOwnRound ?? 0;
      const isOpen = carried.every(({ round, author }) => author === to || own >= gate(round, author, to));
      return isOpen ? 0 : UNIT_MS / 20;
    },
    heal: () => {
      isHealed = true;
      network.heal();
    },
  };
}

interface Slot {
  readonly round: number;
  readonly author: number;
}

/** Of every block in a message. */
function slotsOf(bytes: Uint8Array): readonly Slot[] {
  const message = decodeMessage(bytes);
  if (message.kind !== "consensus") return [];
  const inner = decodeConsensusMessage(message.bytes);
  const blocks =
    inner.kind === "block" ? [inner.bytes] : inner.kind === "bundle" || inner.kind === "fetched" ? inner.blocks : [];
  return blocks.flatMap((block) => slotOfBytes(block) ?? []);
}

/**
 * Before the first block after a start: what do the others have of us? A member whose data directory is an older copy, or empty, does not
 * know what it signed since, and would sign those rounds again at once. The newest block of any other member has almost all of ours
 * among its ancestors; whoever waits for n − f − 1 of them, with all ancestors, finds out. Costs no liveness: fewer than n − f members
 * get nowhere anyhow, and members send their newest block to whoever connects.
 *
 * Not found: a block of ours that nobody had accepted when it proposed last. Hence the operator's word counts (`MemberConfig.signsIn`).
 */
import { slotOfBytes } from "../consensus/block.ts";
import type { Consensus } from "../consensus/consensus.ts";
import type { ConsensusMessage } from "../consensus/types.ts";
import { maxFaulty, quorumOf } from "../lib/math.ts";
import type { Recovered } from "./types.ts";

/** After the replay; undefined where there is nobody to listen to, or no need. */
export function listeningAfter(
  { listens, signedRound = 0 }: Pick<Recovered, "listens" | "signedRound">,
  members: number,
  retryMs: number,
): Listening | undefined {
  if (listens !== true || members === 1) return undefined;
  return new Listening(members, signedRound > 0 ? undefined : 2 * retryMs);
}

export class Listening {
  readonly #needed: number;
  readonly #faulty: number;
  readonly #patienceMs: number | undefined;
  readonly #shown = new Map<number, number>();
  readonly #connected = new Set<number>();
  #enoughAtMs: number | undefined;

  /**
   * `patienceMs` for a member whose register knows of no block in this epoch: most likely nobody has one, and at an epoch's beginning nobody
   * has anything to show. So long after n − f − 1 others are connected it does without; more than f blocks that were shown it still waits for.
   */
  constructor(members: number, patienceMs: number | undefined) {
    this.#needed = quorumOf(members) - 1;
    this.#faulty = maxFaulty(members);
    this.#patienceMs = patienceMs;
  }

  connected(peer: number, nowMs: number): void {
    this.#connected.add(peer);
    if (this.#connected.size >= this.#needed) this.#enoughAtMs ??= nowMs;
  }

  /** A peer sent this: blocks of its own in it count. */
  heard(from: number, message: ConsensusMessage): void {
    const shown = message.kind === "block" ? [message.bytes] : message.kind === "bundle" ? message.blocks : [];
    for (const bytes of shown) {
      const slot = slotOfBytes(bytes);
      if (slot?.author === from) this.#shown.set(from, Math.max(slot.round, this.#shown.get(from) ?? 0));
    }
  }

  /** Enough of what was shown is in the DAG with all its ancestors, or below its floor. */
  isOver(consensus: Pick<Consensus, "floor" | "blocksAt">, nowMs: number): boolean {
    const isHeld = (author: number, round: number): boolean =>
      round <= consensus.floor || consensus.blocksAt(round).some((block) => block.author === author);
    const held = [...this.#shown].filter(([author, round]) => isHeld(author, round)).length;
    if (held >= this.#needed) return true;
    if (this.#patienceMs === undefined || this.#enoughAtMs === undefined) return false;
    return nowMs >= this.#enoughAtMs + this.#patienceMs && this.#shown.size - held <= this.#faulty;
  }
}

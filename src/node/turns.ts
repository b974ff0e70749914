/**
 * Inputs that wait for the member, by whom they come from. Peers take turns (deficit round robin): whoever floods us with what is
 * costly to check delays itself. What waits of one peer is bounded, and a peer beyond that is not read until it is worked off.
 *
 * Claim: a message of cost c that is the only one of its peer is handed out after others' work of at most
 * (lanes − 1) × (⌈c / QUANTUM⌉ × QUANTUM + M) units, lanes being the peers and users with something waiting and M the largest cost of
 * one message. How much waits of the others does not matter.
 */
import { costOf } from "../member/cost.ts";
import type { MemberInput } from "../member/types.ts";

/** Units (member/cost.ts) that a peer may use per turn: a round's worth of messages of an honest one. */
export const QUANTUM = 64;
/** Work between two looks at the network, the clock and the API: some twenty milliseconds. */
export const UNITS_PER_DRAIN = 512;
/** What waits of one peer. A member of 100 that all fill it holds 0.8 GiB. */
export const MAX_LANE_BYTES = 8 * 1024 * 1024;
export const MAX_LANE_MESSAGES = 4_096;
/** A peer is read again when this share is left. */
const RESUME_SHARE = 0.5;
/** What arrives although we asked for silence (the rest of what was read already) and would need more than this is dropped. */
const HARD_FACTOR = 2;
/** Lane of what users hand in: one more that takes its turns. */
const USERS = -1;

interface Waiting {
  readonly input: MemberInput;
  readonly units: number;
  readonly bytes: number;
}

interface Lane {
  waiting: Waiting[];
  /** Index of the first that still waits; the array is cut now and then. */
  head: number;
  bytes: number;
  deficit: number;
  isHeld: boolean;
}

export class Turns {
  readonly #hold: (peer: number, isHeld: boolean) => void;
  readonly #lanes = new Map<number, Lane>();
  /** Lanes with something waiting, the one whose turn it is first. */
  #order: number[] = [];
  /** Whose turn began: it has had its quantum. */
  #isTurn = false;
  /** Our own: clocks, chains and connections. Few, and always first. */
  #own: MemberInput[] = [];
  #dropped = 0;

  /** `hold`: stop or go on reading what a peer sends. */
  constructor(hold: (peer: number, isHeld: boolean) => void) {
    this.#hold = hold;
  }

  get isEmpty(): boolean {
    return this.#own.length === 0 && this.#order.length === 0;
  }

  /** Sizes of everything that grows, for metrics and for tests of the bounds. */
  get sizes(): { readonly messages: number; readonly bytes: number; readonly dropped: number } {
    let messages = this.#own.length;
    let bytes = 0;
    for (const lane of this.#lanes.values()) {
      messages += lane.waiting.length - lane.head;
      bytes += lane.bytes;
    }
    return { messages, bytes, dropped: this.#dropped };
  }

  push(input: MemberInput): void {
    const id = laneOf(input);
    if (id === undefined) {
      this.#own.push(input);
      return;
    }
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = { waiting: [], head: 0, bytes: 0, deficit: 0, isHeld: false };
      this.#lanes.set(id, lane);
    }
    const bytes = input.kind === "message" ? input.bytes.length : 0;
    const count = lane.waiting.length - lane.head;
    // Users wait for an answer each, and the API bounds how many: theirs are never dropped.
    const isExcess = count >= HARD_FACTOR * MAX_LANE_MESSAGES || lane.bytes + bytes > HARD_FACTOR * MAX_LANE_BYTES;
    if (id !== USERS && count > 0 && isExcess) {
      this.#dropped++;
      return;
    }
    if (count === 0) this.#order.push(id);
    lane.waiting.push({ input, units: unitsOf(input), bytes });
    lane.bytes += bytes;
    if (id !== USERS && !lane.isHeld && isFull(lane, 1)) this.#setHeld(id, lane, true);
  }

  /** The next input and what it may cost; undefined when nothing waits. */
  next(): { readonly input: MemberInput; readonly units: number } | undefined {
    const own = this.#own.shift();
    if (own !== undefined) return { input: own, units: 1 };
    for (;;) {
      const id = this.#order[0];
      if (id === undefined) return undefined;
      const lane = this.#lanes.get(id)!;
      if (!this.#isTurn) lane.deficit += QUANTUM;
      this.#isTurn = true;
      const first = lane.waiting[lane.head]!;
      if (first.units <= lane.deficit) {
        lane.deficit -= first.units;
        this.#take(id, lane, first);
        return first;
      }
      this.#endTurn(true);
    }
  }

  /** Other members from now on: what the old ones said is about an epoch that is over. */
  forgetPeers(): void {
    const users = this.#lanes.get(USERS);
    this.#lanes.clear();
    this.#isTurn = false;
    this.#order = [];
    if (users === undefined) return;
    this.#lanes.set(USERS, users);
    if (users.waiting.length > users.head) this.#order.push(USERS);
  }

  #take(id: number, lane: Lane, { bytes }: Waiting): void {
    lane.head++;
    lane.bytes -= bytes;
    if (lane.head === lane.waiting.length) {
      // Whoever has nothing waiting saves nothing up.
      Object.assign(lane, { waiting: [], head: 0, deficit: 0 });
      this.#endTurn(false);
    } else if (lane.head > 1_024 && 2 * lane.head > lane.waiting.length) {
      lane.waiting = lane.waiting.slice(lane.head);
      lane.head = 0;
    }
    if (lane.isHeld && !isFull(lane, RESUME_SHARE)) this.#setHeld(id, lane, false);
  }

  #endTurn(isWaiting: boolean): void {
    const id = this.#order.shift()!;
    if (isWaiting) this.#order.push(id);
    this.#isTurn = false;
  }

  #setHeld(peer: number, lane: Lane, isHeld: boolean): void {
    lane.isHeld = isHeld;
    this.#hold(peer, isHeld);
  }
}

function isFull({ waiting, head, bytes }: Lane, share: number): boolean {
  return waiting.length - head >= share * MAX_LANE_MESSAGES || bytes >= share * MAX_LANE_BYTES;
}

function laneOf(input: MemberInput): number | undefined {
  switch (input.kind) {
    case "message":
      return input.from;
    case "submit":
    case "transactions":
      return USERS;
    default:
      return undefined;
  }
}

function unitsOf(input: MemberInput): number {
  switch (input.kind) {
    case "message":
      return costOf(input.bytes);
    case "submit":
      return 1 + input.instructions.length;
    case "transactions":
      return 1 + 16 * input.transactions.length;
    default:
      return 1;
  }
}

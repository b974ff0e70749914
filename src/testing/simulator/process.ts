/** A process of a shipping member: what it runs with, what becomes of it, and who stands between it and the world. */
import { DEFAULT_CONSENSUS_LIMITS } from "../../consensus/limits.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../member/limits.ts";
import type { Member } from "../../member/member.ts";
import type { MemberConfig, MemberEffect, MemberInput, Recovered } from "../../member/types.ts";
import { SimulatedDisk } from "./disk.ts";
import { UNIT_MS } from "./network.ts";

/** What a member runs with: full speed, a round a message delay, as the latency figures are defined. */
export const SIMULATED_MEMBER: Pick<
  MemberConfig,
  "retainedRounds" | "activityWindow" | "consensusLimits" | "limits" | "pacing"
> = {
  retainedRounds: 64,
  activityWindow: 32,
  consensusLimits: DEFAULT_CONSENSUS_LIMITS,
  limits: DEFAULT_MEMBER_LIMITS,
  pacing: { busyIntervalMs: 0, idleIntervalMs: 0, retryMs: 5 * UNIT_MS },
};

/** Stands between a malicious process's member and the world: what the member wants done happens as far as its driver does it. */
export interface Driver {
  /** After each step of the member. */
  act(effects: readonly MemberEffect[]): void;
  /** Before the member takes a message. */
  heard?(from: number, bytes: Uint8Array): void;
  /** What its member is told that its disk holds. */
  recovered?(recovered: Recovered): Recovered;
}

export interface Process {
  disk: SimulatedDisk;
  /** Set: malicious. */
  driver: Driver | undefined;
  member: Member | undefined;
  /** Persons by index of the committee that the transport was made for. */
  peers: readonly number[];
  /** Counts restarts, so that a dead process's timers do not wake its successor. */
  life: number;
  wakeAtMs: number | undefined;
  /** Set: it looks at its inbox so long after the first message came there. */
  busyMs: number | undefined;
  inbox: MemberInput[];
  /** Set: the next step with effects is cut off after this many sends; negative: while it writes. */
  crashAfter: number | undefined;
  everCrashed: boolean;
  crashes: CrashPlan | undefined;
}

/** How far apart crashes are and how long the process is down: at most, in message delays. */
export interface CrashPlan {
  readonly everyUnits: number;
  readonly downUnits: number;
}

export const RARE_CRASHES: CrashPlan = { everyUnits: 105, downUnits: 40 };

/** One that has not run yet, with an empty disk. */
export function createProcess(): Process {
  return {
    disk: new SimulatedDisk(),
    driver: undefined,
    member: undefined,
    peers: [],
    life: 0,
    wakeAtMs: undefined,
    busyMs: undefined,
    inbox: [],
    crashAfter: undefined,
    everCrashed: false,
    crashes: undefined,
  };
}

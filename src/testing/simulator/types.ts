/** What goes into a simulation and what comes out. */
import type { Hex } from "../../lib/hex.ts";
import type { Engine, Suite } from "../../threshold/types.ts";
import type { LatencyReport } from "./latency.ts";
import type { Control } from "./names.ts";
import type { DelayModel } from "./network.ts";
import type { ScheduleName } from "./schedules.ts";

export interface SimulationConfig {
  readonly members: number;
  /** A name of names.ts, or several joined by "+". */
  readonly adversary: string;
  readonly seed: bigint;
  /** Rounds of the phase with faults. With `reshare` it ends when all changes were tried, and this bounds nothing. */
  readonly rounds: number;
  /** Delays without chaos. */
  readonly delays: Exclude<DelayModel, "chaos">;
  /** Real engines, or undefined for the stand-in. */
  readonly engines?: Readonly<Record<Suite, Engine>> | undefined;
  /** Users that keep one instruction under way each. */
  readonly owners: number;
  /** What is left out. Not with `reshare`, which has its own. */
  readonly control?: Control | undefined;
  /** Decision rule by name (rules/rules.ts); default `ours`. */
  readonly rule?: string | undefined;
  /** Of four members: what is kept from whom and until when (schedules.ts), beside the adversary. */
  readonly schedule?: ScheduleName | undefined;
}

export interface SimulationReport {
  readonly members: number;
  /** f. */
  readonly faulty: number;
  readonly adversary: string;
  readonly seed: string;
  readonly agreement: boolean;
  readonly violations: readonly string[];
  readonly rounds: number;
  readonly commits: number;
  readonly batches: number;
  readonly certificates: number;
  /** Committees that ordered something, one after the other. */
  readonly epochs: number;
  readonly crashes: number;
  /** How often a member went on from another's checkpoint within the epoch, and how often it refused one. */
  readonly catchUps?: { readonly taken: number; readonly refused: number };
  /** Malicious members by what they do, what they did that way, and who of them was shown to have signed twice. */
  readonly malice?: {
    readonly members: Readonly<Record<string, readonly number[]>>;
    readonly acts: number;
    readonly exposed: readonly number[];
    /** Messages that no honest member may act upon, each followed by a look at the receiver's state. */
    readonly probes: number;
  };
  /** Honest members that the run took from the signers: lost or corrupt disks. */
  readonly learners?: readonly number[];
  readonly messages: number;
  readonly instructions: { readonly submitted: number; readonly applied: number; readonly unsettled: number };
  /** In message delays, over all blocks of members that never crashed, at all such members. */
  readonly latency: LatencyReport;
  readonly traceHash: Hex;
}

/** A run that has not converged this long (in message delays) after the network healed never will: a liveness violation. */
export const CONVERGENCE_UNITS = 2000;
/** The same with a control, which is to fail: sound runs take less than a hundred. */
export const CONTROL_UNITS = 400;

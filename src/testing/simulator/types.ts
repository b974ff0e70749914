/** What goes into a simulation and what comes out. */
import type { Hex } from "../../lib/hex.ts";
import type { Engine, Suite } from "../../threshold/types.ts";
import type { LatencyReport } from "./latency.ts";
import type { DelayModel } from "./network.ts";

export const ADVERSARIES = ["none", "crash", "chaos", "crash-chaos", "loss", "partition", "lag", "reshare"] as const;
/**
 * none: honest network; crash: f members crash at random effects and come back; chaos: messages overtake each other by rounds;
 * loss: one message in five never arrives; partition: now and then two groups hear nothing of each other; lag: f members hear
 * and say nothing for several K rounds, then they are back; reshare: the committee
 * changes again and again, with malicious dealers, members that never open their shares, crashes and chaos.
 */
export type Adversary = (typeof ADVERSARIES)[number];

/**
 * What a run can be made to leave out, and must then fail: no-catch-up: members that are behind wait for what never comes;
 * no-checkpoint-check: the first one asked lies about where the order stands, and is believed.
 */
export type LagControl = "no-catch-up" | "no-checkpoint-check";

export interface SimulationConfig {
  readonly members: number;
  /** One of ADVERSARIES. */
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
  /** Decision rule by name (rules/rules.ts); default `ours`. */
  readonly rule?: string | undefined;
}

export interface SimulationReport {
  readonly members: number;
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
  /** With `lag`: how often a member went on from another's checkpoint within the epoch, and how often it refused one. */
  readonly catchUps?: { readonly taken: number; readonly refused: number };
  readonly messages: number;
  readonly instructions: { readonly submitted: number; readonly applied: number; readonly unsettled: number };
  /** In message delays, over all blocks of members that never crashed, at all such members. */
  readonly latency: LatencyReport;
  readonly traceHash: Hex;
}

/** A run that has not converged this long (in message delays) after the network healed never will: a liveness violation. */
export const CONVERGENCE_UNITS = 2000;

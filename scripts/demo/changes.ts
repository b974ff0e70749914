/**
 * The committee changes while it works: four become N, then fewer with two of the first four among them, all under one key;
 * then three of the first four are gone, so that the committee makes itself a new key and both hubs follow the handover.
 */

import type { Devnet } from "../../src/cli/devnet/devnet.ts";
import { type ChangeOptions, changeMembers, type MemberChange } from "../../src/cli/devnet/reshare.ts";
import type { HubWatch } from "./hub-watch.ts";
import type { Progress } from "./progress.ts";
import { DemoFailure } from "./tracker.ts";

export interface ReshareReport {
  readonly from: number;
  readonly to: number;
  readonly epoch: number;
  readonly durationMs: number;
  readonly groupKeyUnchanged: boolean;
}

export interface HandoverReport {
  readonly number: number;
  /** Chains whose hub has followed and accepted a certificate by the new key. */
  readonly chains: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly epoch: number;
  readonly durationMs: number;
}

export interface Changes {
  readonly reshares: readonly ReshareReport[];
  readonly handovers: readonly HandoverReport[];
  /** Submitted since the first change began, all of them final: not one was lost. */
  readonly instructionsMeanwhile: number;
}

/** Who is in after each change, as persons of the devnet. The first member stays throughout: it is whom the demo follows. */
export interface ChangePlan {
  readonly stay: (seats: readonly number[]) => readonly number[];
  readonly size: number;
  readonly kind: MemberChange["kind"];
}

const FIRST_MEMBERS = 4;
/** As many as a ceremony has at least. */
const FEWEST = 4;

/** 4 → N → N − 2 (at least four, two of the first four among them) → the same size with one of the first four. */
export function planChanges(largest: number): readonly ChangePlan[] {
  const smaller = Math.max(FEWEST, largest - 2);
  const isFirst = (person: number): boolean => person < FIRST_MEMBERS;
  const keepOfFirst = (count: number) => (seats: readonly number[]) => {
    const first = seats.filter(isFirst).sort((a, b) => a - b);
    const others = seats.filter((person) => !isFirst(person));
    return [...first.slice(0, count), ...others.slice(0, smaller - count)];
  };
  return [
    { stay: (seats) => seats, size: largest, kind: "reshare" },
    { stay: keepOfFirst(2), size: smaller, kind: "reshare" },
    { stay: keepOfFirst(1), size: smaller, kind: "generation" },
  ];
}

export interface ChangeRun {
  readonly devnet: Devnet;
  readonly hubs: readonly HubWatch[];
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Who may be asked and given instructions while the change goes on, and after it. */
  readonly setEntrances: (persons: readonly number[]) => void;
  readonly check: () => void;
}

/** How long hubs may take to accept what the new epoch certified. */
const FOLLOW_TIMEOUT_MS = 60_000;

/** Carries out one change and waits until both hubs accepted a certificate of the new epoch. */
export async function carryOut(
  run: ChangeRun,
  seats: readonly number[],
  { stay: staying, size, kind }: ChangePlan,
): Promise<MemberChange> {
  const { devnet, hubs, progress, signal } = run;
  const stay = staying(seats);
  const newcomers = size - stay.length;
  const leave = seats.length - stay.length;
  progress.phase(
    `members change while instructions flow: ${seats.length} become ${size} (${leave} leave, ${newcomers} join)`,
  );
  run.setEntrances(stay);
  const keysBefore = hubs.map(({ keyChanges }) => keyChanges.length);
  const fromMs = performance.now();
  const options: ChangeOptions = { seats, stay, newcomers, signal, onProgress: (text) => progress.phase(`  ${text}`) };
  const change = await changeMembers(devnet, options);
  run.setEntrances(change.seats);
  if (change.kind !== kind) throw new DemoFailure(`the change was a ${change.kind}, not a ${kind}`);
  const epoch = change.epoch;
  const deadline = performance.now() + FOLLOW_TIMEOUT_MS;
  const isFollowed = (hub: HubWatch): boolean => hub.heads.some((head) => head.epoch >= epoch);
  while (!hubs.every(isFollowed)) {
    run.check();
    if (performance.now() > deadline) throw new DemoFailure(`a hub accepted nothing of epoch ${epoch}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const [k, hub] of hubs.entries()) {
    if (!hub.heads.some(({ seenMs, epoch: of }) => seenMs > fromMs && of === epoch - 1n)) {
      throw new DemoFailure(`chain ${hub.chainId} accepted nothing while the members changed`);
    }
    const changed = hub.keyChanges.length - keysBefore[k]!;
    if (changed !== (kind === "generation" ? 1 : 0)) {
      throw new DemoFailure(`chain ${hub.chainId} changed its verifier ${changed} times in a ${kind}`);
    }
  }
  const seconds = (change.durationMs / 1000).toFixed(1);
  progress.phase(
    kind === "reshare"
      ? `epoch ${epoch} is certified after ${seconds} s under the same key; both hubs accept it with the same verifiers`
      : `epoch ${epoch} is certified after ${seconds} s under a new key; both hubs followed the handover`,
  );
  run.check();
  return change;
}

export function changesOf(
  changes: readonly MemberChange[],
  hubs: readonly HubWatch[],
): Omit<Changes, "instructionsMeanwhile"> {
  const figures = ({ from, to, epoch, durationMs }: MemberChange) => ({ from, to, epoch: Number(epoch), durationMs });
  const reshares = changes
    .filter(({ kind }) => kind === "reshare")
    .map((change) => ({ ...figures(change), groupKeyUnchanged: change.groupKeyUnchanged }));
  const handovers = changes
    .filter(({ kind }) => kind === "generation")
    .map((change, k) => {
      const number = k + 1;
      const followed = hubs.filter(
        ({ keyChanges, heads }) =>
          keyChanges.some((each) => each.number === number) && heads.some(({ epoch }) => epoch >= change.epoch),
      );
      return { number, chains: followed.map(({ chainId }) => chainId.toString()), ...figures(change) };
    });
  return { reshares, handovers };
}

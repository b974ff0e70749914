/**
 * Fuzzes one decoder: mutates what is known, keeps what reaches new code, and watches what every run does: which errors it throws,
 * what it accepts, how much it computes and how much it allocates. A seed gives the same campaign on every machine.
 */
import { isClocklessError } from "../../src/lib/errors.ts";
import type { AllocationMeter } from "./allocations.ts";
import { type Coverage, Reached, type Run } from "./coverage.ts";
import { Dice, mutateBytes } from "./mutate.ts";
import { mutateJson } from "./mutate-json.ts";
import { type Target, Violation } from "./target.ts";

export interface Finding {
  readonly decoder: string;
  readonly kind: "untyped" | "violation" | "steps" | "allocation" | "seed" | "hang" | "crash";
  readonly what: string;
  /** Hex without 0x. */
  readonly input: string;
}

export interface Report {
  readonly decoder: string;
  readonly executions: number;
  readonly accepted: number;
  /** Characters of source that ran. */
  readonly reached: number;
  readonly corpus: number;
  /** Most steps of one run that was measured alone, and its input's length. */
  readonly maxSteps: number;
  readonly maxStepsBytes: number;
  readonly findings: readonly Finding[];
}

export interface Instruments {
  readonly coverage: Coverage;
  readonly allocations: AllocationMeter;
  /** Told before each run: whoever watches can say what hung. */
  readonly about: (input: Uint8Array) => void;
}

const BATCH = 512;
/** Runs that one look at the coverage costs the time of. Searches take about half of it all at most: short campaigns hardly search. */
const RUNS_PER_TAKE = 100;
/** Looks that it takes to find one input in a batch. */
const SEARCH_TAKES = 10;
const MAX_CORPUS = 2_000;
/** What a run may allocate in typed arrays. Decoders copy and encode again: some multiple of what came, never what it announces. */
const ALLOCATION_BASE = 256 * 1024;
const ALLOCATION_PER_BYTE = 64;
const DEFAULT_STEPS = { base: 50_000, perByte: 1_000 };
/** The same mistake is found thousands of times. */
const MAX_FINDINGS = 8;

interface Entry {
  readonly input: Uint8Array;
}

export class Campaign {
  readonly #target: Target;
  readonly #instruments: Instruments;
  readonly #reached = new Reached();
  readonly #corpus: Entry[] = [];
  readonly #findings = new Map<string, Finding>();
  #executions = 0;
  /** Cost of all searches, in runs. */
  #searched = 0;
  #accepted = 0;
  #maxSteps = 0;
  #maxStepsBytes = 0;

  constructor(target: Target, instruments: Instruments) {
    this.#target = target;
    this.#instruments = instruments;
  }

  run(executions: number, seed: number): Report {
    const { coverage } = this.#instruments;
    coverage.take();
    for (const input of this.#target.seeds) {
      if (!this.#execute(input)) this.#find("seed", "a seed is not accepted", input);
      this.#keep(input, coverage.take());
    }
    const seeds = this.#target.seeds.length;
    for (let batch = 0; this.#executions < executions; batch++) {
      const dice = new Dice(seed, batch);
      const inputs = Array.from({ length: Math.min(BATCH, executions - this.#executions) }, () =>
        this.#next(dice, seeds),
      );
      for (const input of inputs) this.#execute(input);
      const run = coverage.take();
      if (this.#isSlow(inputs, run)) this.#search(inputs, "steps");
      const cost = 2 * inputs.length + SEARCH_TAKES * RUNS_PER_TAKE;
      if (this.#reached.isExceededBy(run) && this.#searched + cost <= this.#executions) {
        this.#search(inputs, "reach");
        // What no second run reaches (something was initialised, once) is known from now on, or every batch would be searched.
        this.#reached.add(run);
      }
      // One run of each batch alone, for its steps.
      const sample = dice.pick(inputs);
      this.#execute(sample);
      this.#measure(sample, coverage.take().steps);
    }
    return this.#report();
  }

  /** Once, alone; for what was found before. */
  replay(input: Uint8Array): Report {
    this.#instruments.coverage.take();
    if (this.#execute(input)) this.#accepted++;
    this.#measure(input, this.#instruments.coverage.take().steps);
    return this.#report();
  }

  #report(): Report {
    return {
      decoder: this.#target.name,
      executions: this.#executions,
      accepted: this.#accepted,
      reached: this.#reached.size,
      corpus: this.#corpus.length,
      maxSteps: this.#maxSteps,
      maxStepsBytes: this.#maxStepsBytes,
      findings: [...this.#findings.values()],
    };
  }

  /** Half of the time something found lately; seeds always have their chance. */
  #next(dice: Dice, seeds: number): Uint8Array {
    const { format, maxBytes } = this.#target;
    const newest = Math.min(this.#corpus.length, 16);
    const places = [
      dice.below(this.#corpus.length),
      dice.below(Math.max(1, seeds)),
      this.#corpus.length - 1 - dice.below(newest),
    ];
    const { input } = this.#corpus[dice.pick(places)]!;
    const other = dice.pick(this.#corpus).input;
    return (format === "json" ? mutateJson : mutateBytes)(input, other, dice, maxBytes);
  }

  /** True when accepted. */
  #execute(input: Uint8Array): boolean {
    const { about, allocations } = this.#instruments;
    this.#executions++;
    about(input);
    allocations.reset();
    let isAccepted = false;
    try {
      isAccepted = this.#target.run(input);
      if (isAccepted) this.#accepted++;
    } catch (error) {
      if (error instanceof Violation) this.#find("violation", error.message, input);
      else if (!isClocklessError(error)) this.#find("untyped", describe(error), input);
    }
    const most = ALLOCATION_BASE + ALLOCATION_PER_BYTE * input.length;
    if (allocations.bytes > most)
      this.#find("allocation", `more than ${most} bytes of typed arrays for ${input.length} bytes`, input);
    return isAccepted;
  }

  /** Runs halves again until what the batch showed is one input's. */
  #search(inputs: readonly Uint8Array[], what: "reach" | "steps"): void {
    for (const input of inputs) this.#execute(input);
    this.#searched += inputs.length + RUNS_PER_TAKE;
    const run = this.#instruments.coverage.take();
    if (inputs.length === 1) {
      this.#measure(inputs[0]!, run.steps);
      if (what === "reach" && this.#reached.isExceededBy(run)) this.#keep(inputs[0]!, run);
      return;
    }
    const isSuspect = what === "reach" ? this.#reached.isExceededBy(run) : this.#isSlow(inputs, run);
    if (!isSuspect) return;
    const half = inputs.length >> 1;
    this.#search(inputs.slice(0, half), what);
    this.#search(inputs.slice(half), what);
  }

  #keep(input: Uint8Array, run: Run): void {
    this.#reached.add(run);
    if (this.#corpus.length < MAX_CORPUS) this.#corpus.push({ input });
    this.#measure(input, run.steps);
  }

  #isSlow(inputs: readonly Uint8Array[], { steps }: Run): boolean {
    return steps > inputs.reduce((sum, { length }) => sum + this.#allowedSteps(length), 0);
  }

  #measure(input: Uint8Array, steps: number): void {
    if (steps > this.#maxSteps) [this.#maxSteps, this.#maxStepsBytes] = [steps, input.length];
    const allowed = this.#allowedSteps(input.length);
    if (steps > allowed) this.#find("steps", `${steps} steps for ${input.length} bytes, allowed ${allowed}`, input);
  }

  #allowedSteps(length: number): number {
    const { base, perByte } = this.#target.steps ?? DEFAULT_STEPS;
    return base + perByte * length;
  }

  #find(kind: Finding["kind"], what: string, input: Uint8Array): void {
    const key = `${kind} ${what.replace(/\d+/g, "#")}`;
    if (this.#findings.has(key) || this.#findings.size >= MAX_FINDINGS) return;
    this.#findings.set(key, { decoder: this.#target.name, kind, what, input: Buffer.from(input).toString("hex") });
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  const place =
    error.stack
      ?.split("\n")
      .find((line) => line.includes("/src/"))
      ?.match(/src\/[^)]*/)?.[0] ?? "";
  return `${error.name}: ${error.message.slice(0, 200)}${place === "" ? "" : ` at ${place}`}`;
}

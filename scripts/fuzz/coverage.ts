/**
 * Which blocks of code a run went through, as V8 counts them (Profiler.takePreciseCoverage, block granularity): exact, without a
 * compiler of our own, and the sum of the counts measures work in steps that no machine's speed changes. One take costs some
 * milliseconds, so it is asked once per batch of runs.
 */
import { type Profiler, Session } from "node:inspector";

/** A function that ran, and which parts of it did: outer ranges first, inner ones override them. */
interface FunctionRun {
  readonly name: string;
  readonly ranges: readonly Profiler.CoverageRange[];
}

export interface Run {
  readonly functions: readonly FunctionRun[];
  /** Sum of all counts: about how many blocks of JavaScript were executed. */
  readonly steps: number;
}

/** What is not counted: Node, and the fuzzer itself but for its controls. */
const IGNORED = /^node:|^$|\/scripts\/fuzz\/(?!targets\/controls)/;

export class Coverage {
  readonly #session = new Session();

  /** Call before what is to be measured is loaded: functions compiled earlier are counted all the same, but more slowly found. */
  start(): void {
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  stop(): void {
    this.#post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  /** Everything since the last call; counts start again from zero. */
  take(): Run {
    // CAST: the protocol's answer to this method
    const { result } = this.#post("Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    const functions: FunctionRun[] = [];
    let steps = 0;
    for (const script of result) {
      if (IGNORED.test(script.url)) continue;
      for (const { ranges } of script.functions) {
        if (ranges[0]!.count === 0) continue;
        functions.push({ name: `${script.scriptId}:${ranges[0]!.startOffset}`, ranges });
        for (const { count } of ranges) steps += count;
      }
    }
    return { functions, steps };
  }

  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    let failure: Error | null = null;
    // Within one thread the session answers before `post` returns.
    this.#session.post(method, params, (error, value) => {
      failure = error;
      answer = value;
    });
    if (failure !== null) throw failure;
    return answer;
  }
}

/**
 * The source text that was ever executed, by function. V8 says nothing of a block that ran as often as the one around it, so that
 * what is compared is text, not names of blocks.
 */
export class Reached {
  readonly #byFunction = new Map<string, Uint8Array>();

  /** Characters of source. */
  get size(): number {
    let size = 0;
    for (const text of this.#byFunction.values()) for (const isReached of text) size += isReached;
    return size;
  }

  /** True when a run reached more than this. */
  isExceededBy({ functions }: Run): boolean {
    return functions.some(({ name, ranges }) => {
      const known = this.#byFunction.get(name);
      return known === undefined || textOf(ranges).some((isReached, i) => isReached > known[i]!);
    });
  }

  add({ functions }: Run): void {
    for (const { name, ranges } of functions) {
      const text = textOf(ranges);
      const known = this.#byFunction.get(name);
      if (known === undefined) this.#byFunction.set(name, text);
      else for (const [i, isReached] of text.entries()) known[i]! |= isReached;
    }
  }
}

/** 1 for each character of a function that ran. */
function textOf(ranges: readonly Profiler.CoverageRange[]): Uint8Array {
  const { startOffset: start, endOffset: end } = ranges[0]!;
  const text = new Uint8Array(end - start);
  for (const { startOffset, endOffset, count } of ranges)
    text.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
  return text;
}

/**
 * Threads that simulate, one per core. A thread that dies, or computes for too long, costs the order it had: that is told as an error,
 * and another thread takes its place.
 */
import { Worker } from "node:worker_threads";
import type { ControlOutcome } from "./controls.ts";
import type { Outcome } from "./job.ts";
import type { Shrunk } from "./shrink.ts";
import type { TwinsResult } from "./twins.ts";
import type { Order } from "./worker.ts";

interface Answers {
  readonly run: Outcome;
  readonly shrink: Shrunk;
  readonly control: ControlOutcome;
  readonly twins: TwinsResult;
}
export type Answer<O extends Order> = Answers[O["kind"]];

export interface PoolOptions {
  readonly threads: number;
  /** Longer than any order takes. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

export class ThreadPool {
  readonly #options: PoolOptions;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Rejects with an Error when the thread died or was too slow, and with the signal's reason when it aborts. */
  async run<O extends Order>(order: O): Promise<Answer<O>> {
    const { signal, limitMs } = this.#options;
    signal.throwIfAborted();
    const worker = this.#idle.pop() ?? this.#start();
    let end = (): void => undefined;
    try {
      const answer = await new Promise<Answer<O>>((resolve, reject) => {
        const abort = (): void => reject(signal.reason);
        const exit = (code: number): void => reject(new Error(`its thread ended with ${code}`));
        const tooSlow = (): void => reject(new Error(`did not end within ${Math.round(limitMs / 1000)} s`));
        const timer = setTimeout(tooSlow, limitMs);
        signal.addEventListener("abort", abort);
        worker.on("message", resolve).on("error", reject).on("exit", exit);
        end = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", abort);
          worker.off("message", resolve).off("error", reject).off("exit", exit);
        };
        worker.postMessage(order);
      });
      this.#idle.push(worker);
      return answer;
    } catch (error) {
      this.#all.delete(worker);
      void worker.terminate();
      throw error;
    } finally {
      end();
    }
  }

  /** As many at a time as there are threads, in order of the list; `take` gets each answer or error as it comes. */
  async each<O extends Order>(
    orders: Iterable<O>,
    take: (order: O, answer: Answer<O> | undefined, error: unknown) => void,
  ): Promise<void> {
    const iterator = orders[Symbol.iterator]();
    const lane = async (): Promise<void> => {
      for (;;) {
        if (this.#options.signal.aborted) return;
        const next = iterator.next();
        if (next.done === true) return;
        try {
          take(next.value, await this.run(next.value), undefined);
        } catch (error) {
          if (this.#options.signal.aborted) return;
          take(next.value, undefined, error);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#options.threads }, lane));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
    this.#all.clear();
    this.#idle.length = 0;
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url));
    this.#all.add(worker);
    return worker;
  }
}

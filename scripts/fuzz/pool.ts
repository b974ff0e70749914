/** Spreads a campaign over threads and watches them: a thread that stands still or dies is a finding, with the input it was at. */
import { Worker } from "node:worker_threads";
import type { Finding, Report } from "./campaign.ts";
import { ABOUT_HEADER, type Job, type ThreadData } from "./layout.ts";

export interface PoolOptions {
  readonly executions: number;
  readonly seed: number;
  readonly threads: number;
  /** Only these; default: all. */
  readonly decoders?: readonly string[] | undefined;
  /** Instead of a campaign: this input, alone. */
  readonly input?: Uint8Array | undefined;
  readonly onReport?: (report: Report) => void;
}

interface Decoder {
  readonly name: string;
  readonly weight: number;
}

const MAX_INPUT_BYTES = 1 << 20;
/** No decoder takes a thousandth of it; far above, because machines are shared. */
const HANG_MS = 120_000;
/** JavaScript's own heap: the coverage of a large program and the world of seeds take a part of it. */
const MAX_HEAP_MB = 1_024;

/** Reports by decoder, in the decoders' order. Throws RangeError for an unknown decoder. */
export async function fuzz(options: PoolOptions): Promise<readonly Report[]> {
  const isControlled = options.decoders?.every((name) => name.startsWith("control-")) === true;
  const first = await startThread(isControlled);
  const decoders = chosen(first.decoders, options.decoders);
  const total = decoders.reduce((sum, { weight }) => sum + weight, 0);
  const jobs: Job[] = decoders.map(({ name, weight }) => ({
    decoder: name,
    executions: Math.max(1, Math.ceil((options.executions * weight) / total)),
    seed: options.seed,
    input: options.input,
  }));
  const reports = new Map<string, Report>();
  const work = async (thread: Thread | undefined): Promise<void> => {
    let current = thread;
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      current ??= await startThread(isControlled);
      const report = await current.run(job);
      if (report.findings.some(({ kind }) => kind === "hang" || kind === "crash")) current = undefined;
      reports.set(job.decoder, report);
      options.onReport?.(report);
    }
    await current?.stop();
  };
  await Promise.all(Array.from({ length: options.threads }, (_, i) => work(i === 0 ? first : undefined)));
  return decoders.map(({ name }) => reports.get(name)!);
}

function chosen(all: readonly Decoder[], names: readonly string[] | undefined): readonly Decoder[] {
  const unknown = names?.find((name) => !all.some((decoder) => decoder.name === name));
  if (unknown !== undefined)
    throw new RangeError(`unknown decoder ${unknown}; one of ${all.map(({ name }) => name).join(", ")}`);
  // Controls have no weight: they run when they are named, alone or all alike.
  if (names === undefined) return all.filter(({ weight }) => weight > 0);
  return all.flatMap((decoder) => (names.includes(decoder.name) ? [{ ...decoder, weight: decoder.weight || 1 }] : []));
}

interface Thread {
  readonly decoders: readonly Decoder[];
  run(job: Job): Promise<Report>;
  stop(): Promise<unknown>;
}

async function startThread(isControlled: boolean): Promise<Thread> {
  const shared = new SharedArrayBuffer(ABOUT_HEADER + MAX_INPUT_BYTES);
  const header = new Int32Array(shared, 0, 2);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: { shared, isControlled } satisfies ThreadData,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const next = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const clear = (): void => {
        worker.off("message", onMessage);
        worker.off("error", onError);
      };
      const onMessage = (value: T): void => {
        clear();
        resolve(value);
      };
      const onError = (error: Error): void => {
        clear();
        reject(error);
      };
      worker.on("message", onMessage);
      worker.on("error", onError);
    });
  const dead = (job: Job, kind: Finding["kind"], what: string): Report => {
    const input = Buffer.from(new Uint8Array(shared, ABOUT_HEADER, header[1]!)).toString("hex");
    const finding = { decoder: job.decoder, kind, what, input };
    const none = { accepted: 0, reached: 0, corpus: 0, maxSteps: 0, maxStepsBytes: 0 };
    return { decoder: job.decoder, executions: Atomics.load(header, 0), ...none, findings: [finding] };
  };
  const decoders = await next<readonly Decoder[]>();
  return {
    decoders,
    stop: () => worker.terminate(),
    run(job) {
      Atomics.store(header, 0, 0);
      const answer = next<Report>();
      worker.postMessage(job);
      return new Promise((resolve) => {
        let before = -1;
        const watch = setInterval(() => {
          const now = Atomics.load(header, 0);
          if (now === before) {
            clearInterval(watch);
            void worker.terminate();
            resolve(dead(job, "hang", "one run did not end"));
          }
          before = now;
        }, HANG_MS);
        answer
          .then(resolve, (error: Error) => resolve(dead(job, "crash", `the thread died: ${error.message}`)))
          .finally(() => clearInterval(watch));
      });
    },
  };
}

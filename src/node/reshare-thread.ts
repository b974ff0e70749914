/** Our end of the thread that deals, verifies and opens. Started with the first order: most epochs never change. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { ClocklessError } from "../lib/errors.ts";
import type { DealBundle } from "../threshold/deal-select.ts";
import { ThresholdError, type ThresholdErrorCode } from "../threshold/errors.ts";
import type { ReshareWorker } from "./reshare-port.ts";
import type { ReshareOrder, ReshareResults } from "./reshare-work.ts";
import type { ReshareAnswer } from "./reshare-worker.ts";

export class ReshareThreadError extends ClocklessError<"reshareThreadFailed"> {
  override readonly name = "ReshareThreadError";
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

export function createReshareThread(): ReshareWorker {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let next = 0;
  let isClosed = false;

  const failAll = (reason: string): void => {
    worker = undefined;
    const error = new ReshareThreadError("reshareThreadFailed", `the thread that deals and opens ended: ${reason}`);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };

  const start = (): Worker => {
    // The same file as TypeScript in a checkout and as JavaScript in a package.
    const started = new Worker(new URL(`./reshare-worker${extname(import.meta.url)}`, import.meta.url));
    // It must not keep the process alive, and a waiting order does that no more than a waiting message.
    started.unref();
    started.on("message", (answer: ReshareAnswer) => {
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (asked === undefined) return;
      // CAST: the worker answers each kind of order with its own result
      if ("result" in answer) asked.resolve(answer.result as never);
      else asked.reject(errorOf(answer));
    });
    started.on("error", (error) => started === worker && failAll(String(error)));
    started.on("exit", (code) => started === worker && failAll(`exit code ${code}`));
    return started;
  };

  const ask = <K extends keyof ReshareResults>(
    order: ReshareOrder & { readonly kind: K },
  ): Promise<ReshareResults[K]> =>
    new Promise((resolve, reject) => {
      if (isClosed) return reject(new ReshareThreadError("reshareThreadFailed", "the node stops"));
      worker ??= start();
      const id = next++;
      waiting.set(id, { resolve, reject });
      worker.postMessage({ id, order });
    });

  return {
    deal: (contexts, dealer, shares) => ask({ kind: "deal", contexts, dealer, shares }),
    verify: (context, dealer, bytes) => ask({ kind: "verify", context, dealer, bytes: bytes.slice() }),
    open: (contexts, qualified, keys, index, encryptionSecret) =>
      ask({ kind: "open", contexts, qualified: qualified.map(copyOf), keys, index, encryptionSecret }),
    async close() {
      isClosed = true;
      const ended = worker;
      failAll("the node stops");
      await ended?.terminate();
    },
  };
}

/** Deals are views into blocks and snapshots, and a message to a thread copies all that is behind a view. */
function copyOf({ dealer, deals }: DealBundle): DealBundle {
  return { dealer, deals: Object.fromEntries(Object.entries(deals).map(([suite, bytes]) => [suite, bytes.slice()])) };
}

function errorOf({ code, message }: { readonly code: string | undefined; readonly message: string }): Error {
  return code === undefined
    ? new ReshareThreadError("reshareThreadFailed", message)
    : new ThresholdError(code as ThresholdErrorCode, message); // CAST: carryOut throws no other errors of ours
}

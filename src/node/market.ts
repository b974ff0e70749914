/**
 * Reads the operator's market adapter: any HTTP service that serves the JSON below, with a time and slot prices. Each member has its own adapter; the ledger takes the median of n − f, so f lying adapters change nothing.
 */
import * as z from "zod";
import { decodeForeign } from "../lib/foreign-json.ts";
import type { Logger } from "../telemetry/port.ts";

/** A thousand slots of many markets fit. */
const MAX_ANSWER_BYTES = 1 << 20;

const decimal = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,38})$/)
  .transform(BigInt);

const marketAnswerSchema = z.object({
  /** Seconds since the Unix epoch, as this adapter knows them. */
  time: decimal,
  prices: z
    .array(
      z.object({
        market: z
          .int()
          .min(0)
          .max(2 ** 32 - 1),
        /** End of the first slot, seconds. */
        firstSlotEnd: decimal,
        /** Cash units per quantity unit, one a slot. */
        values: z.array(decimal).min(1).max(1024),
      }),
    )
    .max(64),
});

export type MarketAnswer = z.infer<typeof marketAnswerSchema>;

/** Undefined: any JSON value that is no such answer. */
export function decodeMarketAnswer(value: unknown): MarketAnswer | undefined {
  const decoded = decodeForeign(marketAnswerSchema, value);
  return decoded.success ? decoded.data : undefined;
}

export interface MarketPoller {
  /** Calls back with every answer, changed or not. */
  start(onAnswer: (answer: MarketAnswer) => void): void;
  stop(): void;
  readonly isHealthy: boolean;
}

export interface MarketPollerOptions {
  readonly url: string;
  readonly pollingIntervalMs: number;
  readonly logger: Logger;
}

/** Polls for ever; an adapter that is down or talks nonsense is reported once and asked again. */
export function createMarketPoller(options: MarketPollerOptions): MarketPoller {
  const { url, pollingIntervalMs, logger } = options;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let healthy = false;
  let complained = false;

  const poll = async (onAnswer: (answer: MarketAnswer) => void): Promise<void> => {
    try {
      const response = await fetch(url, {
        signal: AbortSignal.timeout(Math.max(2_000, pollingIntervalMs)),
        redirect: "error",
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const answer = decodeMarketAnswer(JSON.parse(await limitedText(response)));
      if (answer === undefined) throw new Error("JSON that is no market answer");
      if (!healthy) logger.info("the market adapter answers", { url });
      healthy = true;
      complained = false;
      if (!stopped) onAnswer(answer);
    } catch (error) {
      healthy = false;
      if (complained) return;
      complained = true;
      logger.warn("the market adapter does not answer; this member reports no prices and no time until it does", {
        url,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  };

  return {
    get isHealthy() {
      return healthy;
    },
    start(onAnswer) {
      const loop = async (): Promise<void> => {
        await poll(onAnswer);
        if (!stopped) timer = setTimeout(loop, pollingIntervalMs);
      };
      void loop();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** An adapter is the operator's own, but a wrong URL must not fill our memory. */
async function limitedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

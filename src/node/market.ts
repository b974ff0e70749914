/**
 * Reads the operator's market adapter (any HTTP service that serves the JSON below) and turns it into observations: ledger time
 * and slot prices. Each member has its own adapter; the ledger takes the median of n − f, so f lying adapters change nothing.
 */
import { z } from "zod";
import type { Observation } from "../ledger/types.ts";
import type { Logger } from "../telemetry/port.ts";

const decimal = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,38})$/)
  .transform(BigInt);

export const marketAnswerSchema = z.object({
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

export interface MarketPoller {
  start(onObservations: (observations: Observation[]) => void): void;
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
  /** What was reported last, so that an unchanged answer costs no block space. */
  const reported = new Map<string, string>();

  const poll = async (onObservations: (observations: Observation[]) => void): Promise<void> => {
    try {
      const response = await fetch(url, {
        signal: AbortSignal.timeout(Math.max(2_000, pollingIntervalMs)),
        redirect: "error",
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const answer = marketAnswerSchema.parse(JSON.parse(await limitedText(response)));
      if (!healthy) logger.info("the market adapter answers", { url });
      healthy = true;
      const observations = news(answer, reported);
      if (observations.length > 0 && !stopped) onObservations(observations);
    } catch (error) {
      if (healthy || !reported.has("failed")) {
        logger.warn("the market adapter does not answer; this member reports no prices and no time until it does", {
          url,
          reason: error instanceof Error ? error.message : String(error),
        });
      }
      reported.set("failed", "");
      healthy = false;
    }
  };

  return {
    get isHealthy() {
      return healthy;
    },
    start(onObservations) {
      const loop = async (): Promise<void> => {
        await poll(onObservations);
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
  const limit = 1 << 20;
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > limit) throw new Error(`answer of ${bytes.length} bytes`);
  return new TextDecoder().decode(bytes);
}

function news(answer: z.infer<typeof marketAnswerSchema>, reported: Map<string, string>): Observation[] {
  const observations: Observation[] = [];
  const report = (key: string, value: string, observation: Observation): void => {
    if (reported.get(key) === value) return;
    reported.set(key, value);
    observations.push(observation);
  };
  report("time", answer.time.toString(), { kind: "time", seconds: answer.time });
  for (const { market, firstSlotEnd, values } of answer.prices) {
    report(`${market}`, `${firstSlotEnd}:${values.join()}`, { kind: "prices", market, firstSlotEnd, values });
  }
  return observations;
}

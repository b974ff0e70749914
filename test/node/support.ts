/** For tests of running nodes. */
import type { Logger } from "../../src/telemetry/port.ts";
import { silentLogger } from "../../src/telemetry/silent.ts";

/** LOG=1 shows what nodes say. */
export function loggerOf(name: number): Logger {
  if (process.env.LOG === undefined) return silentLogger();
  const text = (_: string, value: unknown): unknown =>
    typeof value === "bigint" ? value.toString() : value instanceof Error ? value.stack : value;
  const say = (message: string, fields: object = {}): void =>
    console.log(name, message, JSON.stringify(fields, text).slice(0, 400));
  const logger: Logger = { debug: say, info: say, warn: say, error: say, child: () => logger };
  return logger;
}

/** A generous limit, a little below that of the whole test: machines that run tests are slow, or do other things, too. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 500_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

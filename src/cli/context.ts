/** What commands get instead of globals: output, environment, and a signal that the first Ctrl-C sets. */
import type { Output } from "./output.ts";

export interface CliContext {
  readonly output: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT or SIGTERM; a second signal ends the process at once. */
  readonly signal: AbortSignal;
  readonly version: string;
}

/** Resolves when the user or the supervisor wants us to stop. */
export function stopRequested(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

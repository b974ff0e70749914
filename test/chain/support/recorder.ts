import type { InboxEntry } from "../../../src/batch/types.ts";
import type { ChainInbox, InboxCursor, InboxEvent } from "../../../src/chain/port.ts";
import type { Logger } from "../../../src/telemetry/port.ts";

/** A logger that keeps lines for assertions. */
export function recordingLogger(): Logger & { readonly lines: { level: string; message: string; fields: unknown }[] } {
  const lines: { level: string; message: string; fields: unknown }[] = [];
  const at = (level: string) => (message: string, fields?: unknown) => void lines.push({ level, message, fields });
  const logger = {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return logger;
}

/** Everything a watcher said, in order. */
export interface Recorded {
  readonly entries: InboxEntry[];
  readonly cursors: InboxCursor[];
  readonly events: InboxEvent[];
}

export function recorded(): Recorded {
  return { entries: [], cursors: [], events: [] };
}

export function follow(inbox: ChainInbox, into: Recorded): void {
  inbox.start((entries, cursor) => {
    into.entries.push(...entries);
    into.cursors.push(cursor);
  });
}

/** Polls a condition; throws when it does not come true in time. */
export async function until(condition: () => boolean, what: string, timeoutMs = 120_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Run as a child process: writes numbered transactions for ever and acknowledges each on stdout after `write` returned.
 * Arguments: data directory, committee id, payload bytes. Prints `open`, then one number per line; on an error its code and exits with 3.
 */
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { isClocklessError } from "../../src/lib/errors.ts";
import type { Hex } from "../../src/lib/hex.ts";
import type { StoreWrite } from "../../src/storage/port.ts";
import { openSqliteStore } from "../../src/storage/sqlite.ts";

export function digestOf(n: number): Hex {
  return `0x${n.toString(16).padStart(64, "0")}`;
}

/** Transaction number n touches several tables, so that a half-written one would show. */
export function transactionOf(n: number, payloadBytes: number): StoreWrite {
  const bytes = new Uint8Array(payloadBytes).fill(n % 256);
  new DataView(bytes.buffer).setUint32(0, n);
  return {
    log: [{ kind: "block", bytes }],
    register: [{ kind: "block", position: BigInt(n), digest: digestOf(n) }],
    batches: [{ sequence: BigInt(n), digest: digestOf(n), json: `{"n":${n}}` }],
    meta: [["last", String(n)]],
  };
}

function main(directory: string, committeeId: Hex, payloadBytes: number): void {
  try {
    const store = openSqliteStore({ directory, committeeId });
    writeSync(1, "open\n");
    for (let n = Number(store.meta("last") ?? 0) + 1; ; n++) {
      store.write(transactionOf(n, payloadBytes));
      writeSync(1, `${n}\n`);
    }
  } catch (error) {
    writeSync(1, `${isClocklessError(error) ? error.code : error}\n`);
    process.exitCode = 3;
  }
}

const [, script, directory, committeeId, payloadBytes] = process.argv;
if (script !== undefined && import.meta.url === pathToFileURL(script).href) {
  // CAST: the parent passes the committee id it also opens the store with.
  main(directory!, committeeId as Hex, Number(payloadBytes));
}

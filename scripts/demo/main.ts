/**
 * `npm run demo`: the main job, end to end, with real processes and real chains on this machine. See README.
 *
 *   npm run demo                                                     a book generated from a seed
 *   npm run demo -- --input FILE --delivery-price P [--accounts N]   a real expiry
 *   npm run demo -- --reshare-to N                                   members change on the way, three times
 *   npm run demo -- --json                                           one JSON object on stdout
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { DEVNET_ASSET, startDevnet } from "../../src/cli/devnet/devnet.ts";
import { DevnetError } from "../../src/cli/devnet/processes.ts";
import { type Book, generateBook, InputError, parsePrice, QUANTITY_DECIMALS, readBook } from "./book.ts";
import { planMoney } from "./plan.ts";
import { createProgress } from "./progress.ts";
import { complaints, describe, makeReport } from "./report.ts";
import { MARKET, runMainJob } from "./run.ts";
import { DemoFailure } from "./tracker.ts";

const EXIT = { done: 0, bug: 1, usage: 2, unavailable: 4, verificationFailed: 6 } as const;

interface Options {
  readonly input: string | undefined;
  readonly deliveryPrice: string | undefined;
  readonly accounts: number;
  readonly seed: number;
  readonly reshareTo: number | undefined;
  readonly isJson: boolean;
  readonly keep: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      input: { type: "string" },
      "delivery-price": { type: "string" },
      accounts: { type: "string", default: "64" },
      seed: { type: "string", default: "1" },
      "reshare-to": { type: "string" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  const number = (name: "accounts" | "seed" | "reshare-to", least: number, most: number): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      throw new InputError(`--${name} takes a whole number from ${least} to ${most}, not "${values[name]}"`);
    }
    return value;
  };
  if ((values.input === undefined) !== (values["delivery-price"] === undefined)) {
    throw new InputError("--input and --delivery-price go together");
  }
  return {
    input: values.input,
    deliveryPrice: values["delivery-price"],
    accounts: number("accounts", 2, 1024),
    seed: number("seed", 0, 2 ** 31),
    reshareTo: values["reshare-to"] === undefined ? undefined : number("reshare-to", 4, 31),
    isJson: values.json,
    keep: values.keep,
  };
}

function loadBook({ input, deliveryPrice, accounts, seed }: Options): Book {
  if (input === undefined || deliveryPrice === undefined) return generateBook(seed, accounts);
  let csv: string;
  try {
    csv = readFileSync(input, "utf8");
  } catch (cause) {
    throw new InputError(`cannot read ${input}`, { cause });
  }
  return readBook(csv, basename(input), parsePrice(deliveryPrice, "--delivery-price"), accounts);
}

async function main(): Promise<number> {
  const options = readOptions();
  const book = loadBook(options);
  const plan = planMoney(book, options.accounts, options.seed);
  const progress = createProgress(process.stderr);
  const directory = mkdtempSync(join(tmpdir(), "clockless-demo-"));
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new DemoFailure("interrupted")));
  process.once("SIGTERM", () => stop.abort(new DemoFailure("interrupted")));
  progress.phase(`settling ${book.source}: ${book.series.length} series, ${options.accounts} accounts`);
  let isClean = false;
  const devnet = await startDevnet({
    directory,
    members: 4,
    markets: [
      {
        id: MARKET,
        symbol: "ETH",
        quote: DEVNET_ASSET,
        quantityDecimals: QUANTITY_DECIMALS,
        priceCap: book.priceCap,
        expirySlots: 300,
        slotSeconds: 6,
      },
    ],
    // An hour before expiry: the book can still be traded.
    time: book.expiry - 3_600n,
    onProgress: (text) => progress.phase(text),
    signal: stop.signal,
  });
  try {
    const interrupted = new Promise<never>((_, reject) =>
      stop.signal.addEventListener("abort", () => reject(stop.signal.reason)),
    );
    const outcome = await Promise.race([
      runMainJob(devnet, book, plan, { ...options, signal: stop.signal }, progress),
      interrupted,
    ]);
    const report = await makeReport(devnet, book, outcome);
    const found = complaints(report, book, plan, options.accounts);
    process.stdout.write(options.isJson ? `${JSON.stringify(report)}\n` : `\n${describe(report, options.accounts)}\n`);
    for (const complaint of found) process.stderr.write(`demo: ${complaint}\n`);
    isClean = found.length === 0;
    return isClean ? EXIT.done : EXIT.verificationFailed;
  } finally {
    progress.phase("stopping everything");
    await devnet.stop();
    if (isClean && !options.keep) rmSync(directory, { recursive: true, force: true });
    else process.stderr.write(`demo: configuration, data and logs are in ${directory}\n`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof InputError || (error instanceof TypeError && "code" in error)) process.exitCode = EXIT.usage;
  else if (error instanceof DevnetError) process.exitCode = EXIT.unavailable;
  else process.exitCode = error instanceof DemoFailure ? EXIT.verificationFailed : EXIT.bug;
}
// Whatever a library keeps open must not keep a finished demo alive.
process.exit();

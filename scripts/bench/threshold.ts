/**
 * Both curve engines in one run, on the same inputs: node scripts/bench/threshold.ts [--json] [--reshare] [--only <text>]
 *
 * Times are medians of CPU milliseconds. `combine` is what a member does to make a certificate when nobody cheats:
 * interpolate t partials and verify once; `blame` is the worst case, f wrong partials among the first.
 *
 * `deal`, `verify deal` and `open` are of one verifiable deal with the default rounds. X25519 is the same for both engines:
 * the portable one, and once more the platform's ("native"). `--reshare` verifies as many deals as a (100, 67) reshare
 * has, on two worker threads per suite one after the other (minutes). `--only` measures the operations with that in their
 * name, "combine" or "(100,67)".
 */
import { cpus } from "node:os";
import { Worker } from "node:worker_threads";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import { concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { DEFAULT_ROUNDS, type DealInstance } from "../../src/threshold/associated-data.ts";
import { combinePartials } from "../../src/threshold/combine.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import type { DealEngine } from "../../src/threshold/deal-engine.ts";
import { createDealEngines } from "../../src/threshold/deal-engines.ts";
import { openDeal } from "../../src/threshold/deal-open.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../../src/threshold/dealer.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { createKeyAgreement } from "../../src/threshold/key-agreement.ts";
import { type Engine, SUITES, type Suite } from "../../src/threshold/types.ts";

const COMMITTEES = [
  { n: 4, t: 3 },
  { n: 10, t: 7 },
  { n: 31, t: 21 },
  { n: 100, t: 67 },
] as const;

const ONLY = process.argv.includes("--only") ? (process.argv[process.argv.indexOf("--only") + 1] ?? "") : "";
const isWanted = (operation: string): boolean => operation.includes(ONLY);

interface Row {
  readonly suite: string;
  readonly operation: string;
  readonly nobleMs: number;
  readonly mclMs: number;
  /** How many times faster mcl is. */
  readonly ratio: number;
}

/** CPU time of this process so far, in milliseconds: unlike wall time it does not depend on what else the machine does. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Medians of both, in turn. At least five rounds, and as many as fit in about `budgetMs`; one of what takes longer. */
function medians(noble: () => void, mcl: () => void, budgetMs = 600): readonly [number, number] {
  const times: [number[], number[]] = [[], []];
  const timed = (run: () => void, into: number[]): number => {
    const from = cpuMs();
    run();
    into.push(cpuMs() - from);
    return into.at(-1)!;
  };
  const first = timed(noble, times[0]) + timed(mcl, times[1]);
  if (first < budgetMs) {
    // The first round was for warming up.
    for (const list of times) list.length = 0;
    let spent = 0;
    while (times[0].length < 5 || (spent < budgetMs && times[0].length < 200)) {
      spent += timed(noble, times[0]) + timed(mcl, times[1]);
    }
  }
  const [a, b] = times.map((list) => list.sort((x, y) => x - y)[list.length >> 1]!);
  return [a!, b!];
}

function randomness(label: string, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) => keccak256(utf8ToBytes(`${label}/${i}`)));
  return concatBytes(...blocks).subarray(0, length);
}

const reference = await createEngines("reference");
const fast = await createEngines("fast");
const message = keccak256(utf8ToBytes("benchmark"));
const rows: Row[] = [];

interface DealSize {
  readonly suite: Suite;
  readonly n: number;
  readonly t: number;
  readonly bytes: number;
}

interface ReshareRun {
  readonly suite: Suite;
  readonly deals: number;
  readonly keyAgreement: string;
  readonly threads: number;
  readonly seconds: number;
}

const sizes: DealSize[] = [];
const reshares: ReshareRun[] = [];
const referenceDeals = await createDealEngines("reference");
const fastDeals = await createDealEngines("fast");
const portable = createKeyAgreement();
const native = createNativeKeyAgreement();

/** An instance as a context would give it, without the context. */
function instanceOf(suite: Suite, n: number, t: number): { instance: DealInstance; keys: Uint8Array[] } {
  const keys = Array.from({ length: n }, (_, i) => randomness(`encryption ${n} ${i}`, 32));
  const encryptionKeys = keys.map((key) => portable.publicKey(key));
  const associatedData = randomness(`associated data ${n}`, 32);
  return {
    instance: { suite, threshold: t, rounds: DEFAULT_ROUNDS, encryptionKeys, associatedData, expected: undefined },
    keys,
  };
}

/** `deals` verifications on `threads` worker threads; the same deal each time, which costs what different ones do. */
async function reshare(
  instance: DealInstance,
  bytes: Uint8Array,
  keyAgreement: string,
  deals: number,
): Promise<ReshareRun> {
  const threads = 2;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: threads }, async (_, thread) => {
      const times = Math.floor(deals / threads) + (thread < deals % threads ? 1 : 0);
      const worker = new Worker(new URL("./deal-worker.ts", import.meta.url), {
        workerData: { instance, bytes, keyAgreement, times },
      });
      await new Promise<void>((resolve, reject) =>
        worker
          .once("error", reject)
          .once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`worker: ${code}`)))),
      );
    }),
  );
  return { suite: instance.suite, deals, keyAgreement, threads, seconds: (performance.now() - start) / 1000 };
}

for (const suite of SUITES) {
  const [noble, mcl] = [reference[suite], fast[suite]];
  const measure = (operation: string, run: (engine: Engine) => void): void => {
    if (!isWanted(operation)) return;
    const [nobleMs, mclMs] = medians(
      () => run(noble),
      () => run(mcl),
    );
    rows.push({ suite, operation, nobleMs, mclMs, ratio: nobleMs / mclMs });
  };

  const { key: single, shares } = dealInsecure(mcl, 1, 1, randomness("single", insecureDealRandomnessLength(1)));
  const secret = shares[0]!;
  const publicKey = hexToBytes(single.groupKey);
  const signature = mcl.sign(secret, message);
  measure("publicKey", (engine) => engine.publicKey(secret));
  measure("sign", (engine) => engine.sign(secret, message));
  measure("verify", (engine) => {
    if (!engine.verify(publicKey, message, signature)) throw new Error("the benchmark's own signature does not verify");
  });

  for (const { n, t } of COMMITTEES) {
    const deal = dealInsecure(mcl, n, t, randomness(`deal ${n}`, insecureDealRandomnessLength(t)));
    const all = deal.shares.map((share, i) => [i, mcl.sign(share, message)] as const);
    // The last t members: their coefficients are as large as they get.
    const partials = new Map(all.slice(n - t));
    const shareList = [...partials].map(([i, partial]) => ({ x: i + 1, signature: partial }));
    const bad = new Map(all.map(([i, partial]) => [i, i < n - t ? all[(i + 1) % n]![1] : partial]));
    const expected = bytesToHex(combinePartials(mcl, deal.key, message, partials).signature!);
    const combine = (engine: Engine, from: ReadonlyMap<number, Uint8Array>): void => {
      const { signature: combined } = combinePartials(engine, deal.key, message, from);
      if (combined === undefined || bytesToHex(combined) !== expected) throw new Error("engines disagree");
    };
    measure(`interpolate (${n},${t})`, (engine) => engine.interpolate(shareList));
    measure(`combine (${n},${t})`, (engine) => combine(engine, partials));
    measure(`blame ${n - t} (${n},${t})`, (engine) => combine(engine, bad));
  }

  const measureDeal = (operation: string, run: (engine: DealEngine) => void): void => {
    if (!isWanted(operation)) return;
    const [nobleMs, mclMs] = medians(
      () => run(referenceDeals[suite]),
      () => run(fastDeals[suite]),
    );
    rows.push({ suite, operation, nobleMs, mclMs, ratio: nobleMs / mclMs });
  };
  for (const { n, t } of COMMITTEES) {
    const operations = ["deal", "verify deal", "open"].flatMap((name) => [
      `${name} (${n},${t})`,
      `${name} native (${n},${t})`,
    ]);
    if (!operations.some(isWanted)) continue;
    const { instance, keys } = instanceOf(suite, n, t);
    const seed = randomness(`dealing ${n}`, 32);
    const bytes = makeDeal(fastDeals[suite], portable, instance, secret, seed);
    sizes.push({ suite, n, t, bytes: bytes.length });
    for (const [name, agreement] of [
      ["", portable],
      [" native", native],
    ] as const) {
      measureDeal(`deal${name} (${n},${t})`, (engine) => {
        if (makeDeal(engine, agreement, instance, secret, seed).length !== bytes.length)
          throw new Error("another length");
      });
      measureDeal(`verify deal${name} (${n},${t})`, (engine) => {
        const fault = faultOfDeal(engine, agreement, instance, bytes);
        if (fault !== undefined) throw new Error(`the benchmark's own deal does not verify: ${fault}`);
      });
      measureDeal(`open${name} (${n},${t})`, (engine) => {
        openDeal(engine, agreement, instance, bytes, n - 1, keys[n - 1]!);
      });
    }
    if (n === 100 && process.argv.includes("--reshare")) {
      for (const name of ["portable", "native"]) reshares.push(await reshare(instance, bytes, name, t));
    }
  }
}

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ cpu: cpus()[0]?.model, node: process.version, rows, sizes, reshares }, undefined, 2));
} else {
  console.log(`${cpus()[0]?.model}, node ${process.version}; medians in CPU ms`);
  for (const { suite, operation, nobleMs, mclMs, ratio } of rows) {
    const figures = [nobleMs, mclMs].map((ms) => ms.toFixed(3).padStart(10)).join("");
    console.log(
      `${suite.padEnd(10)} ${operation.padEnd(22)} noble${figures.slice(0, 10)}  mcl${figures.slice(10)}  ×${ratio.toFixed(1)}`,
    );
  }
  for (const { suite, n, t, bytes } of sizes) console.log(`${suite.padEnd(10)} deal bytes (${n},${t})  ${bytes}`);
  for (const { suite, deals, keyAgreement, threads, seconds } of reshares) {
    console.log(
      `${suite.padEnd(10)} ${deals} deals, ${keyAgreement} X25519, ${threads} threads  ${seconds.toFixed(1)} s`,
    );
  }
}

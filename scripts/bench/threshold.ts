/**
 * Both curve engines in one run, on the same inputs: node scripts/bench/threshold.ts [--json]
 *
 * Times are medians in milliseconds. `combine` is what a member does to make a certificate when nobody cheats:
 * interpolate t partials and verify once; `blame` is the worst case, f wrong partials among the first.
 */
import { cpus } from "node:os";
import { concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { combinePartials } from "../../src/threshold/combine.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../../src/threshold/dealer.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { type Engine, SUITES } from "../../src/threshold/types.ts";

const COMMITTEES = [
  { n: 4, t: 3 },
  { n: 10, t: 7 },
  { n: 31, t: 21 },
  { n: 100, t: 67 },
] as const;

interface Row {
  readonly suite: string;
  readonly operation: string;
  readonly nobleMs: number;
  readonly mclMs: number;
  /** How many times faster mcl is. */
  readonly ratio: number;
}

/**
 * Medians of both, in turn: whatever else the machine does meanwhile hits both engines alike. At least five rounds, then
 * as many as fit in about `budgetMs`.
 */
function medians(noble: () => void, mcl: () => void, budgetMs = 600): readonly [number, number] {
  const times: [number[], number[]] = [[], []];
  const timed = (run: () => void, into: number[]): void => {
    const start = performance.now();
    run();
    into.push(performance.now() - start);
  };
  noble();
  mcl();
  const end = performance.now() + budgetMs;
  while (times[0].length < 5 || (performance.now() < end && times[0].length < 200)) {
    timed(noble, times[0]);
    timed(mcl, times[1]);
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

for (const suite of SUITES) {
  const [noble, mcl] = [reference[suite], fast[suite]];
  const measure = (operation: string, run: (engine: Engine) => void): void => {
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
}

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ cpu: cpus()[0]?.model, node: process.version, rows }, undefined, 2));
} else {
  console.log(`${cpus()[0]?.model}, node ${process.version}; medians in ms`);
  for (const { suite, operation, nobleMs, mclMs, ratio } of rows) {
    const figures = [nobleMs, mclMs].map((ms) => ms.toFixed(3).padStart(10)).join("");
    console.log(
      `${suite.padEnd(10)} ${operation.padEnd(22)} noble${figures.slice(0, 10)}  mcl${figures.slice(10)}  ×${ratio.toFixed(1)}`,
    );
  }
}

/**
 * `npm test`: every suite, and one closing line `N passed, M failed`. What has to come first runs first; then two lanes run
 * side by side and take suite after suite. A suite that dies without counting its failures counts as one failure, so nothing fails silently.
 *
 *   --quick   leaves the contracts' tests out
 *   --long    draws a fresh seed, repeats what is random many times and runs what is large (hours); CLOCKLESS_SEEDS, CLOCKLESS_DAGS,
 *             CLOCKLESS_RESHARES (seeds from-to), CLOCKLESS_CAMPAIGN (runs) and CLOCKLESS_TWINS (scenarios) override how often
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
}

interface Result {
  readonly passed: number;
  readonly failed: number;
  /** What failed, to be said again at the end: logs are long, and often only their end is kept. */
  readonly failures: string;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const isQuick = process.argv.includes("--quick");
const isLong = process.argv.includes("--long");
const LONG: Readonly<Record<string, string>> = {
  CLOCKLESS_LONG: "1",
  CLOCKLESS_SEEDS: "200",
  CLOCKLESS_DAGS: "5000",
  CLOCKLESS_RESHARES: "0-9999",
  CLOCKLESS_SEED: String(randomInt(1, 2 ** 31)),
  CLOCKLESS_CAMPAIGN: "20000",
  CLOCKLESS_TWINS: "100000",
};

const FIRST: readonly Suite[] = [
  { name: "import floors", command: ["node", "scripts/check-floors.ts"] },
  // Before the types: contract tests use the typed factories that typechain writes.
  { name: "contracts: build", command: ["hardhat", "build", "--quiet"] },
  { name: "types", command: ["tsc", "--noEmit", "-p", "tsconfig.json"] },
  { name: "build", command: ["npm", "run", "--silent", "build"] },
];

/** Test folders that run in a process of their own; the others run together. */
const APART = [["cli"], ["simulation"], ["threshold"], ["relayer", "sdk"], ["formal", "consensus"], ["scripts"]];
const UNDER_HARDHAT = ["contracts", "differential"];

function rooms(folders: readonly string[]): Suite {
  const command = ["mocha", ...folders.map((name) => `test/${name}/**/*.test.ts`)];
  return { name: folders.length > 2 ? "rooms (all others)" : `rooms (${folders.join(", ")})`, command };
}

function otherRooms(): string[] {
  const folders = readdirSync(`${root}/test`, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const known = [...APART.flat(), ...UNDER_HARDHAT];
  return folders.map(({ name }) => name).filter((name) => !known.includes(name));
}

/** One after the other: both build the contracts. */
const CONTRACTS: readonly Suite[] = [
  {
    name: "contracts: Solidity tests",
    command: ["hardhat", "test", "solidity", ...(isLong ? ["--test-profile", "intense"] : [])],
  },
  { name: "contracts: TypeScript tests", command: ["hardhat", "test", "mocha"] },
];

/** Taken by two lanes, one for each core of a small machine, in this order: what takes longest comes first. */
const QUEUE: (readonly Suite[])[] = [
  [rooms(otherRooms())],
  ...APART.map((folders) => [rooms(folders)]),
  ...(isQuick ? [] : [CONTRACTS]),
];

/** Runs one suite and prints its output whole when it ends, so that lanes do not mix. A suite that counts nothing counts as one. */
async function runSuite(suite: Suite): Promise<Result> {
  const started = performance.now();
  const { code, output } = await runCommand(suite.command);
  const passing = sum(output, /^\s*(\d+) passing\b/gm);
  const failing = sum(output, /^\s*(\d+) failing\b/gm);
  const failed = code === 0 ? failing : Math.max(failing, 1);
  const passed = passing === 0 && failed === 0 ? 1 : passing;
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stdout.write(`\n== ${suite.name}: ${suite.command.join(" ")}\n${output}`);
  process.stdout.write(`== ${suite.name}: ${passed} passed, ${failed} failed (${seconds} s)\n`);
  return { passed, failed, failures: failed === 0 ? "" : `\n== failed: ${suite.name}\n${failuresIn(output)}` };
}

/** Mocha's list of failures, or the end of what was printed. */
function failuresIn(output: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals colour the counts
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const list = plain.search(/^\s*\d+ failing\b/m);
  return list < 0 ? plain.split("\n").slice(-60).join("\n") : plain.slice(list, list + 20_000);
}

async function runAll(suites: readonly Suite[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const suite of suites) results.push(await runSuite(suite));
  return results;
}

async function runLane(): Promise<Result[]> {
  const results: Result[] = [];
  for (let next = QUEUE.shift(); next !== undefined; next = QUEUE.shift()) results.push(...(await runAll(next)));
  return results;
}

function runCommand(command: readonly string[]): Promise<{ code: number | null; output: string }> {
  const [name, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(name!, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...(isLong ? LONG : {}),
        ...process.env,
        NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
        HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
      },
    });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error) => resolve({ code: 127, output: `${output}${name}: ${error.message}\n` }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function sum(text: string, pattern: RegExp): number {
  let total = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals colour the counts
  for (const match of text.replace(/\u001b\[[0-9;]*m/g, "").matchAll(pattern)) total += Number(match[1]);
  return total;
}

const seed = process.env.CLOCKLESS_SEED ?? (isLong ? LONG.CLOCKLESS_SEED : "1");
process.stdout.write(`seed ${seed} (CLOCKLESS_SEED=${seed} repeats what is random)\n`);
process.stdout.write("running: floors, types, builds; then rooms and contracts side by side (some minutes)\n");
const results = [await runAll(FIRST), ...(await Promise.all([runLane(), runLane()]))].flat();
const passed = results.reduce((total, result) => total + result.passed, 0);
const failed = results.reduce((total, result) => total + result.failed, 0);
for (const { failures } of results) process.stdout.write(failures);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

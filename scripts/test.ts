/**
 * `npm test`: every suite, one after the other, and one closing line `N passed, M failed`.
 * A suite that dies without counting its failures counts as one failure, so nothing can fail silently.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
/** `--quick` leaves the contracts out; `--long` repeats what is random many times (hours). */
const quick = process.argv.includes("--quick");
const long = process.argv.includes("--long");
const LONG: Readonly<Record<string, string>> = { CLOCKLESS_SEEDS: "200", CLOCKLESS_DAGS: "5000" };

const SUITES: readonly Suite[] = [
  { name: "import floors", command: ["node", "scripts/check-floors.ts"] },
  { name: "types", command: ["tsc", "--noEmit", "-p", "tsconfig.json"] },
  { name: "build", command: ["npm", "run", "--silent", "build"] },
  { name: "contracts: build", command: ["hardhat", "build", "--quiet"] },
  { name: "rooms", command: ["mocha", "test/**/*.test.ts"] },
  ...(quick
    ? []
    : [
        {
          name: "contracts: Solidity tests",
          command: ["hardhat", "test", "solidity", ...(long ? ["--test-profile", "intense"] : [])],
        },
        { name: "contracts: TypeScript tests", command: ["hardhat", "test", "mocha"] },
      ]),
];

/** Suites that count nothing count as one test: passed or failed. */
async function runSuite(suite: Suite): Promise<{ passed: number; failed: number }> {
  process.stdout.write(`\n== ${suite.name}: ${suite.command.join(" ")}\n`);
  const started = Date.now();
  const { code, output } = await runCommand(suite.command);
  const passing = sum(output, /^\s*(\d+) passing\b/gm);
  const failing = sum(output, /^\s*(\d+) failing\b/gm) || sum(output, /^\s*(\d+) failed\b/gm);
  const failed = code === 0 ? failing : Math.max(failing, 1);
  const passed = passing === 0 && failed === 0 ? 1 : passing;
  process.stdout.write(
    `== ${suite.name}: ${passed} passed, ${failed} failed (${Math.round((Date.now() - started) / 1000)} s)\n`,
  );
  return { passed, failed };
}

function runCommand(command: readonly string[]): Promise<{ code: number | null; output: string }> {
  const [name, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(name!, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...(long ? LONG : {}),
        ...process.env,
        NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
        HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
      },
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk);
      output += chunk.toString("utf8");
    });
    child.on("error", (error) => {
      process.stderr.write(`${name}: ${error.message}\n`);
      resolve({ code: 127, output });
    });
    child.on("close", (code) => resolve({ code, output }));
  });
}

function sum(text: string, pattern: RegExp): number {
  let total = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals colour the counts
  for (const match of text.replace(/\u001b\[[0-9;]*m/g, "").matchAll(pattern)) total += Number(match[1]);
  return total;
}

let passed = 0;
let failed = 0;
for (const suite of SUITES) {
  const result = await runSuite(suite);
  passed += result.passed;
  failed += result.failed;
}
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

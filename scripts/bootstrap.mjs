/**
 * Makes a fresh machine (Node ≥ 20 and npm) ready, then runs one of the project's commands under Node 24.
 * Depends on nothing but Node itself.
 *
 *   node scripts/bootstrap.mjs            install only
 *   node scripts/bootstrap.mjs test …     npm test
 *   node scripts/bootstrap.mjs demo …     npm run demo
 *   node scripts/bootstrap.mjs bench:…    npm run bench:…
 *   node scripts/bootstrap.mjs campaign:… npm run campaign:…
 *   node scripts/bootstrap.mjs verify …   npm run verify
 *   node scripts/bootstrap.mjs fuzz …     npm run fuzz
 *
 * Why not plain `npm ci`: run by Node 20, npm silently leaves out Hardhat's native package (its engine is ≥ 22), and Hardhat
 * itself wants Node ≥ 22.13. So the install runs under the npm package `node@24`, which also lands in node_modules/.bin.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const node = join(bin, process.platform === "win32" ? "node.cmd" : "node");
const marker = join(root, "node_modules", ".clockless-installed");

const COMMANDS = {
  test: "scripts/test.ts",
  demo: "scripts/demo/main.ts",
  "bench:gas": "scripts/bench/gas.ts",
  "bench:hub-gas": "scripts/bench/hub-gas.ts",
  "bench:threshold": "scripts/bench/threshold.ts",
  "bench:ledger": "scripts/bench/ledger.ts",
  "bench:signatures": "scripts/bench/signatures.ts",
  "bench:latency": "scripts/bench/latency.ts",
  "bench:catch-up": "scripts/bench/catch-up.ts",
  "campaign:kill": "scripts/campaign/kill.ts",
  "bench:consensus": "scripts/bench/consensus/main.ts",
  verify: "scripts/verify/main.ts",
  fuzz: "scripts/fuzz/main.ts",
};

const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package.json")))
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

/** True when exactly these dependencies were installed completely by this script before. */
function isInstalled() {
  return existsSync(marker) && existsSync(node) && readFileSync(marker, "utf8") === wanted;
}

/** Runs a command with its output on stderr, so that stdout stays free for the result of `--json`. */
function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  return result.status === 0;
}

if (!isInstalled()) {
  process.stderr.write("clockless: installing dependencies under Node 24 (once; about a minute)\n");
  const flags = ["--no-audit", "--no-fund", "--loglevel=error"];
  const npx = ["-y", "-p", "node@24", "npm"];
  // `npm install` is the way round a lock file that another registry's missing platforms made incomplete.
  if (!run("npx", [...npx, "ci", ...flags]) && !run("npx", [...npx, "install", "--no-save", ...flags])) {
    process.stderr.write("clockless: npm could not install the dependencies; see the lines above\n");
    process.exit(4);
  }
  writeFileSync(marker, wanted);
}

// The `clockless` command runs from dist/; a checkout that was never built gets it here, later ones by `npm run build`.
if (!existsSync(join(root, "dist", "cli", "main.js"))) {
  process.stderr.write("clockless: building the command\n");
  if (!run("npm", ["run", "--silent", "build"])) process.exit(1);
}

const [command, ...args] = process.argv.slice(2);
if (command === undefined) process.exit(0);
const script = COMMANDS[command];
if (script === undefined) {
  process.stderr.write(`clockless: unknown command "${command}"; one of ${Object.keys(COMMANDS).join(", ")}\n`);
  process.exit(2);
}

// These measure what was compiled; a build that is up to date takes a second or two.
if (command.endsWith("gas") && !run("npx", ["hardhat", "build", "--quiet"])) process.exit(1);

const result = spawnSync(node, ["--disable-warning=ExperimentalWarning", join(root, script), ...args], {
  cwd: process.cwd(),
  stdio: "inherit",
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
});
process.exit(result.status ?? 130);

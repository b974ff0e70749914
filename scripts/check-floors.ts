/**
 * Checks "who may know whom" (ARCHITECTURE.md): every import in src/ against the floors, and the pure rooms against
 * everything that is not a function of its arguments. Exits 1 and names file, line and rule for each violation.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

const CORE = ["lib", "threshold", "batch"];
/** Everything below the services. */
const BELOW = [...CORE, "consensus", "ledger", "member", "transport", "storage", "keys", "chain", "telemetry", "api"];

/** Which rooms a room may import. A room always may import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  threshold: ["lib"],
  batch: ["lib", "threshold"],
  consensus: CORE,
  ledger: CORE,
  member: [...CORE, "consensus", "ledger"],
  transport: CORE,
  storage: CORE,
  keys: CORE,
  chain: [...CORE, "abi"],
  telemetry: CORE,
  api: [...CORE, "ledger"],
  abi: [],
  node: BELOW,
  relayer: [...BELOW, "abi"],
  sdk: [...CORE, "ledger", "api", "abi"],
  // The root entry is the SDK's barrel.
  "index.ts": [...CORE, "ledger", "api", "abi", "sdk"],
  testing: [...BELOW, "abi", "node", "relayer", "sdk"],
};

const ADAPTERS = ["transport", "storage", "keys", "chain", "telemetry"];
const PURE = ["lib", "threshold", "batch", "consensus", "ledger", "member"];
const SYNCHRONOUS = ["consensus", "ledger", "member"];
const NO_NODE = [...PURE, "api", "sdk", "abi", "index.ts"];

/** Native code and WebAssembly for processes that run all day: everything else, the SDK in browsers first, keeps to what any engine runs. */
const AT_HOME_IN: Readonly<Record<string, string>> = {
  secp256k1: "keys",
  "tiny-secp256k1": "keys",
  "hash-wasm": "keys",
};

/** Things that make a result depend on more than the arguments. */
const IMPURE: readonly [RegExp, string][] = [
  [/\bDate\.now\b|\bnew Date\b|\bperformance\.now\b/, "reads a clock"],
  [/\bMath\.random\b|\bgetRandomValues\b|\brandomBytes\b|\brandomUUID\b/, "draws randomness"],
  [/\bprocess\.(?!\w*\s*:)|\bconsole\.|\bsetTimeout\b|\bsetInterval\b|\bfetch\(/, "does I/O"],
];

const IMPORT =
  /(?:^|\s)(?:import|export)\b[^"'`;]*?from\s*["']([^"']+)["']|(?:^|\s)import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

export function checkFloors(src: string): Violation[] {
  const violations: Violation[] = [];
  for (const file of sourceFiles(src)) {
    const path = relative(src, file).split(sep).join("/");
    const room = path.includes("/") ? path.slice(0, path.indexOf("/")) : path;
    const text = readFileSync(file, "utf8");
    const report = (offset: number, rule: string): void => {
      violations.push({ file: path, line: text.slice(0, offset).split("\n").length, rule });
    };
    for (const match of text.matchAll(IMPORT)) {
      const target = match[1] ?? match[2] ?? match[3] ?? "";
      checkImport(path, room, target, (rule) => report(match.index + match[0].indexOf(target), rule));
    }
    if (PURE.includes(room)) checkPurity(room, text, report);
  }
  return violations;
}

function checkImport(path: string, room: string, target: string, report: (rule: string) => void): void {
  if (target.startsWith("node:") && NO_NODE.includes(room)) report(`${room} must not import ${target}`);
  const home = AT_HOME_IN[target];
  if (home !== undefined && home !== room) report(`only ${home} may import ${target}`);
  if (!target.startsWith(".")) return;
  const parts = [...path.split("/").slice(0, -1)];
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  const other = parts[0] ?? "";
  if (other === room || room === "cli") return;
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) {
    report(`${room} is no room of the house`);
    return;
  }
  if (ADAPTERS.includes(room) && ADAPTERS.includes(other)) {
    if (parts.at(-1) !== "port.ts") report(`${room} may import ${other} only through its port.ts`);
    return;
  }
  if (!allowed.includes(other)) report(`${room} may not import ${other}`);
}

function checkPurity(room: string, text: string, report: (offset: number, rule: string) => void): void {
  const code = withoutComments(text);
  for (const [pattern, what] of IMPURE) {
    const found = pattern.exec(code);
    if (found !== null) report(found.index, `${room} is pure but ${what}: ${found[0]}`);
  }
  if (!SYNCHRONOUS.includes(room)) return;
  const found = /\basync\b|\bawait\b|\bPromise\b/.exec(code);
  if (found !== null) report(found.index, `${room} is synchronous but uses ${found[0]}`);
}

/** Blanks comments, keeping offsets. Good enough here: no string in a pure room contains comment marks other than URLs. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, " "));
}

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const violations = checkFloors(fileURLToPath(new URL("../src", import.meta.url)));
  for (const { file, line, rule } of violations) process.stderr.write(`src/${file}:${line}: ${rule}\n`);
  process.stderr.write(violations.length === 0 ? "floors: every import keeps to the house\n" : "");
  process.exit(violations.length === 0 ? 0 : 1);
}

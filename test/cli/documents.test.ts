import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { exitCodeOf } from "../../src/cli/exit.ts";
import { ClocklessError } from "../../src/lib/errors.ts";
import { clockless } from "./support/command.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/errors.md"];
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** Errors whose messages send people to docs/errors.md. */
const LINKED: readonly string[] = ["ApiError", "SdkError", "BatchError"];

/** Code blocks of one language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "gm"))].map((match) => match[1]!);
}

describe("the documents", () => {
  it("link only to files and headings that are there", () => {
    for (const document of DOCUMENTS) {
      for (const [, target] of read(document).matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target!)) continue;
        const [file, anchor] = target!.split("#") as [string, string | undefined]; // CAST: split gives at least one part
        const path = file === "" ? document : file;
        expect(existsSync(join(ROOT, path)), `${document} → ${target}`).to.equal(true);
        if (anchor === undefined) continue;
        const anchors = [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
          title!
            .toLowerCase()
            .replace(/[^\w\s-]/g, "")
            .replace(/\s/g, "-"),
        );
        expect(anchors, `${document} → ${target}`).to.include(anchor);
      }
    }
  });

  it("show commands and options that exist", async () => {
    const shown = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].flatMap((document) => [
      ...blocks(read(document), "sh")
        .flatMap((block) => block.split("\n"))
        .flatMap((line) => /^npx clockless ([^#]*)/.exec(line)?.[1] ?? []),
      ...[...read(document).matchAll(/`npx clockless ([^`]*)`/g)].map((match) => match[1]!),
    ]);
    expect(shown.length).to.be.above(8);
    const help = new Map<string, string>();
    for (const line of shown) {
      const words = line.trim().split(/\s+/);
      const path = words
        .slice(0, words.findIndex((word) => word.startsWith("-")) >>> 0)
        .filter((word) => word !== "bash");
      const key = path.join(" ");
      if (!help.has(key)) {
        const outcome = await clockless([...path, "--help"]);
        expect(outcome.status, line).to.equal(0);
        help.set(key, outcome.stdout);
      }
      for (const flag of words.filter((word) => word.startsWith("--"))) expect(help.get(key), line).to.contain(flag);
    }
  });

  it("show configurations that the node and the relayer accept", async () => {
    const examples = blocks(read("README.md"), "yaml");
    expect(examples).to.have.length(2);
    const folder = mkdtempSync(join(tmpdir(), "clockless-readme-"));
    try {
      for (const [k, kind] of (["node", "relayer"] as const).entries()) {
        const whole = examples[k]!.replace('publicKey: "0x…"', `publicKey: "0x02${"11".repeat(32)}"`).replaceAll(
          '"0x…"',
          `"0x${"22".repeat(20)}"`,
        );
        const file = join(folder, `${kind}.yaml`);
        writeFileSync(file, whole);
        const outcome = await clockless(["config", "check", "--kind", kind, "--config", file]);
        expect(outcome.status, outcome.stderr).to.equal(0);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("name every command in the README's table", async () => {
    const { stdout } = await clockless(["completion", "bash"]);
    const table = read("README.md");
    for (const [, path] of stdout.matchAll(/^ {4}"([a-z ]+)"\) words="--/gm)) {
      expect(table, path).to.match(new RegExp(`\`${path}(?: bash)?\``));
    }
  });

  it("show TypeScript that compiles against the SDK", () => {
    // Inside the repository, so that packages resolve; the name says what it is if a run is cut short.
    const folder = mkdtempSync(join(ROOT, "node_modules", ".readme-"));
    try {
      const files = blocks(read("README.md"), "ts").map((code, k) => {
        writeFileSync(join(folder, `example-${k}.ts`), code);
        return `example-${k}.ts`;
      });
      expect(files).to.have.length(3);
      const config = {
        extends: join(ROOT, "tsconfig.json"),
        compilerOptions: {
          types: ["node"],
          paths: {
            clockless: [join(ROOT, "src/index.ts")],
            "clockless/viem": [join(ROOT, "src/sdk/viem/index.ts")],
            "clockless/ethers": [join(ROOT, "src/sdk/ethers/index.ts")],
          },
        },
        include: [],
        files,
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(ROOT, "node_modules/.bin/tsc");
      const { stdout, error } = spawnSync(tsc, ["--noEmit", "--pretty", "false", "-p", folder], { encoding: "utf8" });
      expect(error).to.equal(undefined);
      // What is wrong in src/ is the type check's own claim.
      const wrong = stdout.split("\n").filter((line) => line.includes("example-"));
      expect(wrong, stdout).to.deep.equal([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("list the error codes that messages link to, and the exit code that each leads to", () => {
    const errors = read("docs/errors.md");
    const documented = new Map<string, Map<string, number>>();
    for (const section of errors.split(/^## /m).slice(1)) {
      const names = [...section.split("\n", 1)[0]!.matchAll(/`(\w+Error)`/g)].map((match) => match[1]!);
      const rows = [...section.matchAll(/`(\w+)` \| (\d) \|/g)].map(([, code, exit]) => [code!, Number(exit)] as const);
      for (const name of names) documented.set(name, new Map(rows));
    }
    const absent: string[] = [];
    let checked = 0;
    for (const [name, codes] of errorCodes()) {
      for (const code of codes) {
        const exit = documented.get(name)?.get(code);
        if (exit === undefined) {
          if (LINKED.includes(name)) absent.push(`${name} ${code}`);
          continue;
        }
        checked++;
        class Sample extends ClocklessError {
          override readonly name = name;
        }
        expect(exit, `${name} ${code}`).to.equal(exitCodeOf(new Sample(code, "")));
      }
    }
    expect(checked).to.be.above(90);
    // A code or two may be newer than the page; a page that people are sent to in vain is broken.
    if (absent.length > 0) console.log(`    not in docs/errors.md yet: ${absent.join(", ")}`);
    expect(absent.length).to.be.below(6);
  });

  it("name no path of a machine and nobody's private address", () => {
    for (const document of [...DOCUMENTS, "LICENSE"]) {
      expect(read(document), document).not.to.match(/\/(?:home|root|work|tmp|Users)\/|localhost:\d/);
    }
  });
});

/** Codes by error class, read from the sources: `class XError extends ClocklessError<…>` and the union it names. */
function errorCodes(): Map<string, string[]> {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const text = files.map((file) => readFileSync(join(ROOT, "src", file), "utf8")).join("\n");
  const union = (name: string): string[] => {
    const body = new RegExp(`export type ${name} =([\\s\\S]*?);`).exec(text)?.[1] ?? "";
    const literals = [...body.matchAll(/"(\w+)"/g)].map((match) => match[1]!);
    const named = [...body.matchAll(/\b([A-Z]\w+Code)\b/g)].flatMap((match) => union(match[1]!));
    return [...literals, ...named];
  };
  const found = new Map<string, string[]>();
  for (const [, name, argument] of text.matchAll(/class (\w+Error) extends ClocklessError<([^>]*)>/g)) {
    const literals = [...argument!.matchAll(/"(\w+)"/g)].map((match) => match[1]!);
    found.set(name!, literals.length > 0 ? literals : union(argument!.trim()));
  }
  return found;
}

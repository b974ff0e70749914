import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const SRC = new URL("../../src/", import.meta.url);
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b(?!\s+type\b)[^"'`;]*?from\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']/g;

interface Reach {
  readonly files: readonly string[];
  readonly packages: ReadonlySet<string>;
}

/** Every file and package that an entry loads at run time (type-only imports are erased). */
function reach(entry: string): Reach {
  const files = new Map<string, string>();
  const packages = new Set<string>();
  const visit = (url: URL): void => {
    const path = fileURLToPath(url);
    if (files.has(path)) return;
    const text = readFileSync(path, "utf8");
    files.set(path, text);
    for (const match of text.matchAll(IMPORT)) {
      const target = match[1] ?? match[2] ?? "";
      if (target.startsWith(".")) visit(new URL(target, url));
      else
        packages.add(
          target.startsWith("node:")
            ? target
            : target
                .split("/")
                .slice(0, target.startsWith("@") ? 2 : 1)
                .join("/"),
        );
    }
  };
  visit(new URL(entry, SRC));
  return { files: [...files.keys()], packages };
}

describe("the SDK's entries", () => {
  const root = reach("index.ts");
  const viem = reach("sdk/viem/index.ts");
  const ethers = reach("sdk/ethers/index.ts");

  it("load nothing of Node's", () => {
    for (const { packages } of [root, viem, ethers])
      expect([...packages].filter((name) => name.startsWith("node:"))).to.deep.equal([]);
    for (const file of new Set([...root.files, ...viem.files, ...ethers.files])) {
      const code = readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      expect(code, file).to.not.match(/\bBuffer\.|\bprocess\.(?:env|exit|nextTick)|\brequire\(|\b__dirname\b/);
    }
  });

  it("load only what they are named after, and the packages that a browser needs", () => {
    expect([...root.packages].sort()).to.deep.equal(["@noble/curves", "@noble/hashes", "zod"]);
    expect([...viem.packages].sort())
      .to.include("viem")
      .and.to.not.include("ethers");
    expect([...ethers.packages].sort())
      .to.include("ethers")
      .and.to.not.include("viem");
  });

  it("reach all that they should: the walk is not empty", () => {
    expect(root.files.length).to.be.greaterThan(30);
    expect(viem.files.some((file) => file.endsWith("submitAccept.ts"))).to.equal(true);
  });
});

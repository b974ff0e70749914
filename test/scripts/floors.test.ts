import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { checkFloors } from "../../scripts/check-floors.ts";

describe("import floors", () => {
  let src: string;
  const put = (path: string, text: string): void => {
    mkdirSync(join(src, path, ".."), { recursive: true });
    writeFileSync(join(src, path), text);
  };
  const rules = (): string[] => checkFloors(src).map(({ file, line, rule }) => `${file}:${line} ${rule}`);

  beforeEach(() => {
    src = mkdtempSync(join(tmpdir(), "floors-"));
  });
  afterEach(() => rmSync(src, { recursive: true }));

  it("finds none in this house", () => {
    expect(checkFloors(fileURLToPath(new URL("../../src", import.meta.url)))).to.deep.equal([]);
  });

  it("names file and line of an import that goes upwards or sideways", () => {
    put("consensus/a.ts", 'import { x } from "../lib/x.ts";\nimport { y } from "../ledger/y.ts";\n');
    put("sdk/viem/b.ts", 'export { z } from "../../node/z.ts";\n');
    put("relayer/c.ts", 'const m = await import("../node/m.ts");\n');
    expect(rules()).to.have.members([
      "consensus/a.ts:2 consensus may not import ledger",
      "sdk/viem/b.ts:1 sdk may not import node",
      "relayer/c.ts:1 relayer may not import node",
    ]);
  });

  it("lets adapters see each other through a port only", () => {
    put("chain/a.ts", 'import type { L } from "../telemetry/port.ts";\nimport { p } from "../telemetry/pino.ts";\n');
    expect(rules()).to.deep.equal(["chain/a.ts:2 chain may import telemetry only through its port.ts"]);
  });

  it("keeps WebAssembly for nodes out of what browsers load", () => {
    put("lib/a.ts", 'import { recover } from "tiny-secp256k1";\nexport const r = recover;\n');
    put("sdk/b.ts", 'const { keccak } = await import("hash-wasm");\nexport const k = keccak;\n');
    put("keys/c.ts", 'export { recover } from "tiny-secp256k1";\n');
    expect(rules()).to.have.members([
      "lib/a.ts:1 only keys may import tiny-secp256k1",
      "sdk/b.ts:1 only keys may import hash-wasm",
    ]);
  });

  it("finds clocks, randomness, I/O and promises in pure rooms, but not in comments", () => {
    put("ledger/a.ts", "// Date.now() is forbidden here\nexport const now = () => Date.now();\n");
    put("member/b.ts", "export const wait = async () => {};\n");
    put("batch/c.ts", "export const draw = () => Math.random();\n");
    put("consensus/d.ts", 'import { readFileSync } from "node:fs";\nexport const r = readFileSync;\n');
    expect(rules()).to.have.members([
      "ledger/a.ts:2 ledger is pure but reads a clock: Date.now",
      "member/b.ts:1 member is synchronous but uses async",
      "batch/c.ts:1 batch is pure but draws randomness: Math.random",
      "consensus/d.ts:1 consensus must not import node:fs",
    ]);
  });
});

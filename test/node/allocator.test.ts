import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { ALLOCATOR, beginWithAllocator } from "../../src/node/allocator.ts";

/** A process that can begin anew, and what it began with. */
function processWith(changes: Record<string, unknown> = {}) {
  const begun: unknown[][] = [];
  const fake = {
    ...{ env: { HOME: "/home/x" }, execPath: "/bin/node", execArgv: ["--a"], argv: ["/bin/node", "main.js", "run"] },
    ...{ platform: "linux", channel: undefined, execve: (...args: unknown[]) => void begun.push(args) },
    ...changes,
  };
  // CAST: the part of a process that is looked at
  beginWithAllocator(fake as unknown as NodeJS.Process);
  return begun;
}

describe("node/allocator", () => {
  it("begins the process anew with the same arguments and what it had in its environment", () => {
    expect(processWith()).to.deep.equal([
      ["/bin/node", ["/bin/node", "--a", "main.js", "run"], { HOME: "/home/x", ...ALLOCATOR }],
    ]);
  });

  it("leaves alone what somebody chose, what cannot be begun anew, and what has been", () => {
    for (const changes of [
      { env: ALLOCATOR },
      { env: { MALLOC_ARENA_MAX: "8" } },
      { env: { LD_PRELOAD: "libjemalloc.so.2" } },
      { platform: "darwin" },
      { channel: {} },
      { execve: undefined },
    ])
      expect(processWith(changes), JSON.stringify(changes)).to.deep.equal([]);
    const refuse = (): never => {
      throw new Error("not permitted");
    };
    expect(processWith({ execve: refuse })).to.deep.equal([]);
  });

  it("keeps a real process's number, and goes on once", function () {
    if (process.platform !== "linux" || typeof process.execve !== "function") return this.skip();
    const script = `
      import { beginWithAllocator } from ${JSON.stringify(new URL("../../src/node/allocator.ts", import.meta.url).href)};
      process.env.PIDS = (process.env.PIDS ?? "") + process.pid + " ";
      beginWithAllocator();
      console.log(JSON.stringify([process.env.PIDS.trim().split(" "), process.env, process.argv.slice(1)]));`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MALLOC_")));
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script, "here"], {
      env,
      encoding: "utf8",
    });
    const [pids, seen, args] = JSON.parse(out) as [string[], Record<string, string>, string[]]; // CAST: printed above
    expect(pids).to.have.length(2);
    expect(pids[0]).to.equal(pids[1]);
    expect(seen).to.include(ALLOCATOR);
    expect(args).to.deep.equal(["here"]);
  });
});

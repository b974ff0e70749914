import { readFileSync } from "node:fs";
import { expect } from "chai";
import { ApiError } from "../../src/api/errors.ts";
import { BatchError } from "../../src/batch/errors.ts";
import { ChainError } from "../../src/chain/port.ts";
import { ConfigFileError } from "../../src/cli/config-file.ts";
import { CommandError, UsageError } from "../../src/cli/errors.ts";
import { EXIT, exitCodeOf } from "../../src/cli/exit.ts";
import { KeyError } from "../../src/keys/port.ts";
import { LedgerError } from "../../src/ledger/codes.ts";
import { RelayerError } from "../../src/relayer/errors.ts";
import { SdkError } from "../../src/sdk/errors.ts";
import { clockless, MAIN } from "./support/command.ts";

describe("exit codes", () => {
  it("never change meaning", () => {
    expect(EXIT).to.deep.equal({
      done: 0,
      bug: 1,
      usage: 2,
      configuration: 3,
      unavailable: 4,
      chainRefused: 5,
      verificationFailed: 6,
      deadline: 7,
    });
  });

  const cases: readonly (readonly [unknown, number])[] = [
    [new TypeError("ours"), 1],
    [new UsageError("badOption", ""), 2],
    [new LedgerError("malformedJson", ""), 2],
    [new ApiError("badUrl", ""), 2],
    [new ConfigFileError("unknownConfigKey", ""), 3],
    [new KeyError("wrongPassword", ""), 3],
    [new RelayerError("journalLocked", ""), 3],
    [new ChainError("wrongChain", ""), 3],
    [new ApiError("networkFailure", ""), 4],
    [new ApiError("timeout", ""), 4],
    [new ApiError("unknownInstruction", ""), 4],
    [new ApiError("badAnswer", ""), 4],
    [new ChainError("rpcUnavailable", ""), 4],
    [new RelayerError("noSource", ""), 4],
    [new SdkError("noAnswer", ""), 4],
    [new ChainError("callReverted", ""), 5],
    [new ChainError("insufficientFunds", "", { isTransient: true }), 5],
    [new SdkError("refused", ""), 5],
    [new CommandError("deploymentFailed", ""), 5],
    [new BatchError("badSignature", ""), 6],
    [new SdkError("badCertificate", ""), 6],
    [new RelayerError("foreignHub", ""), 6],
    [new SdkError("timeout", ""), 7],
  ];
  for (const [error, code] of cases) {
    const name = error instanceof Error && "code" in error ? `${error.name} ${String(error.code)}` : "a bug";
    it(`${name} → ${code}`, () => expect(exitCodeOf(error)).to.equal(code));
  }
});

describe("the clockless command", () => {
  it("prints its version, helps on stdout when asked, and on stderr with 2 when not", async () => {
    const version = await clockless(["--version"]);
    expect(version).to.include({ status: 0 });
    expect(version.stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    expect(await clockless(["--help"])).to.include({ status: 0, stderr: "" });
    for (const args of [[], ["node"], ["unknown"], ["--unknown"], ["node", "run"]]) {
      expect(await clockless(args), args.join(" ")).to.include({ status: 2, stdout: "" });
    }
  });

  it("tells an old Node what is wrong before anything newer is parsed", async () => {
    // The launcher imports nothing statically: an old Node would parse that first.
    expect(readFileSync(MAIN, "utf8")).not.to.match(/^import /m);
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } })`;
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(pretend)}` };
    const outcome = await clockless(["--version"], { env });
    expect(outcome).to.include({ status: 3, stdout: "" });
    expect(outcome.stderr).to.contain("[nodeTooOld]");
  });

  it("suggests the command that was meant", async () => {
    expect((await clockless(["simulat"])).stderr).to.contain("simulate");
  });

  it("helps with every command", async () => {
    const { stdout } = await clockless(["completion", "bash"]);
    const commands = [...stdout.matchAll(/^ {4}"([a-z ]+)"\) words=/gm)].map((match) => match[1]!.split(" "));
    expect(commands.length).to.be.above(20);
    for (const command of commands) {
      const outcome = await clockless([...command, "--help"]);
      expect(outcome, command.join(" ")).to.include({ status: 0, stderr: "" });
    }
  });

  it("completes every command in bash", async () => {
    const { stdout, status } = await clockless(["completion", "bash"]);
    expect(status).to.equal(0);
    expect(stdout).to.match(/"certificate verify"\) words=".*--group-key/);
  });
});

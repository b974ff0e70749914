/** Puts the commands together and turns their ends into exit codes. Commands load their rooms only when they run. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { isClocklessError } from "../lib/errors.ts";
import { addCertificateCommand } from "./commands/certificate.ts";
import { addCommitteeCommand } from "./commands/committee.ts";
import { addCompletionCommand } from "./commands/completion.ts";
import { addConfigCommand } from "./commands/config.ts";
import { addContractsCommand } from "./commands/contracts.ts";
import { addDevnetCommand } from "./commands/devnet.ts";
import { addInstructionCommand } from "./commands/instruction.ts";
import { addKeysCommand } from "./commands/keys.ts";
import { addNodeCommand } from "./commands/node.ts";
import { addRelayCommand } from "./commands/relay.ts";
import { addSimulateCommand } from "./commands/simulate.ts";
import type { CliContext } from "./context.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { createOutput } from "./output.ts";

// CAST: our own package.json
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const stop = new AbortController();
for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(code);
    process.exitCode = code;
    stop.abort();
  });
}
// `clockless … | head`: whoever reads has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.done);
  throw error;
});

let isJson = false;
const context = (): CliContext => ({
  output: createOutput(isJson),
  environment: process.env,
  signal: stop.signal,
  version,
});

const program = new Command("clockless")
  .description("A neutral settlement layer for derivatives that needs no clock.")
  .version(version, "--version", "print the version")
  .helpOption("--help", "show what there is")
  .showHelpAfterError("(--help shows what there is)")
  .exitOverride()
  .hook("preAction", (_program, command) => {
    isJson = command.optsWithGlobals<{ json?: boolean }>().json === true;
  })
  .addHelpText(
    "after",
    "\nExit codes: 0 done, 1 bug, 2 usage, 3 configuration or keystore, 4 remote unavailable (retry), 5 chain or committee refused,\n" +
      "6 verification failed, 7 deadline passed, 130/143 stopped by a signal.",
  );

addDevnetCommand(program, context);
addKeysCommand(program, context);
addCommitteeCommand(program, context);
addNodeCommand(program, context);
addRelayCommand(program, context);
addInstructionCommand(program, context);
addCertificateCommand(program, context);
addContractsCommand(program, context);
addSimulateCommand(program, context);
addConfigCommand(program, context);
addCompletionCommand(program, context);
addJsonOption(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else if (!stop.signal.aborted || !isAbort(error)) {
    context().output.error(error);
    process.exitCode = exitCodeOf(error);
  }
}

/** `--json` means the same before and after every subcommand. No default: an absent flag must not hide the one given elsewhere. */
function addJsonOption(command: Command): void {
  command.option("--json", "print the result as JSON on stdout");
  for (const child of command.commands) addJsonOption(child);
}

/** The end that the user asked for with Ctrl-C; the exit code is the signal's. */
function isAbort(error: unknown): boolean {
  if (isClocklessError(error)) return error.code === "aborted" || error.code === "stopped";
  return error instanceof Error && error.name === "AbortError";
}

#!/usr/bin/env node
/** The `clockless` command: the only place with process.env, process.exit and console. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addDevnetCommand } from "./commands/devnet.ts";
import { addNodeCommand } from "./commands/node.ts";
import { addRelayCommand } from "./commands/relay.ts";
import type { CliContext } from "./context.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { createOutput } from "./output.ts";

// CAST: our own package.json
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const stop = new AbortController();
let signals = 0;
for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(name, () => {
    if (++signals > 1) process.exit(code);
    process.exitCode = code;
    stop.abort();
  });
}

const program = new Command("clockless")
  .description("a neutral settlement layer for derivatives that needs no clock")
  .version(version)
  .option("--json", "print the result as one JSON value on stdout", false)
  .showHelpAfterError()
  .exitOverride();

const context = (): CliContext => ({
  output: createOutput(program.opts<{ json: boolean }>().json),
  environment: process.env,
  signal: stop.signal,
  version,
});

addDevnetCommand(program, context);
addNodeCommand(program, context);
addRelayCommand(program, context);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else {
    context().output.error(error);
    process.exitCode = exitCodeOf(error);
  }
}

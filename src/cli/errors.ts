import { ClocklessError } from "../lib/errors.ts";

/** The user's words do not make a command: exit code 2. */
export class UsageError extends ClocklessError<"badOption" | "missingOption" | "unreadableInput" | "malformedInput"> {
  override readonly name = "UsageError";
}

/**
 * - `refused`: the committee settled the instruction by refusing it (details: its receipt). Exit code 5.
 * - `deploymentFailed`: Ignition stopped; run the same command again and it goes on there. Exit code 5.
 * - `missingTool`: the command needs a development package or file of the repository. Exit code 3.
 */
export class CommandError extends ClocklessError<"refused" | "deploymentFailed" | "missingTool"> {
  override readonly name = "CommandError";
}

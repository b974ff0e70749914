import { ClocklessError } from "../lib/errors.ts";

/** The user's words do not make a command: exit code 2. */
export class UsageError extends ClocklessError<"badOption" | "missingOption" | "unreadableInput" | "malformedInput"> {
  override readonly name = "UsageError";
}

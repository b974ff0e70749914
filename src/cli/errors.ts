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

/**
 * About a change of members.
 * - `malformedProposal`: the file is no proposal. Exit code 6.
 * - `wrongCommittee`: the asked members are of another committee than the file is for. Exit code 6.
 * - `otherProposal`: not the proposal with the digest that was agreed on. Exit code 6.
 * - `staleProposal`: the committee has moved on: another epoch comes next, or a later attempt took effect. Exit code 5.
 * - `notAMember`: the identity is no member of the current committee, so its approval counts for nothing. Exit code 3.
 * - `alreadyApproved`: this member approved another proposal as the same attempt. Exit code 3.
 * - `otherAnnouncement`: this member announced for the same attempt of another committee from this key folder. Exit code 3.
 */
export class ReshareError extends ClocklessError<
  | "malformedProposal"
  | "wrongCommittee"
  | "otherProposal"
  | "staleProposal"
  | "notAMember"
  | "alreadyApproved"
  | "otherAnnouncement"
> {
  override readonly name = "ReshareError";
}

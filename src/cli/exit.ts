/** Exit codes of the `clockless` command, and which error leads to which. Scripts branch on these: they never change meaning. */
import { isClocklessError } from "../lib/errors.ts";

export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  configuration: 3,
  unavailable: 4,
  chainRefused: 5,
  verificationFailed: 6,
  deadline: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Error class names of the rooms whose errors are the operator's configuration or keystore. */
const CONFIGURATION = new Set([
  "ConfigFileError",
  "NodeConfigError",
  "CommitteeFileError",
  "KeyError",
  "RelayerError",
  "DevnetError",
  "TransportError",
]);
const VERIFICATION = new Set(["badSignature", "badCertificate", "wrongCommittee", "badProof", "verificationFailed"]);
const CHAIN = new Set(["callReverted", "insufficientFunds", "feeAboveCap", "deploymentFailed"]);
const DEADLINES = new Set(["timeout", "deadline", "waitTimeout"]);

export function exitCodeOf(error: unknown): ExitCode {
  if (!isClocklessError(error)) return EXIT.bug;
  if (VERIFICATION.has(error.code)) return EXIT.verificationFailed;
  if (CHAIN.has(error.code)) return EXIT.chainRefused;
  if (DEADLINES.has(error.code)) return EXIT.deadline;
  if (error.isTransient) return EXIT.unavailable;
  if (error.name === "UsageError") return EXIT.usage;
  if (CONFIGURATION.has(error.name) || error.name === "StoreError") return EXIT.configuration;
  return EXIT.verificationFailed;
}

/** Exit codes of the `clockless` command, and which error leads to which. Scripts branch on these: they never change meaning. */
import { isClocklessError } from "../lib/errors.ts";

export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  configuration: 3,
  unavailable: 4,
  /** A chain, or the committee, refused. */
  chainRefused: 5,
  verificationFailed: 6,
  deadline: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

interface Rule {
  readonly otherwise: ExitCode;
  readonly codes?: Readonly<Record<string, ExitCode>>;
}

/** By the error's class, then its code. Rooms whose errors are bugs when they reach a user are not listed. */
const RULES: Readonly<Record<string, Rule>> = {
  UsageError: { otherwise: EXIT.usage },
  ConfigFileError: { otherwise: EXIT.configuration },
  NodeConfigError: { otherwise: EXIT.configuration },
  CommitteeFileError: {
    otherwise: EXIT.configuration,
    codes: { unprovenCommitteeFile: EXIT.verificationFailed },
  },
  /** Other members' files. What they have still to send may come. */
  CeremonyError: {
    otherwise: EXIT.verificationFailed,
    codes: {
      missingFile: EXIT.unavailable,
      notFinal: EXIT.unavailable,
      badCeremony: EXIT.usage,
      alreadyDealt: EXIT.configuration,
      alreadyApproved: EXIT.configuration,
    },
  },
  ReshareError: {
    otherwise: EXIT.verificationFailed,
    codes: {
      staleProposal: EXIT.chainRefused,
      notAMember: EXIT.configuration,
      alreadyApproved: EXIT.configuration,
      otherAnnouncement: EXIT.configuration,
    },
  },
  JoinError: {
    otherwise: EXIT.verificationFailed,
    codes: { staleEpoch: EXIT.unavailable, refusedReady: EXIT.unavailable, aborted: EXIT.unavailable },
  },
  KeyError: { otherwise: EXIT.configuration },
  NodeStateError: { otherwise: EXIT.configuration },
  StoreError: { otherwise: EXIT.configuration },
  TransportError: { otherwise: EXIT.configuration },
  /** Engines that cannot start, shares that are not the committee's. */
  ThresholdError: { otherwise: EXIT.configuration },
  DevnetError: { otherwise: EXIT.configuration, codes: { deploymentFailed: EXIT.chainRefused } },
  RelayerError: {
    otherwise: EXIT.configuration,
    codes: { noSource: EXIT.unavailable, foreignHub: EXIT.verificationFailed },
  },
  CommandError: {
    otherwise: EXIT.chainRefused,
    codes: { missingTool: EXIT.configuration },
  },
  /** Foreign text that is no instruction. */
  LedgerError: { otherwise: EXIT.usage },
  /** Foreign bytes that are no certificate, and certificates that nobody signed. */
  BatchError: { otherwise: EXIT.verificationFailed },
  /** No answer, not this answer, or not now: another member may do better. */
  ApiError: {
    otherwise: EXIT.unavailable,
    codes: { badUrl: EXIT.usage, badRequest: EXIT.usage, bodyTooLarge: EXIT.usage, urlTooLong: EXIT.usage },
  },
  ChainError: {
    otherwise: EXIT.unavailable,
    codes: {
      badConfig: EXIT.configuration,
      wrongChain: EXIT.configuration,
      callReverted: EXIT.chainRefused,
      rpcRefused: EXIT.chainRefused,
      insufficientFunds: EXIT.chainRefused,
      feeAboveCap: EXIT.chainRefused,
      inboxBroken: EXIT.verificationFailed,
      reorgBeyondFinality: EXIT.verificationFailed,
      journalFailure: EXIT.configuration,
    },
  },
  SdkError: {
    otherwise: EXIT.verificationFailed,
    codes: {
      badCommittee: EXIT.configuration,
      unknownSuite: EXIT.configuration,
      badParameters: EXIT.usage,
      refused: EXIT.chainRefused,
      noAnswer: EXIT.unavailable,
      notFound: EXIT.unavailable,
      timeout: EXIT.deadline,
      aborted: EXIT.unavailable,
    },
  },
};

export function exitCodeOf(error: unknown): ExitCode {
  if (!isClocklessError(error)) return EXIT.bug;
  const rule = RULES[error.name];
  return rule?.codes?.[error.code] ?? rule?.otherwise ?? EXIT.bug;
}

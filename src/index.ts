/**
 * The SDK's root: everything that needs neither viem nor ethers. Browser-safe; each export can be tree-shaken on its own.
 *
 * @example
 * import { createClockless, createCommittee } from "clockless";
 * const committee = createCommittee({ committeeId, groupKeys: { bn254 }, members: 4 });
 * const clockless = createClockless({ apis: ["https://member-1.example"], committee });
 * const { receipt, at } = await clockless.waitForFinality(instructionId);
 */
export { type ApiClient, type ApiClientOptions, createApiClient } from "./api/client.ts";
export { ApiError, type ApiErrorCode } from "./api/errors.ts";
export { certificateToJson, decodeCertificate, encodeCertificate, parseCertificate } from "./batch/certificate.ts";
export { BatchError, type BatchErrorCode } from "./batch/errors.ts";
export { type Handover, type HandoverJson, handoverToJson, parseHandover } from "./batch/handover.ts";
export { decodeHeader, encodeHeader, headerDigest } from "./batch/header.ts";
export type { GroupKeys, KeyLink } from "./batch/key-chain.ts";
export { outboxEntryHash } from "./batch/outbox.ts";
export type { ReceiptProof } from "./batch/receipts.ts";
export type { AccountProof } from "./batch/state.ts";
export type { MultiProof } from "./batch/tree.ts";
export type {
  AccountId,
  AccountLeaf,
  BatchHeader,
  CallEntry,
  Certificate,
  Destination,
  InclusionProof,
  OutboxEntry,
  PayoutEntry,
} from "./batch/types.ts";
export { LedgerError, type LedgerErrorCode, RECEIPT_CODES, type ReceiptCode } from "./ledger/codes.ts";
export {
  accountIdOf,
  INSTRUCTION_TYPES,
  instructionDigest,
  instructionId,
  ownerOf,
  signInstruction,
  typedDataOf,
} from "./ledger/instruction.ts";
export { decodeInstrument, encodeInstrument } from "./ledger/instrument.ts";
export { instructionFromJson, instructionToJson } from "./ledger/json.ts";
export type { SignedHandover } from "./ledger/reconfiguration/types.ts";
export type {
  AccountDetails,
  AccountView,
  Fill,
  Instruction,
  InstructionBody,
  InstructionHead,
  Instrument,
  LaneAllowance,
  Position,
  Receipt,
  SignedInstruction,
} from "./ledger/types.ts";
export { ClocklessError, isClocklessError } from "./lib/errors.ts";
export { type Address, bytesToHex, type Hex, hexToBytes } from "./lib/hex.ts";
export type { CertifiedHeader } from "./sdk/certificates.ts";
export { type Clockless, type ClocklessOptions, createClockless } from "./sdk/client.ts";
export { type CommitteeParameters, createCommittee, honestQuorum, type TrustedCommittee } from "./sdk/committee.ts";
export { SdkError, type SdkErrorCode } from "./sdk/errors.ts";
export { followHandovers, type HandoverFault } from "./sdk/handovers.ts";
export {
  acceptArguments,
  deliverArguments,
  type HandoverParameters,
  type HubConfig,
  HubError,
  type HubHead,
  handoverArguments,
} from "./sdk/hub.ts";
export type {
  Finality,
  InstructionProgress,
  SignTypedData,
  Submitted,
  TypedData,
  WaitOptions,
} from "./sdk/instructions.ts";
export { proveEntries, proveEntry } from "./sdk/prove.ts";
export type { Acceptance, AccountState, Delivery } from "./sdk/reads.ts";
export {
  verifyAccount,
  verifyAccountDetails,
  verifyCertificate,
  verifyDestination,
  verifyEntries,
  verifyEntry,
  verifyHistory,
  verifyReceipt,
} from "./sdk/verify.ts";
export { SUITES, type Suite } from "./threshold/types.ts";

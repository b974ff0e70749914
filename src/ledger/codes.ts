/** Every verdict the ledger can give, with its meaning in one line. Codes are part of the protocol: receipts are compared by them. */
import { ClocklessError } from "../lib/errors.ts";

/** Codes of receipts. All but the first mean that nothing moved. */
export const RECEIPT_CODES = {
  applied: "Done, atomically, in this batch.",
  // The nonce stays free.
  late: "The batch is later than named batch + W; sign again against a newer batch (nonce not consumed).",
  nonceUsed: "Another instruction of this lane already holds this nonce (nonce not consumed).",
  unknownSigner: "The signer owns no account and no lane was opened to it, so it has no nonces (nonce not consumed).",
  tooManyLanes: "The signer already uses as many lanes as one signer may (nonce not consumed).",
  // The nonce is consumed.
  namedBatchFell: "It names an earlier batch than its predecessor in the lane.",
  notOwner: "The signer does not own the account this acts on.",
  laneNotOpen: "The account's owner has not opened this lane to the signer.",
  laneLimit: "The lane would spend more of this account than its owner allowed.",
  tooManyGrants: "The account has as many opened lanes as one account may have.",
  badLimits: "The cash limits name an unknown asset or one asset twice.",
  empty: "It contains nothing to do.",
  zeroAmount: "An amount or quantity is zero.",
  sameAccount: "Both sides are the same account.",
  unknownAsset: "No such asset, or it has no vault token on that chain.",
  unknownChain: "No such chain.",
  unknownInstrument: "The 32 bytes are no instrument of this ledger's markets.",
  expired: "The instrument has reached its expiry by ledger time.",
  priceAboveCap: "A future or perpetual traded above the market's price cap.",
  badRecipient: "Payouts to the zero address, a hub or a vault of ours would be lost.",
  tooManyPositions: "The account would hold more positions than one account may.",
  positionTooLarge: "A position would exceed 2^128 − 1 quantity units.",
  unknownAccount: "The account trades before it was ever credited or opened a lane.",
  overdraft: "An account would pay more than its cash.",
  marginShort: "An account would be worth less than zero at its worst intrinsic value.",
  vaultShort: "That chain's vault holds less than this payout; withdraw from another chain.",
} as const;

export type ReceiptCode = keyof typeof RECEIPT_CODES;

/** Why an inbox entry was consumed without effect (event `inboxRefused`); forced instructions may also carry a receipt code. */
export const INBOX_CODES = {
  unknownToken: "A deposit of a token that this ledger does not know.",
  dust: "A deposit of less than one ledger unit.",
  ledgerFull: "The asset's total would no longer fit the ledger's integers.",
  undecodable: "The bytes are no signed instruction.",
  badSignature: "The forced instruction is not signed by its signer.",
  nonceGap: "The forced instruction's nonce is not its lane's next.",
  early: "The forced instruction names a batch that does not exist yet.",
  repeated: "This instruction was decided before.",
} as const;

export type InboxCode = keyof typeof INBOX_CODES;

/** Why an instruction leaves no trace: it may still become decidable, or nobody proved to have signed it. */
export const DROP_CODES = {
  badSignature: "Not signed by its signer: consumes nothing of that signer and must not hide the genuine one.",
  early: "It names a batch that does not exist yet.",
  repeated: "This id already has its receipt, or is parked.",
  stale: "Its window closed more than W batches ago: it may have had its receipt and been forgotten.",
  gapTooWide: "Its nonce is more than W ahead of its lane; carry it again when the gap has closed.",
  parked: "It waits for its predecessors in the lane.",
} as const;

export type DropCode = keyof typeof DROP_CODES;

/**
 * - `malformedBytes`: not the canonical encoding of the expected value.
 * - `tooLarge`: more bytes or elements than the format allows; refused before anything is decoded.
 * - `malformedJson`: JSON that does not describe the expected value; `details.issues` says where.
 * - `badInstrument`: not a canonical instrument id, or terms that no id can carry.
 * - `badGenesis`: a genesis no ledger can start from.
 * - `badSnapshot`: not the state that the header commits to, or not in its one encoding.
 */
export type LedgerErrorCode =
  | "malformedBytes"
  | "tooLarge"
  | "malformedJson"
  | "badInstrument"
  | "badGenesis"
  | "badSnapshot";

export class LedgerError extends ClocklessError<LedgerErrorCode> {
  override readonly name = "LedgerError";
}

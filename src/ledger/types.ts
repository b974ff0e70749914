/**
 * The ledger's vocabulary (ledger.md). Money is bigint in ledger units of an asset (10^-decimals); quantities are bigint in
 * quantity units of a market (10^-quantityDecimals); prices and strikes are cash units per quantity unit, so that
 * payment = quantity × price exactly and nothing is ever divided afterwards. Times are seconds since the Unix epoch, as
 * reported by members: they serve instruments' terms only, never consensus.
 */
import type { StateParts } from "../batch/receipts.ts";
import type { AccountId, BatchHeader, Destination, InboxEntry, OutboxEntry } from "../batch/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { EpochChange, EpochFault } from "./reconfiguration/types.ts";

export interface AssetConfig {
  /** bytes32; by convention keccak256 of the symbol. */
  readonly id: Hex;
  readonly symbol: string;
  readonly decimals: number;
}

/** One hub and its vault: a mailbox on one chain. */
export interface ChainConfig {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly vault: Address;
  readonly tokens: readonly TokenConfig[];
}

export interface TokenConfig {
  readonly asset: Hex;
  readonly token: Address;
  /** Token units per ledger unit, ≥ 1 (10^(token decimals − asset decimals)). Deposits are credited rounded down. */
  readonly unitsPerLedgerUnit: bigint;
}

export interface MarketConfig {
  /** Number of the underlying inside instrument ids (uint32). */
  readonly id: number;
  readonly symbol: string;
  /** Asset id in which instruments of this market are margined and settled. */
  readonly quote: Hex;
  readonly quantityDecimals: number;
  /** Settlement prices are capped here by the instruments' own terms; makes the worst intrinsic value of a short call finite. */
  readonly priceCap: bigint;
  /** Expiry price: mean of the medians of this many slots of this length, the last one ending at expiry (300 × 6 s). */
  readonly expirySlots: number;
  readonly slotSeconds: number;
}

export interface LedgerGenesis {
  readonly committeeId: Hex;
  readonly epoch: bigint;
  /** Number of members; f and n − f follow. */
  readonly members: number;
  readonly assets: readonly AssetConfig[];
  readonly chains: readonly ChainConfig[];
  readonly markets: readonly MarketConfig[];
  /** W: an instruction naming batch b applies only in batches b < j ≤ b + W. */
  readonly window: bigint;
}

/** Terms are the identity: an instrument needs no listing, its 32-byte id packs them (ledger/instrument.ts). */
export interface Instrument {
  readonly kind: "call" | "put" | "future" | "perpetual";
  readonly market: number;
  /** Seconds; 0 for perpetuals. */
  readonly expiry: bigint;
  /** Price units; 0 for futures and perpetuals. */
  readonly strike: bigint;
}

/** Who speaks, in which order, against which state. Signed with every body. */
export interface InstructionHead {
  readonly signer: Address;
  /** uint64: one nonce chain per (signer, lane). */
  readonly lane: bigint;
  /** uint64, from 0, gap-free per lane. */
  readonly nonce: bigint;
  /** uint64: the batch whose state it was made against. */
  readonly namedBatch: bigint;
}

export type InstructionBody =
  /** By an account's owner: lets (laneSigner, laneNumber) act on the account within limits. */
  | {
      readonly kind: "openLane";
      readonly account: AccountId;
      readonly laneSigner: Address;
      readonly laneNumber: bigint;
      /** Most margin the lane may ever spend on this account, ledger units of the quote asset. */
      readonly marginLimit: bigint;
      /** Most cash per asset the lane may ever spend on this account. */
      readonly cashLimits: readonly { readonly asset: Hex; readonly limit: bigint }[];
    }
  /** By a venue: trades between accounts that opened this lane to it. Atomic. */
  | { readonly kind: "fills"; readonly fills: readonly Fill[] }
  /** By the owner of `from`. */
  | {
      readonly kind: "transfer";
      readonly from: AccountId;
      readonly to: AccountId;
      readonly asset: Hex;
      readonly amount: bigint;
    }
  /** By the owner. Amounts in ledger units; the relayer fee comes out of the account on top of the amount. */
  | {
      readonly kind: "withdraw";
      readonly account: AccountId;
      readonly asset: Hex;
      readonly amount: bigint;
      readonly chainId: bigint;
      readonly recipient: Address;
      readonly relayerFee: bigint;
    };

export interface Fill {
  readonly instrument: Hex;
  readonly buyer: AccountId;
  readonly seller: AccountId;
  /** Quantity units, > 0. */
  readonly quantity: bigint;
  /** Cash units per quantity unit, ≥ 0: option premium, or future/perpetual price. */
  readonly price: bigint;
}

export interface Instruction {
  readonly head: InstructionHead;
  readonly body: InstructionBody;
}

export interface SignedInstruction {
  readonly instruction: Instruction;
  /** 65 bytes by `head.signer` over the EIP-712 digest (domain salt = committee id). */
  readonly signature: Hex;
}

/** What a member saw outside, put into its blocks. */
export type Observation =
  /** Consecutive inbox entries that are final under that chain's rule; `firstIndex` is the first one's index. */
  | { readonly kind: "inbox"; readonly chainId: bigint; readonly entries: readonly InboxEntry[] }
  | { readonly kind: "time"; readonly seconds: bigint }
  /** Price of consecutive slots; slot i ends at `firstSlotEnd + i × slotSeconds`, a multiple of slotSeconds. */
  | {
      readonly kind: "prices";
      readonly market: number;
      readonly firstSlotEnd: bigint;
      readonly values: readonly bigint[];
    };

/** The ledger's input: one output round, flattened in output order. */
export interface BatchInput {
  /** Digest of the last commit of the round. */
  readonly commit: Hex;
  readonly items: readonly BatchItem[];
}

/** What one block carried. */
export interface BatchItem {
  readonly author: number;
  readonly instructions: readonly SignedInstruction[];
  readonly observations: readonly Observation[];
  /** Canonical bytes of reconfiguration transactions; whatever does not decode is dropped. */
  readonly transactions: readonly Uint8Array[];
}

/**
 * Every instruction ends in exactly one receipt, but for one case: one that was refused with its nonce left free (`late`, …) and is then
 * forced through a chain's inbox gets a second one, which counts (ledger/lanes.ts).
 */
export interface Receipt {
  readonly instructionId: Hex;
  readonly status: "applied" | "refused";
  /** "applied", or why not (ledger/codes.ts). */
  readonly code: string;
  /** The figures that refused it (decimal strings), for people. */
  readonly figures: Readonly<Record<string, string>>;
  readonly sequence: bigint;
  /** Position among the batch's receipts. */
  readonly position: number;
}

/** What else happened in a batch, for indexers and people. */
export type LedgerEvent =
  | {
      readonly kind: "deposit";
      readonly chainId: bigint;
      readonly index: bigint;
      readonly account: AccountId;
      readonly asset: Hex;
      readonly amount: bigint;
    }
  | { readonly kind: "inboxRefused"; readonly chainId: bigint; readonly index: bigint; readonly code: string }
  | {
      readonly kind: "expiry";
      readonly market: number;
      readonly expiry: bigint;
      readonly price: bigint;
      readonly longPayout: bigint;
      readonly accounts: number;
    }
  | { readonly kind: "time"; readonly seconds: bigint }
  | { readonly kind: "price"; readonly market: number; readonly slotEnd: bigint; readonly value: bigint }
  | ReconfigurationEvent;

/** A step of a change of committee (reconfiguration/types.ts). */
export interface ReconfigurationEvent {
  readonly kind: "reconfiguration";
  readonly step: ReconfigurationStep;
  /** The epoch that the change would make. */
  readonly epoch: bigint;
  readonly attempt: bigint;
  /** Digest of the proposal. */
  readonly proposal: Hex;
  /** Who took the step: approver, dealer, new member, signer. */
  readonly member?: Address;
  /** Step `blamed`. */
  readonly fault?: EpochFault;
  /** Steps `refused` and `failed`: why. */
  readonly code?: string;
}

/**
 * proposed: first approval; approved: each further one; refused: a member approved something that no committee can become;
 * tookEffect: n − f approvals; superseded: by a later attempt that took effect; dealt: a deal counts; blamed: see `fault`;
 * keysMade: enough deals, waits for READYs; ready: one counts; handover: enough READYs for a new key, waits for partials;
 * handoverSigned: one counts; handedOver: the old key signed; closing: nothing stops it any more; closed: this batch ends the epoch;
 * failed: the deals make no key, the committee goes on as it is.
 */
export type ReconfigurationStep =
  | "proposed"
  | "approved"
  | "refused"
  | "tookEffect"
  | "superseded"
  | "dealt"
  | "blamed"
  | "keysMade"
  | "ready"
  | "handover"
  | "handoverSigned"
  | "handedOver"
  | "closing"
  | "closed"
  | "failed";

/** What the ledger made of one output round. */
export interface SettledBatch {
  readonly header: BatchHeader;
  readonly digest: Hex;
  /** `header.state` without the receipts: with them and these, each receipt can be proven at any later time (batch/receipts.ts). */
  readonly stateParts: StateParts;
  /** By position. */
  readonly receipts: readonly Receipt[];
  readonly events: readonly LedgerEvent[];
  /** New outbox entries of this batch, with the chain they go to. */
  readonly entries: readonly { readonly chainId: bigint; readonly hub: Address; readonly entry: OutboxEntry }[];
  /** All destinations as this header commits to them, sorted. */
  readonly destinations: readonly Destination[];
  /** Present on the last batch of an epoch: whatever the old epoch's order has after it is no longer applied. */
  readonly closes?: EpochChange;
}

export interface Position {
  readonly instrument: Hex;
  /** Quantity units; positive long, negative short. */
  readonly quantity: bigint;
}

/** What an owner lets one lane spend of an account, and what it has spent (ledger/grants.ts). */
export interface LaneAllowance {
  readonly signer: Address;
  readonly lane: bigint;
  readonly margin: { readonly limit: bigint; readonly spent: bigint };
  readonly cash: readonly { readonly asset: Hex; readonly limit: bigint; readonly spent: bigint }[];
}

/** What an account leaf's `details` is the hash of (ledger/details.ts). */
export interface AccountDetails {
  readonly positions: readonly Position[];
  readonly lanes: readonly LaneAllowance[];
}

export interface AccountView extends AccountDetails {
  readonly account: AccountId;
  readonly cash: readonly { readonly asset: Hex; readonly amount: bigint; readonly exitValue: bigint }[];
}

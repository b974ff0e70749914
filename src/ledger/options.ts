/** What a ledger is given, and what goes in and out of its fold. */
import type { OutboxEntry } from "../batch/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import type { DropCode, ReceiptCode } from "./codes.ts";
import type { FundingModel } from "./funding.ts";
import type { MarginModel } from "./margin.ts";
import type { ReshareScheme } from "./reconfiguration/types.ts";
import type { LedgerEvent, Receipt } from "./types.ts";

export interface LedgerOptions {
  /** Pure; callers that verified a signature before may answer from memory. Default: secp256k1 recovery. */
  readonly verify?: (digest: Hex, signature: Hex, signer: Address) => boolean;
  /** Default: worst intrinsic value. Part of the rules: every member must use the same. */
  readonly margin?: MarginModel;
  /** Default: no funding. Part of the rules: every member must use the same. */
  readonly funding?: FundingModel;
  /** Of the genesis. Without it and `reshare` the committee never changes, and transactions are dropped. */
  readonly committee?: Committee;
  readonly reshare?: ReshareScheme;
  /** A batch is made after this many rounds without one. Part of the rules: every member must use the same. Default: never. */
  readonly heartbeatRounds?: number;
}

/** What `preview` says: a receipt code, or why the instruction would leave no trace yet. */
export interface Preview {
  readonly code: ReceiptCode | DropCode;
  readonly figures: Readonly<Record<string, string>>;
}

/** What one batch is making. */
export interface Making {
  readonly sequence: bigint;
  readonly receipts: Receipt[];
  readonly events: LedgerEvent[];
  readonly entries: { readonly chainId: bigint; readonly hub: Address; readonly entry: OutboxEntry }[];
  /** The round ends an epoch: the state is already the next one's. */
  readonly closes: boolean;
}

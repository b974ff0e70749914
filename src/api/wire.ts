/**
 * JSON forms of the domain's values, each written once as a codec: the server encodes with it, the client decodes with it, and the
 * OpenAPI description is generated from it. Integers that may pass 2^53 are decimal strings; hex is lower case; unknown keys are
 * dropped, so that an older client can read a newer member.
 */
import * as z from "zod";
import type { MultiProof } from "../batch/multiproof.ts";
import type { ReceiptProof, StateParts } from "../batch/receipts.ts";
import type { AccountProof } from "../batch/state.ts";
import type { BatchHeader, Certificate, Destination, InclusionProof, OutboxEntry } from "../batch/types.ts";
import type { EpochFault } from "../ledger/reconfiguration/types.ts";
import type {
  AccountView,
  LedgerEvent,
  LedgerGenesis,
  Receipt,
  ReconfigurationEvent,
  ReconfigurationStep,
} from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import { SUITES, type Suite } from "../threshold/types.ts";

/** The largest uint256 has 78 digits: longer text is refused before it becomes a bigint. */
const MAX_DIGITS = 78;

function hexText(pattern: RegExp, description: string): z.ZodType<Hex> {
  // CAST: the pattern requires the 0x prefix, which is all the type says.
  return z.string().regex(pattern).describe(description) as unknown as z.ZodType<Hex>;
}

export const bytes32 = hexText(/^0x[0-9a-f]{64}$/, "32 bytes, lower-case hex");
export const address = hexText(/^0x[0-9a-f]{40}$/, "20-byte address, lower-case hex (not checksummed)");
export const hexBytes = hexText(/^0x(?:[0-9a-f]{2})*$/, "bytes, lower-case hex");

/** Beyond it no number is one of ours, and whatever hashes 32-byte words would throw. */
const MAX_WORD = (1n << 256n) - 1n;

function decimal(pattern: RegExp, description: string): z.ZodType<bigint> {
  return z
    .codec(
      z
        .string()
        .max(MAX_DIGITS + 1)
        .regex(pattern)
        .describe(description),
      z.bigint().min(-MAX_WORD).max(MAX_WORD),
      {
        decode: (text) => BigInt(text),
        encode: (value) => value.toString(),
      },
    )
    .describe(description);
}

export const uint = decimal(/^(?:0|[1-9][0-9]*)$/, "unsigned integer, decimal");
export const int = decimal(/^(?:0|-?[1-9][0-9]*)$/, "signed integer, decimal");

/** uint64: what sequences, indexes, lanes and nonces are. */
export const uint64: z.ZodType<bigint> = z
  .codec(
    z
      .string()
      .regex(/^(?:0|[1-9][0-9]{0,19})$/)
      .describe("uint64, decimal"),
    z.bigint().max((1n << 64n) - 1n),
    {
      decode: (text) => BigInt(text),
      encode: (value) => value.toString(),
    },
  )
  .describe("uint64, decimal");

/** A list of at most `max` items. */
export function list<T>(item: z.ZodType<T>, max: number): z.ZodType<readonly T[]> {
  return z.array(item).max(max);
}

/** More items than any list of a batch has: members carry at most 8,192 instructions each. Answers are bounded in bytes as well. */
export const MAX_ITEMS = 1 << 23;

export const suite: z.ZodType<Suite> = z.enum(SUITES);

export const batchHeader: z.ZodType<BatchHeader> = z.object({
  sequence: uint,
  epoch: uint,
  previous: bytes32,
  history: bytes32,
  outboxes: bytes32,
  state: bytes32,
  commit: bytes32,
});

export const certificate: z.ZodType<Certificate> = z.object({ header: batchHeader, suite, signature: hexBytes });

export const destination: z.ZodType<Destination> = z.object({
  chainId: uint,
  hub: address,
  inboxCursor: uint,
  inboxHash: bytes32,
  outboxSize: uint,
  outboxRoot: bytes32,
  promisedRoot: bytes32,
});

export const inclusionProof: z.ZodType<InclusionProof> = z.object({
  index: uint,
  size: uint,
  siblings: list(bytes32, 64),
});

export const multiProof: z.ZodType<MultiProof> = z.object({
  indexes: list(uint, MAX_ITEMS),
  size: uint,
  siblings: list(bytes32, MAX_ITEMS),
});

export const outboxEntry: z.ZodType<OutboxEntry> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("payout"),
    index: uint,
    token: address,
    recipient: address,
    amount: uint,
    relayerFee: uint,
    reference: bytes32,
  }),
  z.object({
    kind: z.literal("call"),
    index: uint,
    receiver: address,
    gasLimit: uint,
    data: hexBytes,
    reference: bytes32,
  }),
]);

export const receipt: z.ZodType<Receipt> = z.object({
  instructionId: bytes32,
  status: z.enum(["applied", "refused"]),
  code: z.string().max(64),
  figures: z.record(z.string().max(64), z.string().max(256)),
  sequence: uint,
  position: z.number().int().nonnegative(),
});

const stateFields = { assets: uint, assetsRoot: bytes32, core: bytes32 };

export const stateParts: z.ZodType<StateParts> = z.object(stateFields);

export const receiptProof: z.ZodType<ReceiptProof> = z.object({
  size: uint,
  siblings: list(bytes32, 64),
  ...stateFields,
});

const count = z.number().int().nonnegative();

/** One of a list that a newer member may have made longer: whoever reads it must not fail because of that. */
function openWord<T extends string>(description: string): z.ZodType<T> {
  // CAST: unknown words are let through on purpose; programs compare, people read.
  return z.string().max(64).describe(description) as unknown as z.ZodType<T>;
}

const reconfigurationEvent = z.object({
  kind: z.literal("reconfiguration"),
  step: openWord<ReconfigurationStep>(
    "what happened: proposed, approved, tookEffect, dealt, keysMade, ready, closed, …",
  ),
  epoch: uint,
  attempt: uint,
  proposal: bytes32,
  member: z.exactOptional(address),
  fault: z.exactOptional(
    z.object({
      member: address,
      code: openWord<EpochFault["code"]>("what the member was caught at"),
      suite: z.exactOptional(suite),
    }),
  ),
  code: z.exactOptional(z.string().max(64)),
}) satisfies z.ZodType<ReconfigurationEvent>;

export const ledgerEvent: z.ZodType<LedgerEvent> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("deposit"), chainId: uint, index: uint, account: bytes32, asset: bytes32, amount: uint }),
  z.object({ kind: z.literal("inboxRefused"), chainId: uint, index: uint, code: z.string().max(64) }),
  z.object({ kind: z.literal("expiry"), market: count, expiry: uint, price: uint, longPayout: uint, accounts: count }),
  z.object({ kind: z.literal("time"), seconds: uint }),
  z.object({ kind: z.literal("price"), market: count, slotEnd: uint, value: uint }),
  reconfigurationEvent,
]);

const assetRoot = z.object({ asset: bytes32, accounts: uint, root: bytes32, total: uint });

export const accountProof: z.ZodType<AccountProof> = z.object({
  leaf: z.object({ account: bytes32, asset: bytes32, cash: int, exitValue: uint, details: bytes32 }),
  index: uint,
  siblings: list(z.object({ hash: bytes32, sum: uint }), 64),
  assetRoot,
  assetIndex: uint,
  assetCount: uint,
  assetSiblings: list(bytes32, 64),
  rest: bytes32,
});

export const accountView: z.ZodType<AccountView> = z.object({
  account: bytes32,
  cash: list(z.object({ asset: bytes32, amount: int, exitValue: uint }), MAX_ITEMS),
  positions: list(z.object({ instrument: bytes32, quantity: int }), MAX_ITEMS),
  lanes: list(
    z.object({
      signer: address,
      lane: uint,
      margin: z.object({ limit: uint, spent: uint }),
      cash: list(z.object({ asset: bytes32, limit: uint, spent: uint }), 4096),
    }),
    4096,
  ),
});

export const ledgerGenesis: z.ZodType<LedgerGenesis> = z.object({
  committeeId: bytes32,
  epoch: uint,
  members: count,
  assets: list(z.object({ id: bytes32, symbol: z.string().max(32), decimals: count }), 4096),
  chains: list(
    z.object({
      chainId: uint,
      hub: address,
      vault: address,
      tokens: list(z.object({ asset: bytes32, token: address, unitsPerLedgerUnit: uint }), 4096),
    }),
    4096,
  ),
  markets: list(
    z.object({
      id: count,
      symbol: z.string().max(64),
      quote: bytes32,
      quantityDecimals: count,
      priceCap: uint,
      expirySlots: count,
      slotSeconds: count,
    }),
    4096,
  ),
  window: uint,
});

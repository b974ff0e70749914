/** The instruction that the flags or a file describe, read with the ledger's own JSON rules. */

import { accountIdOf } from "../ledger/instruction.ts";
import { instructionFromJson } from "../ledger/json.ts";
import type { Instruction, LedgerGenesis } from "../ledger/types.ts";
import { type Address, isHex } from "../lib/hex.ts";
import { UsageError } from "./errors.ts";
import { parseJsonInput, readInput } from "./options.ts";

export interface InstructionFlags {
  /** JSON: {"head"?: {…}, "body": {…}}; everything a flag does not say. */
  readonly instruction?: string;
  readonly kind?: "transfer" | "withdraw";
  readonly lane?: bigint;
  readonly nonce?: bigint;
  readonly namedBatch?: bigint;
  readonly account?: string;
  readonly to?: string;
  readonly asset?: string;
  readonly amount?: string;
  readonly chainId?: bigint;
  readonly recipient?: string;
  readonly relayerFee?: string;
}

/** Passes instructionFromJson's length check; nothing reads it. */
const NO_SIGNATURE = `0x${"00".repeat(65)}`;

/**
 * Flags win over the file. The signer is the key's address, and a file that names another one is refused.
 * @throws UsageError, LedgerError malformedJson
 */
export function readInstruction(
  flags: InstructionFlags,
  signer: Address,
  genesis: LedgerGenesis | undefined,
): Instruction {
  const file = flags.instruction === undefined ? {} : readObject(flags.instruction);
  const head: Record<string, unknown> = { lane: "0", ...objectOf(file.head, "head") };
  if (head.signer !== undefined && String(head.signer).toLowerCase() !== signer) {
    throw new UsageError("badOption", `the file's signer is not the key's address`, {
      details: { signer: String(head.signer), key: signer },
    });
  }
  head.signer = signer;
  if (flags.lane !== undefined) head.lane = flags.lane.toString();
  if (flags.nonce !== undefined) head.nonce = flags.nonce.toString();
  if (flags.namedBatch !== undefined) head.namedBatch = flags.namedBatch.toString();
  if (head.nonce === undefined) throw missing("--nonce (GET /v1/lanes/SIGNER/LANE of a member says the next one)");
  if (head.namedBatch === undefined) throw missing("--named-batch (the newest certified batch you know)");
  const body = flags.kind === undefined ? objectOf(file.body, "body") : bodyFrom(flags, signer, genesis);
  return instructionFromJson({ instruction: { head, body }, signature: NO_SIGNATURE }).instruction;
}

function bodyFrom(flags: InstructionFlags, signer: Address, genesis: LedgerGenesis | undefined): unknown {
  const account = flags.account ?? accountIdOf(signer);
  const asset = assetId(required(flags.asset, "--asset"), genesis);
  const amount = required(flags.amount, "--amount");
  if (flags.kind === "transfer") {
    return { kind: "transfer", from: account, to: required(flags.to, "--to"), asset, amount };
  }
  return {
    kind: "withdraw",
    account,
    asset,
    amount,
    chainId: required(flags.chainId, "--chain-id").toString(),
    recipient: flags.recipient ?? signer,
    relayerFee: flags.relayerFee ?? "0",
  };
}

/** An asset by id, or by symbol when the committee file that lists it is there. */
function assetId(text: string, genesis: LedgerGenesis | undefined): string {
  if (isHex(text.toLowerCase(), 32)) return text;
  const found = genesis?.assets.filter(({ symbol }) => symbol === text) ?? [];
  if (found.length === 1) return found[0]!.id;
  throw new UsageError(
    "badOption",
    `--asset takes 32 bytes of hex, or with --committee the symbol of one of its assets, not "${text}"`,
    { details: { symbols: genesis?.assets.map(({ symbol }) => symbol) } },
  );
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw missing(name);
  return value;
}

function missing(what: string): UsageError {
  return new UsageError("missingOption", `missing: ${what}`);
}

function readObject(path: string): Record<string, unknown> {
  return objectOf(parseJsonInput(readInput(path).toString("utf8"), path), path);
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError("malformedInput", `${what} is not a JSON object`);
  }
  return value as Record<string, unknown>; // CAST: a non-null object that is no array
}

/**
 * Instructions as wallets sign them: EIP-712, one primary type per body, the head's fields first. An instruction's id is its struct
 * hash: it names what was asked for, and neither who carried it nor with which signature or committee it was signed.
 * Source: https://eips.ethereum.org/EIPS/eip-712
 */

import type { AccountId } from "../batch/types.ts";
import { assert } from "../lib/assert.ts";
import { signDigest } from "../lib/ecdsa.ts";
import { DOMAIN_NAME, DOMAIN_VERSION, domainSeparator, typedDigest, typeHash } from "../lib/eip712.ts";
import { type Address, type Hex, hexToBytes } from "../lib/hex.ts";
import type { Fill, Instruction, InstructionBody, SignedInstruction } from "./types.ts";
import { WordWriter } from "./words.ts";

const HEAD = [
  { name: "signer", type: "address" },
  { name: "lane", type: "uint64" },
  { name: "nonce", type: "uint64" },
  { name: "namedBatch", type: "uint64" },
] as const;

/** Per body kind: the `types` that viem's and ethers' `signTypedData` take; the first key is the primary type. */
export const INSTRUCTION_TYPES = {
  openLane: {
    OpenLane: [
      ...HEAD,
      { name: "account", type: "bytes32" },
      { name: "laneSigner", type: "address" },
      { name: "laneNumber", type: "uint64" },
      { name: "marginLimit", type: "uint128" },
      { name: "cashLimits", type: "CashLimit[]" },
    ],
    CashLimit: [
      { name: "asset", type: "bytes32" },
      { name: "limit", type: "uint128" },
    ],
  },
  fills: {
    Fills: [...HEAD, { name: "fills", type: "Fill[]" }],
    Fill: [
      { name: "instrument", type: "bytes32" },
      { name: "buyer", type: "bytes32" },
      { name: "seller", type: "bytes32" },
      { name: "quantity", type: "uint128" },
      { name: "price", type: "uint128" },
    ],
  },
  transfer: {
    Transfer: [
      ...HEAD,
      { name: "from", type: "bytes32" },
      { name: "to", type: "bytes32" },
      { name: "asset", type: "bytes32" },
      { name: "amount", type: "uint128" },
    ],
  },
  withdraw: {
    Withdraw: [
      ...HEAD,
      { name: "account", type: "bytes32" },
      { name: "asset", type: "bytes32" },
      { name: "amount", type: "uint128" },
      { name: "chainId", type: "uint64" },
      { name: "recipient", type: "address" },
      { name: "relayerFee", type: "uint128" },
    ],
  },
} as const;

export const PRIMARY_TYPES = {
  openLane: "OpenLane",
  fills: "Fills",
  transfer: "Transfer",
  withdraw: "Withdraw",
} as const;

type Field = { readonly name: string; readonly type: string };

/** encodeType: the primary type, then the types it refers to in alphabetical order (each body refers to at most one). */
function encodeType(types: Readonly<Record<string, readonly Field[]>>): Uint8Array {
  const text = Object.entries(types).map(([name, fields]) => `${name}(${fields.map((f) => `${f.type} ${f.name}`)})`);
  return typeHash(text.join(""));
}

const TYPE_HASHES = {
  openLane: encodeType(INSTRUCTION_TYPES.openLane),
  fills: encodeType(INSTRUCTION_TYPES.fills),
  transfer: encodeType(INSTRUCTION_TYPES.transfer),
  withdraw: encodeType(INSTRUCTION_TYPES.withdraw),
};
const FILL_HASH = encodeType({ Fill: INSTRUCTION_TYPES.fills.Fill });
const CASH_LIMIT_HASH = encodeType({ CashLimit: INSTRUCTION_TYPES.openLane.CashLimit });

// One writer per nesting level: a list is hashed completely before its hash enters the struct.
const outer = new WordWriter();
const list = new WordWriter();
const inner = new WordWriter();

function hashFills(fills: readonly Fill[]): Uint8Array {
  list.reset();
  for (const fill of fills) {
    inner.reset().raw(FILL_HASH).hex(fill.instrument).hex(fill.buyer).hex(fill.seller);
    list.raw(inner.int(fill.quantity).int(fill.price).keccak());
  }
  return list.keccak();
}

/** The instruction's id: its EIP-712 struct hash. */
export function instructionId({ head, body }: Instruction): Hex {
  const listHash =
    body.kind === "fills" ? hashFills(body.fills) : body.kind === "openLane" ? hashLimits(body) : undefined;
  outer.reset().raw(TYPE_HASHES[body.kind]).hex(head.signer).int(head.lane).int(head.nonce).int(head.namedBatch);
  switch (body.kind) {
    case "openLane":
      outer.hex(body.account).hex(body.laneSigner).int(body.laneNumber).int(body.marginLimit);
      break;
    case "transfer":
      outer.hex(body.from).hex(body.to).hex(body.asset).int(body.amount);
      break;
    case "withdraw":
      outer
        .hex(body.account)
        .hex(body.asset)
        .int(body.amount)
        .int(body.chainId)
        .hex(body.recipient)
        .int(body.relayerFee);
      break;
    case "fills":
  }
  if (listHash !== undefined) outer.raw(listHash);
  return outer.keccakHex();
}

function hashLimits(body: Extract<InstructionBody, { kind: "openLane" }>): Uint8Array {
  list.reset();
  for (const { asset, limit } of body.cashLimits) {
    list.raw(inner.reset().raw(CASH_LIMIT_HASH).hex(asset).int(limit).keccak());
  }
  return list.keccak();
}

const separators = new Map<Hex, Uint8Array>();

/** The digest of an instruction whose id is known. */
export function digestOfId(committeeId: Hex, id: Hex): Hex {
  let separator = separators.get(committeeId);
  if (separator === undefined) {
    separator = domainSeparator(committeeId);
    // A process serves one committee, a test a few; a map that only grew would be the one unbounded thing here.
    if (separators.size >= 16) separators.clear();
    separators.set(committeeId, separator);
  }
  return typedDigest(separator, hexToBytes(id));
}

/** What `head.signer` signs. `committeeId`: 32 bytes, the domain's salt. */
export function instructionDigest(committeeId: Hex, instruction: Instruction): Hex {
  return digestOfId(committeeId, instructionId(instruction));
}

/** Signs with a raw key (venues, tests, command line); wallets use {@link typedDataOf}. `secret`: 32 bytes. */
export function signInstruction(secret: Uint8Array, committeeId: Hex, instruction: Instruction): SignedInstruction {
  return { instruction, signature: signDigest(secret, instructionDigest(committeeId, instruction)) };
}

/**
 * The argument of a wallet's `signTypedData`, viem and ethers alike (ethers takes domain, types and message apart).
 * @example const signature = await walletClient.signTypedData({ account, ...typedDataOf(committeeId, instruction) })
 */
export function typedDataOf(committeeId: Hex, { head, body }: Instruction) {
  const { kind, ...fields } = body;
  return {
    domain: { name: DOMAIN_NAME, version: DOMAIN_VERSION, salt: committeeId },
    types: INSTRUCTION_TYPES[kind],
    primaryType: PRIMARY_TYPES[kind],
    message: { ...head, ...fields },
  };
}

/** Account id of an owner's sub-account: address (20 bytes) ‖ number (12 bytes). */
export function accountIdOf(owner: Address, subAccount = 0n): AccountId {
  assert(owner.length === 42 && subAccount >= 0n && subAccount < 1n << 96n, "account id out of range");
  return `${owner.toLowerCase()}${subAccount.toString(16).padStart(24, "0")}` as AccountId; // CAST: starts with the owner's 0x
}

export function ownerOf(account: AccountId): Address {
  return account.slice(0, 42) as Address; // CAST: the first 20 bytes of 0x-prefixed text
}

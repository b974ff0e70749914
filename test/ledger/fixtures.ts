/** A small committee's world: genesis, keys, a driver that feeds a ledger as n honest members would. */
import type { AccountId, DepositEntry, InboxEntry } from "../../src/batch/types.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import { Ledger, type LedgerOptions } from "../../src/ledger/ledger.ts";
import type {
  BatchItem,
  InstructionBody,
  LedgerGenesis,
  Observation,
  Receipt,
  SettledBatch,
  SignedInstruction,
} from "../../src/ledger/types.ts";
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { keccak256, keccak256Hex } from "../../src/lib/hash.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";

export const USDC: Hex = keccak256Hex(utf8ToBytes("USDC"));
export const EURC: Hex = keccak256Hex(utf8ToBytes("EURC"));
export const ETH = 1;

const address = (digit: string): Address => `0x${digit.repeat(40)}`;

/** USDC with 6 decimals on two chains, one with an 18-decimals token; prices in USDC units per 0.001 ETH. */
export const genesis: LedgerGenesis = {
  committeeId: `0x${"c1".repeat(32)}`,
  epoch: 1n,
  members: 4,
  assets: [
    { id: USDC, symbol: "USDC", decimals: 6 },
    { id: EURC, symbol: "EURC", decimals: 6 },
  ],
  chains: [
    {
      chainId: 10n,
      hub: address("1"),
      vault: address("2"),
      tokens: [
        { asset: USDC, token: address("3"), unitsPerLedgerUnit: 1n },
        { asset: EURC, token: address("4"), unitsPerLedgerUnit: 1n },
      ],
    },
    {
      chainId: 56n,
      hub: address("5"),
      vault: address("6"),
      tokens: [{ asset: USDC, token: address("7"), unitsPerLedgerUnit: 10n ** 12n }],
    },
  ],
  markets: [
    { id: ETH, symbol: "ETH", quote: USDC, quantityDecimals: 3, priceCap: 10_000n, expirySlots: 5, slotSeconds: 6 },
  ],
  window: 4n,
};

export interface Party {
  readonly secret: Uint8Array;
  readonly address: Address;
  readonly account: AccountId;
}

export function party(name: string): Party {
  const secret = keccak256(utf8ToBytes(`clockless test key ${name}`));
  const owner = addressOf(secret);
  return { secret, address: owner, account: accountIdOf(owner) };
}

export const alice = party("alice");
export const bob = party("bob");
export const carol = party("carol");
export const venue = party("venue");

/** Feeds a ledger one output round at a time; every observation is reported by n − f members unless told otherwise. */
export class Harness {
  readonly ledger: Ledger;
  readonly genesis: LedgerGenesis;
  private readonly nonces = new Map<string, bigint>();
  private readonly inbox = new Map<bigint, bigint>();
  private rounds = 0;

  constructor(options: LedgerOptions = {}, of: LedgerGenesis = genesis) {
    this.genesis = of;
    this.ledger = new Ledger(of, options);
  }

  sign(
    who: Party,
    body: InstructionBody,
    head: { lane?: bigint; nonce?: bigint; namedBatch?: bigint } = {},
  ): SignedInstruction {
    const lane = head.lane ?? 0n;
    const key = `${who.address}:${lane}`;
    const nonce = head.nonce ?? this.nonces.get(key) ?? 0n;
    if (head.nonce === undefined) this.nonces.set(key, nonce + 1n);
    const namedBatch = head.namedBatch ?? this.ledger.sequence;
    return signInstruction(who.secret, this.genesis.committeeId, {
      head: { signer: who.address, lane, nonce, namedBatch },
      body,
    });
  }

  round(items: readonly BatchItem[]): SettledBatch | undefined {
    this.rounds += 1;
    const commit = keccak256Hex(utf8ToBytes(`commit ${this.rounds}`));
    return this.ledger.apply({ commit, items });
  }

  /** All four members observe the same. */
  observe(...observations: readonly Observation[]): SettledBatch | undefined {
    return this.round([0, 1, 2, 3].map((author) => ({ author, instructions: [], observations, transactions: [] })));
  }

  submit(...instructions: readonly SignedInstruction[]): SettledBatch | undefined {
    return this.round([{ author: 0, instructions, observations: [], transactions: [] }]);
  }

  /** Applies one instruction and returns its receipt. */
  receipt(signed: SignedInstruction): Receipt | undefined {
    const id = instructionId(signed.instruction);
    return this.submit(signed)?.receipts.find((receipt) => receipt.instructionId === id);
  }

  /** The receipt's code of a freshly signed body. */
  code(who: Party, body: InstructionBody, head: Parameters<Harness["sign"]>[2] = {}): string | undefined {
    return this.receipt(this.sign(who, body, head))?.code;
  }

  entry(chainId: bigint, account: AccountId, amount: bigint, token?: Address): DepositEntry {
    const index = this.inbox.get(chainId) ?? 0n;
    this.inbox.set(chainId, index + 1n);
    const chain = this.genesis.chains.find((config) => config.chainId === chainId)!;
    const used = token ?? chain.tokens[0]!.token;
    return { kind: "deposit", index, token: used, amount, account, refundTo: address("9"), total: amount };
  }

  forced(chainId: bigint, instruction: Hex): InboxEntry {
    const index = this.inbox.get(chainId) ?? 0n;
    this.inbox.set(chainId, index + 1n);
    return { kind: "forced", index, instruction };
  }

  /** Token units. */
  deposit(who: Party | AccountId, amount: bigint, chainId = 10n, token?: Address): SettledBatch | undefined {
    const account = typeof who === "string" ? who : who.account;
    return this.observe({ kind: "inbox", chainId, entries: [this.entry(chainId, account, amount, token)] });
  }

  time(seconds: bigint): SettledBatch | undefined {
    return this.observe({ kind: "time", seconds });
  }

  /** Time moves to the slot's end and every member reports its price. */
  price(slotEnd: bigint, value: bigint, market = ETH): SettledBatch | undefined {
    return this.observe(
      { kind: "time", seconds: slotEnd },
      { kind: "prices", market, firstSlotEnd: slotEnd, values: [value] },
    );
  }

  /** The owner lets the venue's lane 0 trade on the account without a limit that matters. */
  open(who: Party, to: Party = venue, limit = 10n ** 30n): string | undefined {
    return this.code(who, openLane(who, to, limit));
  }

  cash(who: Party, asset: Hex = USDC): bigint {
    return this.ledger.account(who.account)?.cash.find((entry) => entry.asset === asset)?.amount ?? 0n;
  }

  position(who: Party, instrument: Hex): bigint {
    const positions = this.ledger.account(who.account)?.positions ?? [];
    return positions.find((entry) => entry.instrument === instrument)?.quantity ?? 0n;
  }
}

export function openLane(who: Party, to: Party, limit: bigint, laneNumber = 0n): InstructionBody {
  return {
    kind: "openLane",
    account: who.account,
    laneSigner: to.address,
    laneNumber,
    marginLimit: limit,
    cashLimits: [{ asset: USDC, limit }],
  };
}

export function transfer(from: Party, to: Party, amount: bigint, asset: Hex = USDC): InstructionBody {
  return { kind: "transfer", from: from.account, to: to.account, asset, amount };
}

export function withdraw(from: Party, amount: bigint, chainId = 10n, relayerFee = 0n): InstructionBody {
  const recipient = from.address;
  return { kind: "withdraw", account: from.account, asset: USDC, amount, chainId, recipient, relayerFee };
}

export function fill(instrument: Hex, buyer: Party, seller: Party, quantity: bigint, price: bigint): InstructionBody {
  return { kind: "fills", fills: [{ instrument, buyer: buyer.account, seller: seller.account, quantity, price }] };
}

/** A committee of one key, a ledger's book of lists, and a deployed hub: enough to make every certificate a hub can meet. */
import type { BaseContract, BaseContractMethod, ContractRunner } from "ethers";
import { network } from "hardhat";
import { destinationArgument, entryArguments, headerArgument, outboxProofArgument } from "../../src/batch/calls.ts";
import { headerDigest } from "../../src/batch/header.ts";
import { outboxEntryHash, outboxesRoot, promisedRoot, proveDestination } from "../../src/batch/outbox.ts";
import { AppendOnlyTree } from "../../src/batch/tree.ts";
import type { BatchHeader, Destination, OutboxEntry } from "../../src/batch/types.ts";
import { type Address, bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import type { Engine, Suite } from "../../src/threshold/types.ts";

export const COMMITTEE: Hex = `0x${"c1".repeat(32)}`;
export const SECRET = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : i + 7));
export const ACCOUNT: Hex = `0x${"ab".repeat(20)}${"00".repeat(12)}`;
export const HALT_DEADLINE = 6 * 3600;
const engines = new Map<Suite, Engine>();

export function engineOf(suite: Suite): Engine {
  const engine = engines.get(suite) ?? createNobleEngine(suite);
  engines.set(suite, engine);
  return engine;
}

export function bytes32(value: number | bigint): Hex {
  return `0x${value.toString(16).padStart(64, "0")}`;
}

/** Proof of `digest` as the suite's verifier reads it. */
export function signDigestFor(suite: Suite, digest: Hex, secret: Uint8Array = SECRET): Hex {
  const message = hexToBytes(digest);
  return bytesToHex(encodeProof(suite, engineOf(suite).sign(secret, message), message));
}

export interface VaultOptions {
  readonly entryFeeWei?: bigint;
  readonly maxEntriesPerBlock?: number;
  readonly maxBytesPerBlock?: number;
  readonly withdrawalFloor?: bigint;
  readonly withdrawalShareBps?: number;
  /** A network of hardhat.config.ts; by default the one with the newest rules. */
  readonly network?: string;
}

/** An ethers contract whose methods are known by name (generated types exist only after a build, and type checks need none). */
export type Known<Name extends string> = Omit<BaseContract, "connect"> & {
  readonly [K in Name]: BaseContractMethod;
} & { connect(runner: ContractRunner | null): Known<Name> };

type HubMethod =
  | "accept"
  | "reportConflict"
  | "deliver"
  | "deliverFromHistory"
  | "retryCall"
  | "pauseAccept"
  | "head"
  | "ringAt"
  | "digestOf"
  | "isDelivered"
  | "deliveredWord"
  | "failedCall"
  | "isFinalHeader"
  | "isFinalOlderHeader"
  | "isFinalPayout"
  | "isFinalCall"
  | "isFinalAccount"
  | "verifier"
  | "verifierCode"
  | "handover"
  | "handovers"
  | "handoverDigestOf"
  | "authority"
  | "vault";
type VaultMethod =
  | "deposit"
  | "requestForced"
  | "pay"
  | "claim"
  | "claimTo"
  | "sweepFees"
  | "listToken"
  | "setDeposits"
  | "inboxSize"
  | "inboxHashAt"
  | "deposited"
  | "paid"
  | "claimable"
  | "withdrawable"
  | "hub"
  | "configuration";
type ReceiverMethod = "settlementPrice" | "isSettled" | "provenExitValue" | "recordExitValue" | "onSettlement";

export function known<Name extends string>(contract: BaseContract): Known<Name> {
  return contract as unknown as Known<Name>; // CAST: the ABI has these methods; a wrong name fails when it is called
}

export const asHub = known<HubMethod>;
export const asReceiver = known<ReceiverMethod>;

/** Verifier, authority, hub with its vault, and one token, on a fresh simulated chain. */
export async function deployHub(suite: Suite, options: VaultOptions = {}) {
  const connection = await network.create(options.network ?? "default");
  const { ethers } = connection;
  const [admin, alice, bob, carol] = await ethers.getSigners();
  const key = encodePublicKeyForVerifier(suite, engineOf(suite).publicKey(SECRET));
  const verifier = await ethers.deployContract(suite === "bn254" ? "Bn254Verifier" : "Bls12381Verifier", [key]);
  const verifierCode = await ethers.deployContract(suite === "bn254" ? "Bn254VerifierCode" : "Bls12381VerifierCode");
  const authority = known<"execute">(await ethers.deployContract("Authority", [admin!.address]));
  const token = known<"mint" | "approve" | "balanceOf">(
    await ethers.deployContract("TestToken", ["Test Dollar", "USDT6", 6]),
  );
  const deployed = await ethers.deployContract("SettlementHub", [
    COMMITTEE,
    verifier,
    verifierCode,
    authority,
    HALT_DEADLINE,
    {
      entryFeeWei: options.entryFeeWei ?? 0n,
      feeRecipient: admin!.address,
      maxEntriesPerBlock: options.maxEntriesPerBlock ?? 100,
      maxBytesPerBlock: options.maxBytesPerBlock ?? 100_000,
      maxInstructionBytes: Math.min(4096, options.maxBytesPerBlock ?? 4096),
      withdrawalWindow: 86_400,
    },
    [
      {
        token,
        withdrawalFloor: options.withdrawalFloor ?? 10n ** 18n,
        withdrawalShareBps: options.withdrawalShareBps ?? 10_000,
      },
    ],
  ]);
  const hub = asHub(deployed);
  const vault = known<VaultMethod>(await ethers.getContractAt("CollateralVault", await hub.vault()));
  const chainId = (await ethers.provider.getNetwork()).chainId;
  const lower = async (contract: { getAddress(): Promise<string> }): Promise<Address> =>
    (await contract.getAddress()).toLowerCase() as Address; // CAST: ethers gives checksummed 0x hex
  const book = new Book(suite, chainId, await lower(hub), await lower(token));
  const accounts = { admin: admin!, alice: alice!, bob: bob!, carol: carol! };
  return {
    connection,
    ethers,
    verifier,
    verifierCode,
    authority,
    token,
    hub,
    vault,
    book,
    ...accounts,
    hubAddress: await lower(hub),
  };
}

export interface Batch {
  readonly header: BatchHeader;
  readonly digest: Hex;
  readonly destination: Destination;
  readonly args: [ReturnType<typeof headerArgument>, ReturnType<typeof destinationArgument>, Hex];
}

/** The committee's side: outbox, history and other destinations, and the headers it signs. */
export class Book {
  readonly outbox = new AppendOnlyTree();
  readonly history = new AppendOnlyTree();
  readonly entries: OutboxEntry[] = [];
  readonly headers: BatchHeader[] = [];
  inboxCursor = 0n;
  inboxHash: Hex = ZERO_BYTES32;
  state: Hex = bytes32(0x57a7e);
  readonly suite: Suite;
  readonly chainId: bigint;
  readonly hub: Address;
  readonly token: Address;

  constructor(suite: Suite, chainId: bigint, hub: Address, token: Address) {
    this.suite = suite;
    this.chainId = chainId;
    this.hub = hub;
    this.token = token;
  }

  payout(recipient: string, amount: bigint, relayerFee = 0n, token: Address = this.token): OutboxEntry {
    return this.push({
      kind: "payout",
      index: this.outbox.size,
      token,
      recipient: recipient.toLowerCase() as Address, // CAST: callers pass 0x hex
      amount,
      relayerFee,
      reference: bytes32(0xfee0n + this.outbox.size),
    });
  }

  call(receiver: string, data: Hex, gasLimit = 200_000n): OutboxEntry {
    return this.push({
      kind: "call",
      index: this.outbox.size,
      receiver: receiver.toLowerCase() as Address, // CAST: callers pass 0x hex
      gasLimit,
      data,
      reference: bytes32(0xca11n + this.outbox.size),
    });
  }

  private push(entry: OutboxEntry): OutboxEntry {
    this.outbox.append(outboxEntryHash(this, entry));
    this.entries.push(entry);
    return entry;
  }

  destination(): Destination {
    return {
      chainId: this.chainId,
      hub: this.hub,
      inboxCursor: this.inboxCursor,
      inboxHash: this.inboxHash,
      outboxSize: this.outbox.size,
      outboxRoot: this.outbox.root(),
      promisedRoot: promisedRoot([]),
    };
  }

  /** The next header over everything so far. `change` makes it a wrong one; it then does not enter the history. */
  next(
    change: Partial<BatchHeader> = {},
    options: { destination?: Partial<Destination>; committee?: Hex; secret?: Uint8Array; keep?: boolean } = {},
  ): Batch {
    const destination = { ...this.destination(), ...options.destination };
    // Two more chains, so that proofs have siblings on both sides.
    const others = [1n, 10n ** 9n].map((chainId): Destination => ({ ...this.destination(), chainId, hub: bytes20(7) }));
    const destinations = [...others, destination];
    const header: BatchHeader = {
      sequence: BigInt(this.headers.length + 1),
      epoch: 0n,
      previous: this.headers.length === 0 ? ZERO_BYTES32 : headerDigest(this.headers.at(-1)!, COMMITTEE),
      history: this.history.root(),
      outboxes: outboxesRoot(destinations),
      state: this.state,
      commit: bytes32(0xc0 + this.headers.length),
      ...change,
    };
    const digest = headerDigest(header, options.committee ?? COMMITTEE);
    if (options.keep ?? Object.keys(change).length === 0) {
      this.headers.push(header);
      this.history.append(digest);
    }
    const { proof } = proveDestination(destinations, destination);
    const signature = signDigestFor(this.suite, digest, options.secret);
    return {
      header,
      digest,
      destination,
      args: [headerArgument(header), destinationArgument(destination, proof), signature],
    };
  }

  /** Arguments of `deliver` for these entries against a head. */
  delivery(entries: readonly OutboxEntry[], batch: Batch, slot: number) {
    const proof = this.outbox.proveMany(
      entries.map((entry) => entry.index),
      batch.destination.outboxSize,
    );
    const { payouts, calls } = entryArguments(entries);
    return [payouts, calls, outboxProofArgument(slot, batch.digest, proof)] as const;
  }
}

function bytes20(value: number): Address {
  return `0x${value.toString(16).padStart(40, "0")}`;
}

/**
 * Sends transactions of one account on one chain so that a crash at any point neither loses nor doubles one.
 *
 * The order is an obligation: reserve the nonce in the journal → sign and journal the signed bytes → broadcast → journal
 * that. After kill −9 a `reserved` record was never signed and is released; a `signed` one may or may not be out there, so
 * its very bytes are sent again (the same bytes are the same transaction). Nothing here sleeps or owns a timer: the owner
 * calls `tend` once per turn.
 */
import { keccak256Hex } from "../lib/hash.ts";
import { type Hex, hexToBytes } from "../lib/hex.ts";
import type { Logger } from "../telemetry/port.ts";
import { type Fees, quoteFees, replacementFees } from "./fees.ts";
import { agreeOnFinalBlock } from "./finality.ts";
import {
  ChainError,
  type FinalityRule,
  type JournalPort,
  type JournalRecord,
  type MinedReceipt,
  type PreparedCall,
  type SignedAttempt,
} from "./port.ts";
import type { RpcPool } from "./rpc-pool.ts";
import type { TransactionSigner } from "./signer.ts";
import { createTransactionRpc, type TransactionRpc } from "./transaction-rpc.ts";

export interface TransactionManagerOptions {
  readonly pool: RpcPool;
  readonly signer: TransactionSigner;
  readonly journal: JournalPort;
  readonly finality: FinalityRule;
  /** Never more than this per gas, whatever the network asks. */
  readonly maxFeePerGasCapWei: bigint;
  /** A transaction not mined this long after its last broadcast is replaced at a higher fee. */
  readonly replaceAfterMs: number;
  /** An alarm is raised below this balance. */
  readonly lowBalanceWei: bigint;
  readonly logger: Logger;
  readonly onEvent?: ((event: TransactionEvent) => void) | undefined;
  readonly now?: (() => number) | undefined;
}

export type TransactionEvent =
  | { readonly kind: "broadcast"; readonly record: JournalRecord }
  /** Same nonce and call, higher fees. */
  | { readonly kind: "replaced"; readonly record: JournalRecord }
  /** Stuck, but the cap leaves no room for a higher fee. */
  | { readonly kind: "feeAboveCap"; readonly record: JournalRecord }
  | { readonly kind: "mined"; readonly record: JournalRecord }
  /** It was mined and a reorg took it back; it is in flight again. */
  | { readonly kind: "unmined"; readonly record: JournalRecord }
  /** Nothing can change it any more. `record.receipt` says whether it succeeded. */
  | { readonly kind: "final"; readonly record: JournalRecord }
  /** Another transaction took the nonce (an account used twice, or a lost journal). */
  | { readonly kind: "nonceTaken"; readonly record: JournalRecord }
  /** Once per crossing of the threshold, in either direction. */
  | { readonly kind: "balance"; readonly balanceWei: bigint; readonly isLow: boolean };

export interface SubmitRequest {
  /** At most one transaction per purpose is in flight; asking again returns it. */
  readonly purpose: string;
  readonly call: PreparedCall;
  /** Upper bound for the gas limit; the estimate plus a quarter is used below it. */
  readonly maxGas: bigint;
}

export interface Quote extends Fees {
  readonly gasLimit: bigint;
  /** Most it can cost. */
  readonly maxCostWei: bigint;
  /** What it costs at the present base fee. */
  readonly expectedCostWei: bigint;
}

export class TransactionManager {
  readonly #options: TransactionManagerOptions;
  readonly #rpc: TransactionRpc;
  readonly #logger: Logger;
  readonly #now: () => number;
  /** When each open record was last sent, by record id. Not journalled: after a restart everything is sent again first. */
  readonly #sentAtMs = new Map<number, number>();
  #isLow = false;

  constructor(options: TransactionManagerOptions) {
    this.#options = options;
    this.#rpc = createTransactionRpc(options.pool);
    this.#logger = options.logger;
    this.#now = options.now ?? (() => Date.now());
  }

  get address() {
    return this.#options.signer.address;
  }

  /** Records in flight or mined but not final. */
  open(): JournalRecord[] {
    return this.#options.journal.open(this.#options.pool.chainId, this.address);
  }

  /**
   * Simulates and prices a call. Throws ChainError `callReverted`, `feeAboveCap`, `rpcUnavailable`.
   */
  async quote(request: Omit<SubmitRequest, "purpose">): Promise<Quote> {
    const [gas, market] = await Promise.all([this.#rpc.estimateGas(request.call, this.address), this.#rpc.getMarket()]);
    if (gas > request.maxGas) {
      throw new ChainError("callReverted", `the call needs ${gas} gas, more than allowed`, {
        details: { gas: gas.toString(), maxGas: request.maxGas.toString() },
      });
    }
    const withMargin = gas + gas / 4n;
    const gasLimit = withMargin < request.maxGas ? withMargin : request.maxGas;
    const fees = quoteFees(market, this.#options.maxFeePerGasCapWei);
    return {
      ...fees,
      gasLimit,
      maxCostWei: gasLimit * fees.maxFeePerGasWei,
      expectedCostWei: gas * (market.baseFeeWei + fees.maxPriorityFeePerGasWei),
    };
  }

  /**
   * Sends a call. Throws ChainError `callReverted`, `feeAboveCap`, `insufficientFunds`, `rpcUnavailable` (before anything
   * was reserved), `journalFailure`. Once it is signed, failures to broadcast are not thrown: `tend` sends it again.
   * Calls must not overlap. `priced`: a fresh quote of the same call, so that it need not be made twice.
   */
  async submit(request: SubmitRequest, priced?: Quote): Promise<JournalRecord> {
    const records = this.open();
    const same = records.find((record) => record.purpose === request.purpose && record.receipt?.succeeded !== false);
    if (same !== undefined) return same;
    const quote = priced ?? (await this.quote(request));
    const balanceWei = await this.#rpc.getBalance(this.address);
    if (balanceWei < quote.maxCostWei + request.call.value) {
      throw new ChainError("insufficientFunds", "the sender cannot pay for this transaction", {
        details: { balanceWei: balanceWei.toString(), neededWei: quote.maxCostWei.toString(), sender: this.address },
        isTransient: true,
      });
    }
    const used = new Set(records.map((record) => record.nonce));
    let nonce = await this.#rpc.getNextNonce(this.address);
    while (used.has(nonce)) nonce++;

    const reserved = this.#journal(() =>
      this.#options.journal.reserve({
        chainId: this.#options.pool.chainId,
        sender: this.address,
        nonce,
        purpose: request.purpose,
        call: request.call,
        gasLimit: quote.gasLimit,
      }),
    );
    const signed = await this.#sign(reserved, quote);
    const sent = await this.#broadcast(signed);
    this.#emit({ kind: "broadcast", record: sent });
    return sent;
  }

  /**
   * One turn of care for everything open: releases reservations that were never signed, sends again what the network
   * forgot, replaces what is stuck, follows receipts to finality and back through reorgs, and watches the balance.
   * Throws only when no endpoint answers; the next turn simply tries again.
   */
  async tend(): Promise<void> {
    await this.#watchBalance();
    for (const record of this.open()) {
      if (record.state === "reserved") this.#update({ ...record, state: "released" });
      else await this.#follow(record);
    }
  }

  async #follow(record: JournalRecord): Promise<void> {
    const receipt = await this.#findReceipt(record);
    if (receipt !== undefined) return this.#followMined(record, receipt);
    if (record.state === "mined") {
      const back = this.#update({ ...record, state: "broadcast", receipt: undefined });
      this.#logger.warn("a reorg took a transaction back; sending it again", logFields(back));
      this.#emit({ kind: "unmined", record: back });
      await this.#broadcast(back);
      return;
    }
    if (await this.#isNonceGone(record)) {
      this.#sentAtMs.delete(record.id);
      const taken = this.#update({ ...record, state: "replaced" });
      this.#logger.warn("another transaction took our nonce", { code: "nonceTaken", ...logFields(taken) });
      this.#emit({ kind: "nonceTaken", record: taken });
      return;
    }
    const sentAtMs = this.#sentAtMs.get(record.id);
    if (sentAtMs === undefined || record.state === "signed") await this.#broadcast(record);
    else if (this.#now() - sentAtMs >= this.#options.replaceAfterMs) await this.#replace(record);
    else if (!(await this.#rpc.isKnown(newest(record).hash))) await this.#broadcast(record);
  }

  async #followMined(record: JournalRecord, receipt: MinedReceipt): Promise<void> {
    this.#sentAtMs.delete(record.id);
    let mined = record;
    if (record.state !== "mined" || record.receipt?.blockHash !== receipt.blockHash) {
      mined = this.#update({ ...record, state: "mined", receipt });
      this.#emit({ kind: "mined", record: mined });
    }
    const final = await this.#getFinalBlock();
    if (final === undefined || final < receipt.block) return;
    const done = this.#update({ ...mined, state: "final" });
    this.#emit({ kind: "final", record: done });
  }

  /** Gone for good: even the final state has a higher nonce, and none of our attempts has a receipt. */
  async #isNonceGone(record: JournalRecord): Promise<boolean> {
    if ((await this.#rpc.getMinedNonce(this.address)) <= record.nonce) return false;
    const final = await this.#getFinalBlock();
    if (final === undefined || (await this.#rpc.getMinedNonce(this.address, final)) <= record.nonce) return false;
    return (await this.#findReceipt(record)) === undefined;
  }

  /** Undefined while endpoints do not agree on one: then nothing is final yet. */
  async #getFinalBlock(): Promise<bigint | undefined> {
    const { endpoints } = this.#options.pool;
    try {
      return (await agreeOnFinalBlock(endpoints, this.#options.finality, Math.min(2, endpoints.length))).number;
    } catch (error) {
      if (error instanceof ChainError && error.isTransient) return undefined;
      throw error;
    }
  }

  async #findReceipt(record: JournalRecord): Promise<MinedReceipt | undefined> {
    // Newest first: it is the likeliest, but any of them may have been mined.
    for (const attempt of [...record.attempts].reverse()) {
      const receipt = await this.#rpc.getReceipt(attempt.hash);
      if (receipt !== undefined) return receipt;
    }
    return undefined;
  }

  async #replace(record: JournalRecord): Promise<void> {
    const fees = replacementFees(newest(record), await this.#rpc.getMarket(), this.#options.maxFeePerGasCapWei);
    if (fees === undefined) {
      this.#sentAtMs.set(record.id, this.#now());
      this.#logger.warn("a transaction is stuck and the fee cap leaves no room to replace it", logFields(record));
      this.#emit({ kind: "feeAboveCap", record });
      await this.#broadcast(record);
      return;
    }
    const replaced = await this.#broadcast(await this.#sign(record, fees));
    this.#logger.info("replaced a stuck transaction at a higher fee", logFields(replaced));
    this.#emit({ kind: "replaced", record: replaced });
  }

  async #sign(record: JournalRecord, fees: Fees): Promise<JournalRecord> {
    const raw = await this.#options.signer.sign({ ...record, ...fees });
    const attempt: SignedAttempt = {
      hash: keccak256Hex(hexToBytes(raw)),
      raw,
      maxFeePerGasWei: fees.maxFeePerGasWei,
      maxPriorityFeePerGasWei: fees.maxPriorityFeePerGasWei,
    };
    // On disk before anybody sees it: whatever may be in the network is in the journal.
    return this.#update({ ...record, state: "signed", attempts: [...record.attempts, attempt] });
  }

  async #broadcast(record: JournalRecord): Promise<JournalRecord> {
    this.#sentAtMs.set(record.id, this.#now());
    const refusal = await this.#rpc.broadcast(newest(record).raw);
    if (refusal !== undefined) {
      this.#logger.warn("no endpoint took a transaction; trying again", { reason: refusal, ...logFields(record) });
      return record;
    }
    return record.state === "broadcast" ? record : this.#update({ ...record, state: "broadcast" });
  }

  async #watchBalance(): Promise<void> {
    const balanceWei = await this.#rpc.getBalance(this.address);
    const isLow = balanceWei < this.#options.lowBalanceWei;
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    const fields = { sender: this.address, balanceWei: balanceWei.toString() };
    if (isLow) this.#logger.warn("the sender's balance is low: top it up", fields);
    else this.#logger.info("the sender's balance is sufficient again", fields);
    this.#emit({ kind: "balance", balanceWei, isLow });
  }

  #update(record: JournalRecord): JournalRecord {
    return this.#journal(() => {
      this.#options.journal.update(record);
      return record;
    });
  }

  #journal<T>(write: () => T): T {
    try {
      return write();
    } catch (cause) {
      throw new ChainError("journalFailure", "the journal refused a write; nothing is sent without it", { cause });
    }
  }

  #emit(event: TransactionEvent): void {
    this.#options.onEvent?.(event);
  }
}

function newest(record: JournalRecord): SignedAttempt {
  const attempt = record.attempts.at(-1);
  if (attempt === undefined)
    throw new ChainError("journalFailure", `record ${record.id} is signed without a signature`);
  return attempt;
}

function logFields(record: JournalRecord): Record<string, unknown> {
  const hash: Hex | undefined = record.attempts.at(-1)?.hash;
  return { chainId: record.chainId.toString(), purpose: record.purpose, nonce: record.nonce, hash };
}

/** The JSON-RPC questions that sending a transaction needs, with their answers checked. */
import { type Address, type Hex, isHex } from "../lib/hex.ts";
import { maxBigint } from "../lib/math.ts";
import type { Market } from "./fees.ts";
import { malformed, parseQuantity, toQuantity } from "./finality.ts";
import { ChainError, type MinedReceipt, type PreparedCall } from "./port.ts";
import type { RpcPool } from "./rpc-pool.ts";

export interface TransactionRpc {
  /** Throws ChainError `callReverted`. */
  estimateGas(call: PreparedCall, from: Address): Promise<bigint>;
  getMarket(): Promise<Market>;
  getBalance(address: Address): Promise<bigint>;
  /** First nonce that neither a mined nor a waiting transaction uses, as far as the endpoint knows. */
  getNextNonce(address: Address): Promise<number>;
  /** Number of mined transactions, at the latest or a given block. */
  getMinedNonce(address: Address, block?: bigint): Promise<number>;
  getReceipt(hash: Hex): Promise<MinedReceipt | undefined>;
  isKnown(hash: Hex): Promise<boolean>;
  /** Sends to every endpoint; undefined when at least one took it (or had it), otherwise why not. */
  broadcast(raw: Hex): Promise<string | undefined>;
}

/** Some chains have no priority fee market; a zero tip would then never be replaced by 12.5 %. */
const MIN_PRIORITY_FEE_WEI = 1_000_000n;
/** Nodes say "already known", "known transaction", "already imported": the same bytes are there. */
const ALREADY_KNOWN = /already (known|imported)|known transaction|alreadyknown/i;

const POOL = "rpc pool";

export function createTransactionRpc(pool: RpcPool): TransactionRpc {
  const quantity = async (method: string, params: readonly unknown[]) =>
    parseQuantity(await pool.request(method, params), POOL);

  return {
    estimateGas: (call, from) =>
      quantity("eth_estimateGas", [{ from, to: call.to, data: call.data, value: toQuantity(call.value) }]),

    async getMarket() {
      const block = await pool.request("eth_getBlockByNumber", ["latest", false]);
      if (typeof block !== "object" || block === null || !("baseFeePerGas" in block)) {
        throw malformed(POOL, "a latest block without a base fee (EIP-1559 is required)");
      }
      let tip = MIN_PRIORITY_FEE_WEI;
      try {
        tip = await quantity("eth_maxPriorityFeePerGas", []);
      } catch (error) {
        // A convenience method that not every node has.
        if (!(error instanceof ChainError) || error.code !== "rpcRefused") throw error;
      }
      return {
        baseFeeWei: parseQuantity(block.baseFeePerGas, POOL),
        priorityFeeWei: maxBigint(tip, MIN_PRIORITY_FEE_WEI),
      };
    },

    getBalance: (address) => quantity("eth_getBalance", [address, "latest"]),

    async getNextNonce(address) {
      const [mined, pending] = await Promise.all([
        quantity("eth_getTransactionCount", [address, "latest"]),
        quantity("eth_getTransactionCount", [address, "pending"]),
      ]);
      return Number(maxBigint(mined, pending));
    },

    getMinedNonce: async (address, block) =>
      Number(await quantity("eth_getTransactionCount", [address, block === undefined ? "latest" : toQuantity(block)])),

    async getReceipt(hash) {
      const answer = await pool.request("eth_getTransactionReceipt", [hash]);
      return answer === null || answer === undefined ? undefined : parseReceipt(answer, hash);
    },

    async isKnown(hash) {
      const answer = await pool.request("eth_getTransactionByHash", [hash]);
      return answer !== null && answer !== undefined;
    },

    async broadcast(raw) {
      const results = await Promise.allSettled(
        pool.endpoints.map((endpoint) => endpoint.request("eth_sendRawTransaction", [raw])),
      );
      const reasons: string[] = [];
      for (const result of results) {
        if (result.status === "fulfilled") return undefined;
        const error: unknown = result.reason;
        if (!(error instanceof ChainError)) throw error;
        if (ALREADY_KNOWN.test(error.shortMessage)) return undefined;
        reasons.push(error.shortMessage);
      }
      return reasons.join("; ");
    },
  };
}

function parseReceipt(answer: unknown, hash: Hex): MinedReceipt {
  // CAST: every field is checked below before it is used
  const receipt = answer as Record<string, unknown>;
  if (!isHex(receipt.blockHash, 32)) throw malformed(POOL, "a receipt without a block hash");
  const gasUsed = parseQuantity(receipt.gasUsed, POOL);
  const price = receipt.effectiveGasPrice === undefined ? 0n : parseQuantity(receipt.effectiveGasPrice, POOL);
  return {
    hash,
    block: parseQuantity(receipt.blockNumber, POOL),
    blockHash: receipt.blockHash,
    succeeded: parseQuantity(receipt.status, POOL) === 1n,
    logCount: Array.isArray(receipt.logs) ? receipt.logs.length : 0,
    gasUsed,
    feeWei: gasUsed * price,
  };
}

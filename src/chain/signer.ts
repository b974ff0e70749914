/** An externally owned account that pays for transactions. The key stays inside; no error and no log carries it. */
import { privateKeyToAccount } from "viem/accounts";
import { type Address, type Hex, isHex } from "../lib/hex.ts";
import type { Fees } from "./fees.ts";
import { ChainError, type PreparedCall } from "./port.ts";

export interface UnsignedTransaction extends Fees {
  readonly chainId: bigint;
  readonly nonce: number;
  readonly call: PreparedCall;
  readonly gasLimit: bigint;
}

export interface TransactionSigner {
  readonly address: Address;
  /** Serialised signed EIP-1559 transaction. */
  sign(transaction: UnsignedTransaction): Promise<Hex>;
}

/** Throws ChainError `badConfig` when the key is not 32 bytes in [1, n). */
export function createSigner(privateKey: Hex): TransactionSigner {
  const account = openAccount(privateKey);
  return {
    address: account.address.toLowerCase() as Address, // CAST: lower-casing keeps it hex
    sign: ({ chainId, nonce, call, gasLimit, maxFeePerGasWei, maxPriorityFeePerGasWei }) =>
      account.signTransaction({
        type: "eip1559",
        chainId: Number(chainId),
        nonce,
        to: call.to,
        data: call.data,
        value: call.value,
        gas: gasLimit,
        maxFeePerGas: maxFeePerGasWei,
        maxPriorityFeePerGas: maxPriorityFeePerGasWei,
      }),
  };
}

function openAccount(privateKey: Hex): ReturnType<typeof privateKeyToAccount> {
  try {
    if (isHex(privateKey, 32)) return privateKeyToAccount(privateKey);
  } catch {
    // The library's message may quote the key; ours does not, and the cause is left out on purpose.
  }
  throw new ChainError("badConfig", "the sender's private key is not a secp256k1 key of 32 bytes");
}

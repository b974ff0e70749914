/** EIP-1559 fees: what to offer, how to replace, and never above the operator's cap. All values are wei per gas. */
import { maxBigint, minBigint } from "../lib/math.ts";
import { ChainError } from "./port.ts";

export interface Fees {
  readonly maxFeePerGasWei: bigint;
  readonly maxPriorityFeePerGasWei: bigint;
}

export interface Market {
  readonly baseFeeWei: bigint;
  readonly priorityFeeWei: bigint;
}

/**
 * Two base fees plus the tip: survives six full blocks in a row (each raises the base fee by an eighth, 1.125⁶ ≈ 2.03).
 * Clamped to the cap. Throws ChainError `feeAboveCap` when even the present price is above it.
 */
export function quoteFees(market: Market, capWei: bigint): Fees {
  const priority = minBigint(market.priorityFeeWei, capWei);
  if (market.baseFeeWei + priority > capWei) {
    throw new ChainError("feeAboveCap", "gas costs more than the configured cap", {
      details: { baseFeeWei: market.baseFeeWei.toString(), capWei: capWei.toString() },
      isTransient: true,
    });
  }
  return {
    maxFeePerGasWei: minBigint(2n * market.baseFeeWei + priority, capWei),
    maxPriorityFeePerGasWei: priority,
  };
}

/**
 * Fees that replace a stuck transaction: nodes demand that both rise by at least 10 % (geth) or 12.5 % (others).
 * Undefined when the cap leaves no room for a replacement.
 */
export function replacementFees(previous: Fees, market: Market, capWei: bigint): Fees | undefined {
  const priority = maxBigint(raise(previous.maxPriorityFeePerGasWei), market.priorityFeeWei);
  const wanted = maxBigint(priority, minBigint(2n * market.baseFeeWei + priority, capWei));
  const fee = maxBigint(raise(previous.maxFeePerGasWei), wanted);
  return fee > capWei ? undefined : { maxFeePerGasWei: fee, maxPriorityFeePerGasWei: priority };
}

/** × 1.125, rounded up, and at least one wei more: a tip of 0 would otherwise stay 0. */
function raise(wei: bigint): bigint {
  return maxBigint((wei * 9n + 7n) / 8n, wei + 1n);
}

/** Compares what is deployed on a chain with what a committee file says. */
import { type Abi, decodeFunctionResult, encodeFunctionData } from "viem";
import { collateralVaultAbi } from "../../abi/collateral-vault.ts";
import { settlementHubAbi } from "../../abi/settlement-hub.ts";
import type { GroupKeys } from "../../batch/key-chain.ts";
import { createHubClient } from "../../chain/hub-client.ts";
import { ChainError } from "../../chain/port.ts";
import type { RpcPool } from "../../chain/rpc-pool.ts";
import type { ChainConfig } from "../../ledger/types.ts";
import { type Address, bytesToHex, hexToBytes, isHex } from "../../lib/hex.ts";
import type { Committee } from "../../threshold/committee.ts";
import { encodePublicKeyForVerifier } from "../../threshold/evm.ts";

export interface ContractCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Every line is as true as the endpoints of `pool`. `keys`: the committee's group keys, the first and those that signed handovers
 * lead to; a hub has the one that its number of handovers says. @throws ChainError
 */
export async function checkContracts(
  pool: RpcPool,
  committee: Committee,
  keys: readonly GroupKeys[],
  chain: ChainConfig,
  signal: AbortSignal,
): Promise<ContractCheck[]> {
  const read = (to: Address, abi: Abi, functionName: string, args: readonly unknown[] = []) =>
    readContract(pool, to, abi, functionName, args, signal);
  const { hub, vault, tokens } = chain;
  const { committeeId, suite, verifierKey, handovers } = await createHubClient(pool, hub).getIdentity(signal);
  const key = keys[Number(handovers)]?.[suite];
  const expectedKey =
    key === undefined
      ? `the key after ${handovers} handovers, which is not known here: ask members with --api`
      : bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(key)));
  const checks: ContractCheck[] = [
    check("committee id of the hub", committee.id, committeeId),
    check(
      "suite of the hub's verifier",
      committee.requiredSuites.find((each) => each === suite) ?? "a required suite",
      suite,
    ),
    check("group key of the hub's verifier", expectedKey, verifierKey),
    check("vault of the hub", vault, await read(hub, settlementHubAbi, "vault")),
    check("hub of the vault", hub, await read(vault, collateralVaultAbi, "hub")),
  ];
  for (const { token } of tokens) {
    const isOpen = await read(vault, collateralVaultAbi, "isOpen", [token]);
    checks.push(check(`deposits of token ${token}`, "true", isOpen));
  }
  return checks;
}

function check(name: string, expected: string, actual: unknown): ContractCheck {
  const text = String(actual).toLowerCase();
  return { name, ok: text === expected.toLowerCase(), expected, actual: text };
}

async function readContract(
  pool: RpcPool,
  to: Address,
  abi: Abi,
  functionName: string,
  args: readonly unknown[],
  signal: AbortSignal,
): Promise<unknown> {
  const call = { to, data: encodeFunctionData({ abi, functionName, args }) };
  const data = await pool.request("eth_call", [call, "latest"], signal);
  try {
    if (!isHex(data)) throw new TypeError("not hex");
    return decodeFunctionResult({ abi, functionName, args, data });
  } catch (cause) {
    throw new ChainError("callReverted", `${to} has no ${functionName}(): is it the right contract?`, {
      details: { to, functionName },
      cause,
    });
  }
}

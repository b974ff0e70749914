/**
 * Gas of verifying one certificate on chain.
 *
 * What is measured is the execution of one call frame: `verify(digest, proof)` of the deployed verifier as the target of
 * a transaction, gas used minus the 21,000 of the transaction and minus its calldata (4 gas a zero byte, 16 any other;
 * EIP-7623's floor does not bind). That is what a caller pays on top of its own CALL: dispatch, ABI decoding, hashing,
 * pairing, return. Not in it: 2,600 for touching the verifier's address the first time in a transaction.
 * `hashToG1` is the same frame of a harness that only hashes and returns the point.
 */
import type { NetworkConnection } from "hardhat/types/network";
import { type Abi, encodeFunctionData, type Hex } from "viem";
import { concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import type { Suite } from "../../src/threshold/types.ts";

/** What the contracts promise, in gas, under Osaka's rules (contracts.md, "Measured targets"). */
export const GAS_LIMITS: Readonly<Record<Suite, { readonly mean: number; readonly worst: number }>> = {
  "bls12-381": { mean: 118_500, worst: 118_500 },
  bn254: { mean: 116_000, worst: 116_500 },
};

export interface GasSummary {
  readonly mean: number;
  readonly best: number;
  readonly worst: number;
}

export interface VerifierGas {
  readonly suite: Suite;
  readonly digests: number;
  readonly proofBytes: number;
  readonly verify: GasSummary;
  readonly hashToG1: GasSummary;
}

/** Deploys the suite's verifier for a key derived from `seed` and verifies `count` digests derived from it, each signed. */
export async function measureVerifier(
  { viem }: NetworkConnection<"l1">,
  suite: Suite,
  count: number,
  seed: string,
): Promise<VerifierGas> {
  const client = await viem.getPublicClient();
  const [wallet] = await viem.getWalletClients();
  if (wallet === undefined) throw new Error("the network has no account to send from");

  const executionGas = async (to: Hex, abi: Abi, functionName: string, args: readonly unknown[]): Promise<number> => {
    const data = encodeFunctionData({ abi, functionName, args });
    const hash = await wallet.sendTransaction({ to, data, gas: 1_000_000n });
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`${functionName} reverted`);
    return Number(receipt.gasUsed) - 21_000 - calldataGas(data);
  };

  const derive = (label: string) => keccak256(utf8ToBytes(`${seed}/${label}`));
  const engine = createNobleEngine(suite);
  // The first byte is cleared: below both group orders.
  const secret = concatBytes(Uint8Array.of(0), derive(`${suite}/secret`).subarray(1));
  const key = bytesToHex(encodePublicKeyForVerifier(suite, engine.publicKey(secret)));
  const bn = suite === "bn254";
  const verifier = bn
    ? await viem.deployContract("Bn254Verifier", [key])
    : await viem.deployContract("Bls12381Verifier", [key]);
  const harness = bn ? await viem.deployContract("Bn254Harness") : await viem.deployContract("Bls12381Harness");

  const verify: number[] = [];
  const hashToG1: number[] = [];
  let proofBytes = 0;
  for (let i = 0; i < count; i++) {
    const digest = derive(`digest/${i}`);
    const proof = encodeProof(suite, engine.sign(secret, digest), digest);
    const args = [bytesToHex(digest), bytesToHex(proof)];
    // A receipt does not tell what was returned: make sure that what is measured is an acceptance.
    const accepted = await client.readContract({ ...verifier, functionName: "verify", args });
    if (accepted !== true) throw new Error(`${suite}: digest ${args[0]} was refused`);
    verify.push(await executionGas(verifier.address, verifier.abi, "verify", args));
    const hashArgs = bn ? [args[0], bytesToHex(proof.subarray(64))] : [args[0]];
    hashToG1.push(await executionGas(harness.address, harness.abi, "hashToG1", hashArgs));
    proofBytes = proof.length;
  }
  return { suite, digests: count, proofBytes, verify: summarise(verify), hashToG1: summarise(hashToG1) };
}

function calldataGas(data: Hex): number {
  return hexToBytes(data).reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0);
}

export function summarise(gas: readonly number[]): GasSummary {
  return {
    mean: Math.round(gas.reduce((sum, g) => sum + g, 0) / gas.length),
    best: Math.min(...gas),
    worst: Math.max(...gas),
  };
}

/**
 * Gas of verifying one certificate, per suite, over many digests.
 *
 *   node scripts/bench/gas.ts [--digests 256] [--seed text] [--json]
 *
 * What is measured is the execution of one call frame: `verify(digest, proof)` of the deployed verifier as the target of
 * a transaction, gas used minus the 21,000 of the transaction and minus its calldata (4 gas a zero byte, 16 any other;
 * EIP-7623's floor does not bind). That is what a caller pays on top of its own CALL: dispatch, ABI decoding, hashing,
 * pairing, return. Not in it: 2,600 for touching the verifier's address the first time in a transaction.
 * `hashToG1` is the same frame of a harness that only hashes and returns the point. Rules: Osaka.
 *
 * Digests and keys are derived from the seed, so a run can be repeated exactly.
 */
import { parseArgs } from "node:util";
import { network } from "hardhat";
import type { Abi, Hex } from "viem";
import { encodeFunctionData } from "viem";
import { bytesToBigint, concatBytes, utf8ToBytes } from "../../src/lib/bytes.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import { encodeProof, encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import type { Suite } from "../../src/threshold/types.ts";

/** What the contracts promise (contracts.md). The bench fails when a run exceeds it. */
const LIMITS: Record<Suite, { mean: number; worst: number }> = {
  "bls12-381": { mean: 118_500, worst: 118_500 },
  bn254: { mean: 116_000, worst: 116_500 },
};

const { values: options } = parseArgs({
  options: {
    digests: { type: "string", default: "256" },
    seed: { type: "string", default: "clockless" },
    json: { type: "boolean", default: false },
  },
});
const count = Number(options.digests);
if (!Number.isSafeInteger(count) || count < 1) throw new Error("--digests must be a positive integer");

const { viem } = await network.create();
const client = await viem.getPublicClient();
const [wallet] = await viem.getWalletClients();
if (wallet === undefined) throw new Error("the simulated network has no account");

const derive = (label: string) => keccak256(utf8ToBytes(`${options.seed}/${label}`));

function calldataGas(data: Hex): number {
  return hexToBytes(data).reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0);
}

async function executionGas(to: Hex, abi: Abi, functionName: string, args: readonly unknown[]): Promise<number> {
  const data = encodeFunctionData({ abi, functionName, args });
  const hash = await wallet!.sendTransaction({ to, data, gas: 1_000_000n });
  const receipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new Error(`${functionName} reverted`);
  return Number(receipt.gasUsed) - 21_000 - calldataGas(data);
}

function summary(gas: readonly number[]) {
  return {
    mean: Math.round(gas.reduce((sum, g) => sum + g, 0) / gas.length),
    best: Math.min(...gas),
    worst: Math.max(...gas),
  };
}

async function measure(suite: Suite) {
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
  const hash: number[] = [];
  const proofs: number[] = [];
  for (let i = 0; i < count; i++) {
    const digest = derive(`digest/${i}`);
    const proof = encodeProof(suite, engine.sign(secret, digest), digest);
    const args = [bytesToHex(digest), bytesToHex(proof)] as const;
    // A transaction's return value is not in its receipt: make sure that what is measured is an acceptance.
    const accepted = await client.readContract({ ...verifier, functionName: "verify", args });
    if (accepted !== true) throw new Error(`${suite}: digest ${args[0]} was refused`);
    verify.push(await executionGas(verifier.address, verifier.abi, "verify", args));
    const hashArgs = bn ? [args[0], bytesToHex(proof.subarray(64))] : [args[0]];
    hash.push(await executionGas(harness.address, harness.abi, "hashToG1", hashArgs));
    proofs.push(proof.length);
  }
  const limit = LIMITS[suite];
  const verifyGas = summary(verify);
  return {
    suite,
    digests: count,
    proofBytes: Number(bytesToBigint(Uint8Array.of(proofs[0]!))),
    verify: verifyGas,
    hashToG1: summary(hash),
    limit,
    withinLimit: verifyGas.mean <= limit.mean && verifyGas.worst <= limit.worst,
  };
}

const results = [await measure("bls12-381"), await measure("bn254")];
if (options.json) {
  console.log(JSON.stringify({ bench: "gas", hardfork: "osaka", seed: options.seed, results }));
} else {
  for (const { suite, proofBytes, verify, hashToG1, limit } of results) {
    console.log(`${suite}: ${count} digests, proof ${proofBytes} bytes`);
    console.log(`  verify     mean ${verify.mean}  best ${verify.best}  worst ${verify.worst}`);
    console.log(`             limit: mean ${limit.mean}, worst ${limit.worst}`);
    console.log(`  hash to G1 mean ${hashToG1.mean}  best ${hashToG1.best}  worst ${hashToG1.worst}`);
  }
}
if (results.some((result) => !result.withinLimit)) {
  console.error("gas limit exceeded");
  process.exitCode = 1;
}

/** The real contracts on anvil: token, verifier, authority, hub and its vault, with money in it. */
import { type Abi, decodeFunctionResult, encodeDeployData, encodeFunctionData } from "viem";
import { authorityAbi } from "../../../src/abi/authority.ts";
import { bls12381VerifierAbi } from "../../../src/abi/bls12381-verifier.ts";
import { bn254VerifierAbi } from "../../../src/abi/bn254-verifier.ts";
import { authorityBytecode } from "../../../src/abi/bytecode/authority.ts";
import { bls12381VerifierBytecode } from "../../../src/abi/bytecode/bls12381-verifier.ts";
import { bls12381VerifierCodeBytecode } from "../../../src/abi/bytecode/bls12381-verifier-code.ts";
import { bn254VerifierBytecode } from "../../../src/abi/bytecode/bn254-verifier.ts";
import { bn254VerifierCodeBytecode } from "../../../src/abi/bytecode/bn254-verifier-code.ts";
import { settlementHubBytecode } from "../../../src/abi/bytecode/settlement-hub.ts";
import { settlementReceiverBytecode } from "../../../src/abi/bytecode/settlement-receiver.ts";
import { testTokenBytecode } from "../../../src/abi/bytecode/test-token.ts";
import { collateralVaultAbi } from "../../../src/abi/collateral-vault.ts";
import { settlementHubAbi } from "../../../src/abi/settlement-hub.ts";
import { settlementReceiverAbi } from "../../../src/abi/settlement-receiver.ts";
import { testTokenAbi } from "../../../src/abi/test-token.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../../../src/lib/hex.ts";
import { encodePublicKeyForVerifier } from "../../../src/threshold/evm.ts";
import type { Suite } from "../../../src/threshold/types.ts";
import type { Anvil } from "../../chain/support/anvil.ts";
import { COMMITTEE_ID, type TestCommittee } from "./committee.ts";

export interface Deployment {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly vault: Address;
  readonly token: Address;
  readonly receiver: Address;
  /** One of anvil's unlocked accounts, the deployer. */
  readonly admin: Address;
  balanceOf(account: Address): Promise<bigint>;
  deposit(amount: bigint, account: Hex): Promise<void>;
  /** How many handovers the hub has carried out. */
  handovers(): Promise<bigint>;
}

const VERIFIERS = {
  "bls12-381": {
    abi: bls12381VerifierAbi,
    bytecode: bls12381VerifierBytecode,
    codeBytecode: bls12381VerifierCodeBytecode,
  },
  bn254: { abi: bn254VerifierAbi, bytecode: bn254VerifierBytecode, codeBytecode: bn254VerifierCodeBytecode },
} as const;

export async function deployHub(anvil: Anvil, committee: TestCommittee, suite: Suite): Promise<Deployment> {
  // Not the first account: that one relays, and its nonces are counted.
  const admin = (await anvil.rpc<Address[]>("eth_accounts"))[9]!;
  const send = async (transaction: { to?: Address; data: Hex }) => {
    const hash = await anvil.rpc<Hex>("eth_sendTransaction", [{ from: admin, gas: "0xf00000", ...transaction }]);
    // Anvil mines on its own, but on a busy machine not before it answers.
    for (let attempt = 0; attempt < 10_000; attempt++) {
      type Receipt = { contractAddress?: Address; status: Hex } | null;
      const receipt = await anvil.rpc<Receipt>("eth_getTransactionReceipt", [hash]);
      if (receipt?.status === "0x1") return receipt;
      if (receipt !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`a setup transaction failed: ${hash}`);
  };
  const deploy = async (abi: Abi, bytecode: Hex, args: readonly unknown[]): Promise<Address> => {
    const { contractAddress } = await send({ data: encodeDeployData({ abi, bytecode, args: [...args] }) });
    return contractAddress!;
  };
  const call = (to: Address, data: Hex) => anvil.rpc<Hex>("eth_call", [{ to, data }, "latest"]);

  const { abi, bytecode, codeBytecode } = VERIFIERS[suite];
  const key = bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(committee.groupKey(suite))));
  const verifier = await deploy(abi, bytecode, [key]);
  const verifierCode = await deploy([], codeBytecode, []);
  const authority = await deploy(authorityAbi, authorityBytecode, [admin]);
  const token = await deploy(testTokenAbi, testTokenBytecode, ["Test Dollar", "USDT6", 6]);
  const vaultConfig = {
    ...{ entryFeeWei: 0n, feeRecipient: admin, maxEntriesPerBlock: 1_000, maxBytesPerBlock: 1_000_000 },
    ...{ maxInstructionBytes: 4_096, withdrawalWindow: 86_400 },
  };
  const listings = [{ token, withdrawalFloor: 10n ** 18n, withdrawalShareBps: 10_000 }];
  const hub = await deploy(settlementHubAbi, settlementHubBytecode, [
    ...[COMMITTEE_ID, verifier, verifierCode, authority, 21_600, vaultConfig, listings],
  ]);
  const receiver = await deploy(settlementReceiverAbi, settlementReceiverBytecode, [hub]);
  const vaultData = await call(hub, encodeFunctionData({ abi: settlementHubAbi, functionName: "vault" }));
  const vault = decodeFunctionResult({ abi: settlementHubAbi, functionName: "vault", data: vaultData });

  const deployment: Deployment = {
    ...{ chainId: anvil.chainId, hub, token, receiver, admin },
    vault: vault.toLowerCase() as Address, // CAST: lower-casing keeps it hex
    async balanceOf(account) {
      const data = encodeFunctionData({ abi: testTokenAbi, functionName: "balanceOf", args: [account] });
      return BigInt(await call(token, data));
    },
    async deposit(amount, account) {
      await send({
        to: token,
        data: encodeFunctionData({ abi: testTokenAbi, functionName: "mint", args: [admin, amount] }),
      });
      const approve = { abi: testTokenAbi, functionName: "approve", args: [vault, amount] } as const;
      await send({ to: token, data: encodeFunctionData(approve) });
      const args = [token, amount, account] as const;
      await send({ to: vault, data: encodeFunctionData({ abi: collateralVaultAbi, functionName: "deposit", args }) });
    },
    async handovers() {
      return BigInt(await call(hub, encodeFunctionData({ abi: settlementHubAbi, functionName: "handovers" })));
    },
  };
  committee.open({ chainId: anvil.chainId, hub, token });
  return deployment;
}

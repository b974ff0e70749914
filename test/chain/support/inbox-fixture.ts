/**
 * A minimal contract with a CollateralVault's inbox and nothing else (no tokens, no hub), so that tests can write any entry
 * cheaply. It computes the hash chain in Solidity, independently of src/batch/inbox.ts.
 */
import { createRequire } from "node:module";
import { encodeFunctionData, parseAbi } from "viem";
import type { Address, Hex } from "../../../src/lib/hex.ts";
import type { Anvil } from "./anvil.ts";

const SOURCE = `
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;
contract InboxFixture {
    event Deposited(uint64 indexed index, address indexed token, bytes32 indexed account, uint256 amount, address refundTo, uint256 total);
    event ForcedRequested(uint64 indexed index, bytes instruction);
    event Unrelated(uint256 indexed index);
    mapping(uint64 => bytes32) public inboxHashAt;
    uint64 public inboxSize;
    mapping(address => uint256) totals;
    function link(bytes32 entry) private {
        bytes32 previous = inboxHashAt[inboxSize];
        inboxSize++;
        inboxHashAt[inboxSize] = keccak256(abi.encode(keccak256("InboxLink(bytes32 previous,bytes32 entry)"), previous, entry));
    }
    function deposit(address token, uint256 amount, bytes32 account) public {
        totals[token] += amount;
        emit Unrelated(amount);
        emit Deposited(inboxSize, token, account, amount, msg.sender, totals[token]);
        link(keccak256(abi.encode(
            keccak256("Deposit(uint64 index,address token,uint256 amount,bytes32 account,address refundTo,uint256 total)"),
            inboxSize, token, amount, account, msg.sender, totals[token])));
    }
    function depositMany(address token, uint256 amount, bytes32 account, uint256 times) external {
        for (uint256 i = 0; i < times; i++) deposit(token, amount + i, account);
    }
    function requestForced(bytes calldata instruction) external {
        emit ForcedRequested(inboxSize, instruction);
        link(keccak256(abi.encode(keccak256("Forced(uint64 index,bytes instruction)"), inboxSize, keccak256(instruction))));
    }
}`;

const ABI = parseAbi([
  "function deposit(address token, uint256 amount, bytes32 account)",
  "function depositMany(address token, uint256 amount, bytes32 account, uint256 times)",
  "function requestForced(bytes instruction)",
]);

export interface InboxFixture {
  readonly address: Address;
  deposit(amount: bigint): Promise<void>;
  depositMany(amount: bigint, times: number): Promise<void>;
  requestForced(instruction: Hex): Promise<void>;
}

export const TOKEN: Address = `0x${"70".repeat(20)}`;
export const ACCOUNT: Hex = `0x${"aa".repeat(20)}${"00".repeat(12)}`;

let bytecode: Hex | undefined;

function compile(): Hex {
  if (bytecode !== undefined) return bytecode;
  // CAST: solc ships no types; this is the one function used here
  const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };
  const input = {
    language: "Solidity",
    sources: { "InboxFixture.sol": { content: SOURCE } },
    settings: { outputSelection: { "*": { "*": ["evm.bytecode.object"] } }, optimizer: { enabled: true } },
  };
  // CAST: solc's documented standard JSON output
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as {
    contracts?: Record<string, Record<string, { evm: { bytecode: { object: string } } }>>;
    errors?: unknown;
  };
  const object = output.contracts?.["InboxFixture.sol"]?.InboxFixture?.evm.bytecode.object;
  if (object === undefined) throw new Error(`fixture does not compile: ${JSON.stringify(output.errors)}`);
  bytecode = `0x${object}`;
  return bytecode;
}

export async function deployInboxFixture(anvil: Anvil): Promise<InboxFixture> {
  const from = (await anvil.rpc<Address[]>("eth_accounts"))[0]!;
  const send = async (transaction: { to?: Address; data: Hex }) => {
    const hash = await anvil.rpc<Hex>("eth_sendTransaction", [{ from, gas: "0x1c9c380", ...transaction }]);
    for (;;) {
      const receipt = await anvil.rpc<{ contractAddress?: Address; status: Hex } | null>("eth_getTransactionReceipt", [
        hash,
      ]);
      if (receipt !== null) {
        if (receipt.status !== "0x1") throw new Error("fixture transaction failed");
        return receipt;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const { contractAddress } = await send({ data: compile() });
  const address = contractAddress!;
  const write = async (data: Hex) => {
    await send({ to: address, data });
  };
  return {
    address,
    deposit: (amount) =>
      write(encodeFunctionData({ abi: ABI, functionName: "deposit", args: [TOKEN, amount, ACCOUNT] })),
    depositMany: (amount, times) =>
      write(
        encodeFunctionData({ abi: ABI, functionName: "depositMany", args: [TOKEN, amount, ACCOUNT, BigInt(times)] }),
      ),
    requestForced: (instruction) =>
      write(encodeFunctionData({ abi: ABI, functionName: "requestForced", args: [instruction] })),
  };
}

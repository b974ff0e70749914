/** The demo's people: one key each, used on every chain and in the ledger; funded, depositing, and read back at the end. */
import {
  type Address,
  createPublicClient,
  createTestClient,
  createWalletClient,
  defineChain,
  type Hex,
  http,
  parseEther,
} from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { collateralVaultAbi } from "../../src/abi/collateral-vault.ts";
import { testTokenAbi } from "../../src/abi/test-token.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { createRandom } from "../../src/testing/random.ts";

export interface User {
  readonly index: number;
  readonly secret: Uint8Array;
  readonly account: PrivateKeyAccount;
}

/** Where money lives on one chain. */
export interface TokenPlace {
  readonly chainId: bigint;
  readonly url: string;
  readonly vault: Address;
  readonly token: Address;
  /** Devnet key that may mint the test token. */
  readonly minter: Hex;
}

export function createUsers(count: number, seed: number): User[] {
  const random = createRandom(seed, "users");
  return Array.from({ length: count }, (_, index) => {
    const secret = random.bytes(32);
    return { index, secret, account: privateKeyToAccount(bytesToHex(secret)) };
  });
}

export function clientsOf(place: Pick<TokenPlace, "chainId" | "url">) {
  const chain = defineChain({
    id: Number(place.chainId),
    name: `devnet ${place.chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [place.url] } },
  });
  const transport = http(place.url, { timeout: 60_000 });
  return {
    chain,
    transport,
    reader: createPublicClient({ chain, transport, pollingInterval: 50 }),
    test: createTestClient({ chain, transport, mode: place.chainId === 31_338n ? "anvil" : "hardhat" }),
  };
}

/** Gives gas and tokens to everybody who deposits here, then has each of them approve and deposit into its own account. */
export async function fundAndDeposit(
  place: TokenPlace,
  users: readonly User[],
  amounts: readonly bigint[],
  accountOf: (address: Address) => Hex,
  onDeposit: () => void,
): Promise<void> {
  const { chain, transport, reader, test } = clientsOf(place);
  const minter = createWalletClient({ chain, transport, account: privateKeyToAccount(place.minter) });
  for (const user of users) {
    const amount = amounts[user.index]!;
    if (amount === 0n) continue;
    await test.setBalance({ address: user.account.address, value: parseEther("10") });
    const wallet = createWalletClient({ chain, transport, account: user.account });
    const minted = await minter.writeContract({
      address: place.token,
      abi: testTokenAbi,
      functionName: "mint",
      args: [user.account.address, amount],
    });
    await succeeded(reader, minted);
    const approved = await wallet.writeContract({
      address: place.token,
      abi: testTokenAbi,
      functionName: "approve",
      args: [place.vault, amount],
    });
    await succeeded(reader, approved);
    const deposited = await wallet.writeContract({
      address: place.vault,
      abi: collateralVaultAbi,
      functionName: "deposit",
      args: [place.token, amount, accountOf(user.account.address)],
    });
    await succeeded(reader, deposited);
    onDeposit();
  }
}

async function succeeded(reader: ReturnType<typeof clientsOf>["reader"], hash: Hex): Promise<void> {
  const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
  if (receipt.status !== "success") throw new Error(`transaction ${hash} reverted`);
}

/** Token balances of everybody on one chain. */
export function balancesOn(place: TokenPlace, users: readonly User[]): Promise<bigint[]> {
  return Promise.all(users.map(({ account }) => balanceOf(place, account.address)));
}

export function balanceOf(place: TokenPlace, holder: Address): Promise<bigint> {
  const { reader } = clientsOf(place);
  return reader.readContract({ address: place.token, abi: testTokenAbi, functionName: "balanceOf", args: [holder] });
}

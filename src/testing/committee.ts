/** Builds whole committees from a seed, for tests and simulations. The keys are dealt by one process: never for anything of value. */
import type { CoinScheme } from "../consensus/types.ts";
import { createNativeSigner } from "../keys/native-signer.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { utf8ToBytes } from "../lib/bytes.ts";
import { addressOf } from "../lib/ecdsa.ts";
import { keccak256Hex, keccakOfHex } from "../lib/hash.ts";
import { type Address, bytesToHex, type Hex } from "../lib/hex.ts";
import { quorumOf } from "../lib/math.ts";
import type { IdentityScheme, MemberSecrets, Shares } from "../member/types.ts";
import { createCoin } from "../threshold/coin.ts";
import type { Committee } from "../threshold/committee.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../threshold/dealer.ts";
import { createEngines } from "../threshold/engines.ts";
import { type Engine, SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";
import type { Random } from "./random.ts";
import { createStandInEngine, dealStandIn, standInAddress, standInIdentities } from "./stand-in.ts";

export interface TestCommittee {
  readonly committee: Committee;
  readonly secrets: readonly (MemberSecrets & { readonly shares: Shares })[];
  readonly engines: Readonly<Record<Suite, Engine>>;
  readonly identities: IdentityScheme;
  /** The coin of this committee in any epoch (`MemberConfig.createCoin`); without a share: a learner's. */
  createCoin(committee: Committee, share: Uint8Array | undefined): CoinScheme;
}

/** Real secp256k1 identities, computed as a node computes them. */
export const realIdentities: IdentityScheme = createNativeSigner();

/** A committee of n with stand-in cryptography (fast, no security) or the real thing (fast engine). */
export async function createTestCommittee(
  n: number,
  random: Random,
  crypto: "stand-in" | "real",
): Promise<TestCommittee> {
  const engines =
    crypto === "real"
      ? await createEngines("fast")
      : { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
  return createTestCommitteeWith(n, random, crypto, engines);
}

/** The same, synchronously, with engines that are there already. */
export function createTestCommitteeWith(
  n: number,
  random: Random,
  crypto: "stand-in" | "real",
  engines: Readonly<Record<Suite, Engine>>,
): TestCommittee {
  const threshold = quorumOf(n);
  const identities = crypto === "real" ? realIdentities : standInIdentities;
  const identitySecrets = Array.from({ length: n }, () => random.bytes(32));
  const dealt = (suite: Suite): { key: ThresholdKey; shares: readonly Uint8Array[] } => {
    if (crypto === "real")
      return dealInsecure(engines[suite], n, threshold, random.bytes(insecureDealRandomnessLength(threshold)));
    const { groupKey, publicShares, shares } = dealStandIn(suite, n, threshold, (length) => random.bytes(length));
    return { key: { suite, threshold, groupKey, publicShares }, shares };
  };
  const bls = dealt("bls12-381");
  const bn = dealt("bn254");
  const committee: Committee = {
    id: keccakOfHex(bytesToHex(random.bytes(32))),
    epoch: 0n,
    members: identitySecrets.map((secret) => ({
      address: crypto === "real" ? addressOf(secret) : standInAddress(secret),
    })),
    keys: { "bls12-381": bls.key, bn254: bn.key },
    requiredSuites: SUITES,
  };
  const secrets = identitySecrets.map((identity, index) => ({
    identity,
    shares: { "bls12-381": bls.shares[index]!, bn254: bn.shares[index]! },
  }));
  return {
    committee,
    secrets,
    engines,
    identities,
    createCoin: ({ id, epoch, keys }, share) =>
      createCoin({
        engine: engines["bls12-381"],
        key: keys["bls12-381"],
        committeeId: id,
        epoch,
        ...(share === undefined ? {} : { secretShare: share }),
      }),
  };
}

export const TEST_CHAIN_ID = 31_337n;
export const TEST_TOKEN: Address = `0x${"70".repeat(20)}`;
/** keccak256("USDC"). */
export const TEST_ASSET: Hex = keccak256Hex(utf8ToBytes("USDC"));

/** A ledger genesis with one asset, one chain and one market: enough to deposit, trade, settle and withdraw. */
export function createTestGenesis(committee: Committee, overrides: Partial<LedgerGenesis> = {}): LedgerGenesis {
  return {
    committeeId: committee.id,
    epoch: committee.epoch,
    members: committee.members.length,
    assets: [{ id: TEST_ASSET, symbol: "USDC", decimals: 6 }],
    chains: [
      {
        chainId: TEST_CHAIN_ID,
        hub: `0x${"40".repeat(20)}`,
        vault: `0x${"50".repeat(20)}`,
        tokens: [{ asset: TEST_ASSET, token: TEST_TOKEN, unitsPerLedgerUnit: 1n }],
      },
    ],
    markets: [
      {
        id: 1,
        symbol: "ETH",
        quote: TEST_ASSET,
        quantityDecimals: 3,
        priceCap: 100_000_000n,
        expirySlots: 300,
        slotSeconds: 6,
      },
    ],
    window: 64n,
    ...overrides,
  };
}

import { expect } from "chai";
import fc from "fast-check";
import { hashTypedData } from "viem";
import type { CoinScheme } from "../../src/consensus/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { quorumOf } from "../../src/lib/math.ts";
import { type Coin, coinDigest, createCoin, uniformBelow } from "../../src/threshold/coin.ts";
import { dealInsecure, insecureDealRandomnessLength } from "../../src/threshold/dealer.ts";
import { engines, expectCode, hex, seeded } from "./support.ts";

const COMMITTEE: Hex = hex(seeded("committee"));

async function coins(n: number, epoch = 3n, committeeId = COMMITTEE): Promise<Coin[]> {
  const engine = (await engines())["bls12-381"].mcl;
  const threshold = quorumOf(n);
  const randomness = seeded("coin deal", insecureDealRandomnessLength(threshold));
  const { key, shares } = dealInsecure(engine, n, threshold, randomness);
  return shares.map((secretShare) => createCoin({ engine, key, committeeId, epoch, secretShare }));
}

const sharesOf = (all: readonly Coin[], indices: readonly number[], round: number) =>
  new Map(indices.map((index) => [index, all[index]!.share(round)!]));

describe("threshold/coin", () => {
  it("signs the EIP-712 digest that other implementations compute", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(), (epoch, round) => {
        const expected = hashTypedData({
          domain: { name: "Clockless", version: "1", salt: COMMITTEE },
          types: {
            Coin: [
              { name: "epoch", type: "uint64" },
              { name: "round", type: "uint64" },
            ],
          },
          primaryType: "Coin",
          message: { epoch, round: BigInt(round) },
        });
        expect(coinDigest(COMMITTEE, epoch, round)).to.equal(expected);
      }),
      { numRuns: 30 },
    );
  });

  it("every quorum tosses the same coin; learners verify it and name the same leader", async () => {
    const all: CoinScheme[] = await coins(7);
    const first = all[0]!.combine(40, sharesOf(all as Coin[], [0, 1, 2, 3, 4], 40));
    const second = all[6]!.combine(40, sharesOf(all as Coin[], [6, 5, 4, 2, 0], 40));
    expect(hex(first.signature!)).to.equal(hex(second.signature!));
    const engine = (await engines())["bls12-381"].noble;
    const { key } = dealInsecure(engine, 7, 5, seeded("coin deal", insecureDealRandomnessLength(5)));
    const learner = createCoin({ engine, key, committeeId: COMMITTEE, epoch: 3n });
    expect(learner.share(40)).to.equal(undefined);
    expect(learner.verify(40, first.signature!)).to.equal(true);
    expect(learner.leader(40, first.signature!)).to.equal(all[3]!.leader(40, second.signature!));
  });

  it("a coin is bound to its round, epoch and committee", async () => {
    const all = await coins(4);
    const { signature } = all[0]!.combine(9, sharesOf(all, [0, 1, 2], 9));
    expect(all[0]!.verify(9, signature!)).to.equal(true);
    expect(all[0]!.verify(10, signature!)).to.equal(false);
    expect((await coins(4, 4n))[0]!.verify(9, signature!)).to.equal(false);
    expect((await coins(4, 3n, hex(seeded("another"))))[0]!.verify(9, signature!)).to.equal(false);
  });

  it("shares of another round or epoch are blamed", async () => {
    const all = await coins(4);
    const shares = sharesOf(all, [0, 1, 2, 3], 9);
    shares.set(0, all[0]!.share(10)!);
    expect(all[1]!.combine(9, shares).bad).to.deep.equal([0]);
    shares.set(1, (await coins(4, 4n))[1]!.share(9)!);
    expect(all[1]!.combine(9, shares)).to.deep.equal({ signature: undefined, bad: [0, 1], good: [2, 3] });
  });

  it("elects every member about as often", async () => {
    const all = await coins(4);
    const counts = [0, 0, 0, 0];
    for (let round = 1; round <= 200; round++) {
      const { signature } = all[0]!.combine(round, sharesOf(all, [0, 1, 2], round));
      counts[all[0]!.leader(round, signature!)]!++;
    }
    // 200 tosses over 4: mean 50, deviation 6.1; six deviations.
    for (const count of counts) expect(count).to.be.within(13, 87);
  });

  it("uniformBelow stays below its bound, reaches every value and rejects the biased tail", () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 2000; i++) {
      const value = uniformBelow(seeded(`uniform ${i}`), 7);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).to.deep.equal([0, 1, 2, 3, 4, 5, 6]);
    for (const count of counts.values()) expect(count).to.be.within(190, 390);
    // With this bound a quarter of all words lies in the tail; a plain remainder would put 5/8 of the results below the middle.
    const bound = 2 ** 31 + 2 ** 30;
    let low = 0;
    for (let i = 0; i < 2000; i++) if (uniformBelow(seeded(`tail ${i}`), bound) < bound / 2) low++;
    expect(low).to.be.within(860, 1140);
    expect(uniformBelow(seeded("one"), 1)).to.equal(0);
    for (const wrong of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => uniformBelow(seeded("x"), wrong)).to.throw(RangeError);
  });

  it("uses the bls12-381 key only", async () => {
    const all = await engines();
    const deal = (engine: typeof all.bn254.mcl) => dealInsecure(engine, 1, 1, seeded("x", 48)).key;
    const [bls, bn] = [all["bls12-381"].mcl, all.bn254.mcl];
    const options = { committeeId: COMMITTEE, epoch: 0n };
    expectCode(() => createCoin({ engine: bn, key: deal(bn), ...options }), "keyMismatch");
    expectCode(() => createCoin({ engine: bls, key: deal(bn), ...options }), "keyMismatch");
    expectCode(() => createCoin({ engine: bn, key: deal(bls), ...options }), "keyMismatch");
  });
});

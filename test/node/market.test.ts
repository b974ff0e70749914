import { expect } from "chai";
import { decodeMarketAnswer } from "../../src/node/market.ts";

describe("node/market", () => {
  it("takes an adapter's answer, and nothing that is none, whatever its length compares with", () => {
    const prices = [{ market: 1, firstSlotEnd: "1002", values: ["2000", "2001"] }];
    expect(decodeMarketAnswer({ time: "1000", prices })).to.deep.equal({
      time: 1000n,
      prices: [{ market: 1, firstSlotEnd: 1002n, values: [2000n, 2001n] }],
    });
    for (const none of [
      undefined,
      null,
      [],
      { time: 1000, prices: [] },
      { time: "1000", prices: { length: { toString: 0 } } },
      { time: "1000", prices: [{ ...prices[0], values: { length: { toString: 0 } } }] },
      { time: "01", prices: [] },
    ])
      expect(decodeMarketAnswer(none), JSON.stringify(none)).to.equal(undefined);
  });
});

import { expect } from "chai";
import { createMarketFeed } from "../../src/node/market-feed.ts";

describe("node: market feed", () => {
  const answer = { time: 100n, prices: [{ market: 1, firstSlotEnd: 60n, values: [5n, 6n] }] };

  it("reports a price once, and after a change of the epoch once more unless its slot is fixed", () => {
    const feed = createMarketFeed(() => 6n, 3_000);
    const all = [
      { kind: "time", seconds: 100n },
      { kind: "prices", market: 1, firstSlotEnd: 60n, values: [5n, 6n] },
    ];
    expect(feed.take(answer, 90n, 0)).to.deep.equal(all);
    expect(feed.take(answer, 90n, 10)).to.deep.equal([]);
    feed.reset();
    expect(feed.take(answer, 90n, 20)).to.deep.equal(all);
    feed.settled([{ kind: "price", market: 1, slotEnd: 60n, value: 5n }]);
    feed.reset();
    expect(feed.take(answer, 90n, 30)).to.deep.equal([
      { kind: "time", seconds: 100n },
      { kind: "prices", market: 1, firstSlotEnd: 66n, values: [6n] },
    ]);
  });
});

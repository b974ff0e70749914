import { expect } from "chai";
import { bucketKey, createRateLimiter } from "../../../src/node/api/rate-limit.ts";

describe("the rate limit", () => {
  it("gives a burst, then the rate, and says when to come back", () => {
    const limiter = createRateLimiter({ perSecond: 2, burst: 3 });
    expect([0, 0, 0, 0].map(() => limiter.take("10.0.0.1", 1_000))).to.deep.equal([0, 0, 0, 500]);
    expect(limiter.take("10.0.0.2", 1_000)).to.equal(0);
    expect(limiter.take("10.0.0.1", 1_500)).to.equal(0);
    expect(limiter.take("10.0.0.1", 1_500)).to.equal(500);
    expect(limiter.take("10.0.0.1", 100_000)).to.equal(0);
  });

  it("takes what costs more for as many requests, and never asks for more than a burst", () => {
    const limiter = createRateLimiter({ perSecond: 2, burst: 4 });
    expect(limiter.take("a", 0, 3)).to.equal(0);
    // A refused one costs nothing.
    expect(limiter.take("a", 0, 3)).to.equal(1_000);
    expect(limiter.take("a", 0, 1)).to.equal(0);
    expect(limiter.take("b", 0, 100)).to.equal(0);
    expect(limiter.take("b", 0, 100)).to.equal(2_000);
    expect(limiter.take("b", 0, 0)).to.equal(0);
  });

  it("drains nobody when the clock steps back", () => {
    const limiter = createRateLimiter({ perSecond: 1, burst: 2 });
    expect(limiter.take("a", 10_000)).to.equal(0);
    expect(limiter.take("a", 0)).to.equal(0);
    expect(limiter.take("a", 0)).to.be.greaterThan(0);
    expect(limiter.take("a", 1_000)).to.equal(0);
  });

  it("counts an IPv6 customer once, and an IPv4 one alike in both notations", () => {
    expect(bucketKey("2001:db8:1:2:3:4:5:6")).to.equal(bucketKey("2001:db8:1:2::ffff"));
    expect(bucketKey("2001:db8:1:2::1")).to.not.equal(bucketKey("2001:db8:1:3::1"));
    expect(bucketKey("2001:0DB8:0001:2::1")).to.equal(bucketKey("2001:db8:1:2::1"));
    expect(bucketKey("fe80::1%eth0")).to.equal(bucketKey("fe80::2"));
    expect(bucketKey("::1")).to.equal("0:0:0:0");
    expect(bucketKey("::ffff:10.0.0.1")).to.equal("10.0.0.1");
  });
});

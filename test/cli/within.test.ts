import { expect } from "chai";
import { settlesWithin } from "../../src/cli/within.ts";

describe("cli: within a time", () => {
  it("is true for what settles in time, false for what does not, and throws what it throws", async () => {
    expect(await settlesWithin(1_000, Promise.resolve(7))).to.equal(true);
    expect(await settlesWithin(5, new Promise(() => {}))).to.equal(false);
    const failed = settlesWithin(1_000, Promise.reject(new RangeError("no")));
    expect(await failed.catch((error: unknown) => error)).to.be.instanceOf(RangeError);
  });

  it("leaves no unhandled rejection behind when the error comes too late", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), 20));
      expect(await settlesWithin(1, late)).to.equal(false);
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect(unhandled).to.deep.equal([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});

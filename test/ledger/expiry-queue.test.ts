import { expect } from "chai";
import * as fc from "fast-check";
import { ExpiryQueue } from "../../src/ledger/expiry-queue.ts";
import { compareBigint } from "../../src/lib/math.ts";
import { cpuMs } from "../lib/cpu-time.ts";

describe("ledger: expiry queue", () => {
  it("answers as a plain set does, whatever is opened, closed and reached in whatever order", () => {
    const expiry = fc.integer({ min: 1, max: 4000 }).map((k) => BigInt(k) * 60n);
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), at: expiry }),
      fc.record({ kind: fc.constant("delete" as const), at: expiry }),
      fc.record({ kind: fc.constant("advance" as const), at: expiry }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new ExpiryQueue();
        const open = new Set<bigint>();
        let time = 0n;
        for (const { kind, at } of steps) {
          if (kind === "add") {
            queue.add(at);
            open.add(at);
          } else if (kind === "delete") {
            queue.delete(at);
            open.delete(at);
          } else if (at > time) {
            time = at;
            queue.advance(time);
          }
          const due = [...open].filter((each) => each <= time).sort(compareBigint);
          expect(queue.due(time)).deep.equal(due);
          for (const from of [0n, time - 3600n, time - 60n])
            expect(queue.has(from, time + 1n)).equal(due.some((each) => each >= from));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("costs a batch nothing for expiries that are not due", () => {
    const queue = new ExpiryQueue();
    queue.advance(1_000_000n);
    for (let k = 0n; k < 200_000n; k++) queue.add(2_000_000n + 6n * k);
    const start = cpuMs();
    for (let time = 1_000_000n; time < 1_010_000n; time++) {
      queue.advance(time);
      if (queue.due(time).length > 0 || queue.has(time - 4000n, time)) throw new Error("nothing is due");
    }
    // 10,000 batches, some milliseconds together; sorting 200,000 expiries in each would take minutes.
    expect(cpuMs() - start).lessThan(10_000);
  });
});

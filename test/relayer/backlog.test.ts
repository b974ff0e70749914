import { expect } from "chai";
import type { HubClient } from "../../src/chain/port.ts";
import { Backlog } from "../../src/relayer/backlog.ts";

const WINDOW = 16_384n;

/** A hub's delivered bits, and which ranges were asked for. */
function hubOf(isDelivered: (index: bigint) => boolean) {
  const reads: (readonly [bigint, bigint])[] = [];
  const getDelivered = async (from: bigint, to: bigint): Promise<ReadonlySet<bigint>> => {
    reads.push([from, to]);
    const delivered = new Set<bigint>();
    for (let index = from; index < to; index++) if (isDelivered(index)) delivered.add(index);
    return delivered;
  };
  // CAST: the backlog asks for nothing else.
  return { hub: { getDelivered } as unknown as HubClient, reads };
}

describe("Backlog", () => {
  it("reads from the first undelivered entry on, and nothing when all are delivered", async () => {
    const { hub, reads } = hubOf((index) => index < 300n);
    const backlog = new Backlog();
    expect(await backlog.scan(hub, 302n, 0)).to.deep.equal([300n, 301n]);
    expect(await backlog.scan(hub, 303n, 1)).to.deep.equal([300n, 301n, 302n]);
    expect(reads).to.deep.equal([
      [0n, 302n],
      [300n, 303n],
    ]);
    const { hub: empty, reads: none } = hubOf(() => true);
    const done = new Backlog();
    expect(await done.scan(empty, 10n, 0)).to.deep.equal([]);
    expect(await done.scan(empty, 10n, 1)).to.deep.equal([]);
    expect(none).to.have.lengthOf(1);
  });

  it("finds what lies beyond as many entries as nobody can deliver", async () => {
    const stuck = 2n * WINDOW + 5n;
    const honest = [stuck + 1n, stuck + WINDOW];
    const { hub, reads } = hubOf((index) => index >= stuck && !honest.includes(index));
    const backlog = new Backlog();
    const found = new Set<bigint>();
    for (let turn = 0; turn < 6; turn++) {
      for (const index of await backlog.scan(hub, stuck + 2n * WINDOW, turn)) found.add(index);
    }
    for (const index of honest) expect(found.has(index), String(index)).to.equal(true);
    // Every other look is at the first window, and none is larger than a window.
    expect(reads.filter(([from]) => from === 0n)).to.have.lengthOf(3);
    for (const [from, to] of reads) expect(to - from <= WINDOW).to.equal(true);
  });

  it("comes round to every window again, also when the outbox grows meanwhile", async () => {
    const { hub, reads } = hubOf(() => false);
    const backlog = new Backlog();
    let size = 4n * WINDOW;
    for (let turn = 0; turn < 40; turn++) {
      await backlog.scan(hub, size, turn);
      size += 100n;
    }
    const starts = reads.map(([from]) => from / WINDOW);
    for (const window of [1n, 2n, 3n]) expect(starts.filter((start) => start === window).length).to.be.greaterThan(3);
  });

  it("knows how long an entry has been undelivered, in far windows too", async () => {
    const { hub } = hubOf(() => false);
    const backlog = new Backlog();
    const size = 2n * WINDOW;
    for (const nowMs of [1_000, 2_000, 3_000, 4_000]) await backlog.scan(hub, size, nowMs);
    expect(backlog.ageMs(0n, 5_000)).to.equal(4_000);
    expect(backlog.ageMs(WINDOW, 5_000)).to.equal(3_000);
  });
});

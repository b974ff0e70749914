import { expect } from "chai";
import type { VerifiedBlock } from "../../src/consensus/types.ts";
import type { PersistWrite } from "../../src/member/types.ts";
import { createRandom } from "../../src/testing/random.ts";
import { SimulatedDisk } from "../../src/testing/simulator/disk.ts";
import { type DiskFaults, SOUND_DISK } from "../../src/testing/simulator/disk-faults.ts";

const NOTHING: PersistWrite = { blocks: [], coins: [], register: [], certificates: [] };
/** Somebody else's block: nothing is signed with it. */
const relaxed = (at: number): PersistWrite => ({
  ...NOTHING,
  // CAST: the disk reads nothing but the bytes
  blocks: [{ bytes: Uint8Array.of(at) } as VerifiedBlock],
});
const synced = (at: number): PersistWrite => ({
  ...relaxed(at),
  register: [{ kind: "batch", position: BigInt(at), digest: "0x01" }],
});

/** What is in the log after these writes and a crash; lower case: relaxed, upper case: synced. */
function after(writes: string, faults: Partial<DiskFaults>, seed: number, isWriting = false): string {
  const disk = new SimulatedDisk();
  disk.spoil({ ...SOUND_DISK, ...faults }, createRandom(seed));
  for (const letter of writes) {
    const code = letter.charCodeAt(0);
    disk.write(letter === letter.toUpperCase() ? synced(code) : relaxed(code));
  }
  disk.crash(isWriting);
  const { log, registered } = disk.recover();
  const kept = [...log]
    .map((record) => (record.kind === "block" ? String.fromCharCode(record.bytes[0]!) : ""))
    .join("");
  for (const letter of writes.replace(/[^A-Z]/g, ""))
    expect(registered("batch", BigInt(letter.charCodeAt(0))) !== undefined, `register of ${letter}`).to.equal(
      kept.includes(letter),
    );
  return kept;
}

const SEEDS = 200;
const outcomes = (writes: string, faults: Partial<DiskFaults>, isWriting = false): Set<string> =>
  new Set(Array.from({ length: SEEDS }, (_, seed) => after(writes, faults, seed, isWriting)));

describe("simulator: what a disk keeps", () => {
  it("everything, when the process dies and not the machine", () => {
    expect(outcomes("abCde", {})).to.deep.equal(new Set(["abCde"]));
  });

  it("after a power cut everything up to the last synced write, and a prefix of what came after it", () => {
    expect(outcomes("abCde", { powerCutPerMille: 1000 })).to.deep.equal(new Set(["abC", "abCd", "abCde"]));
    expect(outcomes("abC", { powerCutPerMille: 1000 })).to.deep.equal(new Set(["abC"]));
    expect(outcomes("ab", { powerCutPerMille: 1000 })).to.deep.equal(new Set(["", "a", "ab"]));
  });

  it("without a synced write that was torn, relaxed ones before it need not be there either", () => {
    const torn = { powerCutPerMille: 1000, tornPerMille: 1000 };
    expect(outcomes("AbcD", torn, true)).to.deep.equal(new Set(["A", "Ab", "Abc"]));
    expect(outcomes("AbcD", { ...torn, tornPerMille: 0 }, true)).to.deep.equal(new Set(["AbcD"]));
  });

  it("less than that, where a disk answers syncs from its cache: what the control lost-sync is about", () => {
    const kept = outcomes("abCde", { powerCutPerMille: 1000, sync: "lost" });
    expect(kept).to.include("ab").and.include("");
  });
});

import { expect } from "chai";
import {
  destinationArgument,
  entryArguments,
  headWitnessArgument,
  historyProofArgument,
} from "../../src/batch/calls.ts";
import { createHandover, handoverArgument, handoverDigest } from "../../src/batch/handover.ts";
import { outboxesRoot, proveDestination } from "../../src/batch/outbox.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import type { Suite } from "../../src/threshold/types.ts";
import { bytes32, COMMITTEE, deployHub, engineOf, SECRET, signDigestFor } from "./hub-support.ts";

/** Words of the call's arguments: data is selector, then 32-byte words. */
const WORD = 64;
const wordAt = (data: string, i: number) => data.slice(10 + WORD * i, 10 + WORD * (i + 1));
const withWord = (data: string, i: number, value: bigint) =>
  data.slice(0, 10 + WORD * i) + value.toString(16).padStart(WORD, "0") + data.slice(10 + WORD * (i + 1));

/** One well-formed call of every function that takes dynamic arguments, each sure to succeed. */
async function wellFormedCalls(suite: Suite) {
  const world = await deployHub(suite);
  const { hub, book, token, vault, alice } = world;
  await token.mint(vault, 1_000n);
  const payout = book.payout(alice.address, 1n);
  const call = book.call(alice.address, "0x12345678");
  const first = book.next();
  await hub.accept(...first.args);
  const failing = [book.call(alice.address, "0xabcdef01")];
  const second = book.next();
  const encode = (name: string, args: readonly unknown[]) => hub.interface.encodeFunctionData(name, args);

  const { payouts, calls } = entryArguments([payout, call]);
  const deliver = encode("deliver", book.delivery([payout, call], first, 1));

  const twin = book.next({ ...first.header, state: bytes32(0xbad) });
  const reportConflict = encode("reportConflict", [first.args[0], first.args[2], twin.args[0], twin.args[2]]);

  const keys = (by: Uint8Array) => ({
    "bls12-381": bytesToHex(engineOf("bls12-381").publicKey(by)),
    bn254: bytesToHex(engineOf("bn254").publicKey(by)),
  });
  const statement = createHandover(1n, keys(SECRET), keys(Uint8Array.from(SECRET, (x, i) => (i === 31 ? x ^ 1 : x))));
  const handover = encode("handover", [
    handoverArgument(statement),
    signDigestFor(suite, handoverDigest(statement, COMMITTEE)),
  ]);

  const multi = book.outbox.proveMany([0n, 1n], first.destination.outboxSize);
  const deliverFromHistory = encode("deliverFromHistory", [
    payouts,
    calls,
    [...multi.siblings],
    headWitnessArgument(2, second.header, second.destination),
    historyProofArgument(first.header, book.history.prove(0n, 1n)),
    first.args[1],
  ]);
  return { ...world, first, second, failing, deliver, reportConflict, handover, deliverFromHistory, encode };
}

describe("hub: one encoding per call", () => {
  it("refuses trailing bytes, moved, shared and wild offsets and dirty upper bits, in every function", async () => {
    const { hub, ethers, alice, second, failing, book, encode, ...calls } = await wellFormedCalls("bls12-381");
    const accept = encode("accept", second.args);
    const { calls: failed } = entryArguments(failing);
    const refused = async (data: string, what: string) => {
      const before = await ethers.provider
        .send("eth_call", [{ to: await hub.getAddress(), data, gas: "0xf00000" }, "latest"])
        .then(
          () => "accepted",
          () => "refused",
        );
      expect(before, what).to.equal("refused");
    };
    /** `offsets`: words that hold offsets, relative to the word `base`; `narrow`: words of fewer than 256 bits. */
    const attack = async (
      name: string,
      data: string,
      offsets: readonly (readonly [number, number])[],
      narrow: readonly number[],
    ) => {
      await ethers.provider.send("eth_call", [
        { to: await hub.getAddress(), from: alice.address, data, gas: "0xf00000" },
        "latest",
      ]);
      for (const tail of ["00", "ff", "00".repeat(32), "00".repeat(64)])
        await refused(data + tail, `${name}: trailing ${tail}`);
      for (const cut of [2, 64]) await refused(data.slice(0, -cut), `${name}: ${cut / 2} bytes short`);
      for (const [i, base] of offsets) {
        const offset = BigInt(`0x${wordAt(data, i)}`);
        for (const wild of [
          offset + 1n,
          offset - 1n,
          offset + 32n,
          offset - 32n,
          0n,
          1n << 64n,
          (1n << 256n) - 4n,
          (1n << 255n) + offset,
        ])
          await refused(withWord(data, i, wild), `${name}: offset ${i} is ${wild}`);
        // The same bytes once more behind the end, with the offset leading there: the values are those that were signed.
        const start = base + Number(offset / 32n);
        const copy = data.slice(10 + WORD * start);
        const moved = withWord(data, i, BigInt((data.length - 10) / WORD - base) * 32n) + copy;
        await refused(moved, `${name}: argument ${i} copied to the end`);
      }
      for (const i of narrow)
        for (const bit of [255n, 64n, 160n].filter((bit) => bit === 255n || name === "retryCall"))
          await refused(
            withWord(data, i, BigInt(`0x${wordAt(data, i)}`) ^ (1n << bit)),
            `${name}: bit ${bit} of word ${i}`,
          );
    };
    // accept: header 7 words, two offsets; destination: cursor, hash, size, root, promised, index, size, offset.
    await attack(
      "accept",
      accept,
      [
        [7, 0],
        [8, 0],
        [9 + 7, 9],
      ],
      [0, 1, 9, 11, 14, 15],
    );
    await attack(
      "reportConflict",
      calls.reportConflict,
      [
        [7, 0],
        [15, 0],
      ],
      [0, 1, 8, 9],
    );
    // deliver: offsets of payouts, calls, proof; one payout at word 4; one call behind its own offset.
    await attack(
      "deliver",
      calls.deliver,
      [
        [0, 0],
        [1, 0],
        [2, 0],
        [11, 11],
        [12 + 3, 12],
      ],
      [4, 5, 6, 12, 13, 14, 19],
    );
    await attack(
      "handover",
      calls.handover,
      [
        [0, 0],
        [1, 0],
        [2 + 3, 2],
        [2 + 4, 2],
      ],
      [2],
    );
    await hub.accept(...second.args);
    const history = calls.deliverFromHistory;
    const at = (i: number) => Number(BigInt(`0x${wordAt(history, i)}`) / 32n);
    await attack(
      "deliverFromHistory",
      history,
      [
        [0, 0],
        [1, 0],
        [2, 0],
        [13, 0],
        [14, 0],
        [at(13) + 7, at(13)],
        [at(14) + 7, at(14)],
      ],
      [3, 4, 5, 11, at(13), at(13) + 1, at(14), at(14) + 2, at(14) + 5, at(14) + 6],
    );
    await hub.deliver(...book.delivery(failing, second, 2));
    const retry = encode("retryCall", [failed[0]!]);
    // A retry of a call without a receiver fails with its own error; everything else must fail before that.
    await expect(alice.sendTransaction({ to: hub, data: retry })).to.be.revertedWithCustomError(hub, "CallFailedAgain");
    await expect(alice.sendTransaction({ to: hub, data: `${retry}00` })).to.be.revertedWithCustomError(
      hub,
      "CalldataLength",
    );
    for (const wild of [0n, 31n, 33n, 64n, 1n << 64n, (1n << 256n) - 4n])
      await refused(withWord(retry, 0, wild), `retryCall: offset ${wild}`);
    const copied = withWord(retry, 0, BigInt((retry.length - 10) / 2)) + retry.slice(10 + WORD);
    await expect(alice.sendTransaction({ to: hub, data: copied })).to.be.revertedWithCustomError(hub, "CalldataOffset");
    for (const i of [1, 2, 3])
      await expect(
        alice.sendTransaction({ to: hub, data: withWord(retry, i, BigInt(`0x${wordAt(retry, i)}`) ^ (1n << 255n)) }),
      ).to.be.revertedWithoutReason(ethers);
    // After all that: nothing was delivered twice, nothing closed, no key changed.
    const head = await hub.head();
    expect([head.sequence, head.keyNumber, head.pausedUntil]).to.deep.equal([2n, 0n, 0n]);
    expect(await hub.deliveredWord(0)).to.equal(4n);
  });
});

for (const suite of ["bls12-381", "bn254"] as const)
  describe(`hub with ${suite}: what closes it for ever`, () => {
    it("is never one header, not even one with two leaves of this hub, nor one signature used twice", async () => {
      const { hub, book } = await deployHub(suite);
      const mine = book.destination();
      const other = { ...mine, outboxSize: 1n, outboxRoot: bytes32(0x0f) };
      // Honest committees refuse such a list; this is one header all the same.
      const far = { ...mine, chainId: 1n };
      const outboxes = outboxesRoot([far, mine]);
      const batch = book.next({ outboxes });
      const { proof } = proveDestination([far, mine], mine);
      const signature = signDigestFor(suite, batch.digest);
      await hub.accept(batch.args[0], destinationArgument(mine, proof), signature);
      // The stored header again by another path of the tree is refused; by its own it is a repeat.
      expect(await hub.accept.staticCall(batch.args[0], destinationArgument(mine, proof), "0x")).to.equal(1n);
      await expect(
        hub.accept(batch.args[0], destinationArgument(other, proof), signature),
      ).to.be.revertedWithCustomError(hub, "NotThisDestination");
      await expect(
        hub.reportConflict(batch.args[0], signature, batch.args[0], signature),
      ).to.be.revertedWithCustomError(hub, "NotConflicting");
      expect((await hub.head()).pausedUntil).to.equal(0n);
    });

    it("is no header of another committee, no forged one, and none without a signature", async () => {
      const { hub, book } = await deployHub(suite);
      const first = book.next();
      await hub.accept(...first.args);
      const forged = { ...first.header, state: bytes32(0xbad) };
      const [a, , sa] = first.args;
      const twin = book.next(forged);
      const foreign = book.next(forged, { committee: bytes32(77) });
      const otherKey = book.next(forged, { secret: Uint8Array.from(SECRET, (x, i) => (i === 31 ? x ^ 1 : x)) });
      for (const signature of [foreign.args[2], otherKey.args[2], sa, "0x" as Hex]) {
        await expect(hub.accept(twin.args[0], twin.args[1], signature)).to.be.revertedWithCustomError(
          hub,
          "InvalidSignature",
        );
        await expect(hub.reportConflict(a, sa, twin.args[0], signature)).to.be.revertedWithCustomError(
          hub,
          "InvalidSignature",
        );
        await expect(hub.reportConflict(twin.args[0], signature, a, sa)).to.be.revertedWithCustomError(
          hub,
          "InvalidSignature",
        );
      }
      expect((await hub.head()).pausedUntil).to.equal(0n);
      await hub.accept(...book.next().args);
    });
  });

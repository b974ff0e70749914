import { expect } from "chai";
import { createHandover, type Handover, handoverArgument, handoverDigest } from "../../src/batch/handover.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import {
  type Batch,
  bytes32,
  COMMITTEE,
  deployHub,
  engineOf,
  HALT_DEADLINE,
  SECRET,
  signDigestFor,
} from "./hub-support.ts";

const FOREVER = 2n ** 32n - 1n;

/** Secret of the k-th key; the hub is born with number 0. */
function secretOf(k: number): Uint8Array {
  return Uint8Array.from(SECRET, (byte, i) => (i === 30 ? byte ^ k : byte));
}

function keysOf(k: number): Record<Suite, Hex> {
  const key = (suite: Suite) => bytesToHex(engineOf(suite).publicKey(secretOf(k)));
  return { "bls12-381": key("bls12-381"), bn254: key("bn254") };
}

const statementOf = (number: number, from = number - 1, to = number): Handover =>
  createHandover(BigInt(number), keysOf(from), keysOf(to));

function signed(suite: Suite, statement: Handover, by: number, committee = COMMITTEE) {
  const signature = signDigestFor(suite, handoverDigest(statement, committee), secretOf(by));
  return [handoverArgument(statement), signature] as const;
}

/** A certificate for the same header by another key. */
function resigned(suite: Suite, batch: Batch, by: number): Batch["args"] {
  return [batch.args[0], batch.args[1], signDigestFor(suite, batch.digest, secretOf(by))];
}

for (const suite of SUITES) {
  describe(`hub with ${suite}: handover`, () => {
    it("deploys the new key's verifier from the key alone; from then on only the new key counts", async () => {
      const { hub, book, ethers, bob } = await deployHub(suite);
      const first = book.next();
      await hub.accept(...first.args);
      const statement = statementOf(1);
      expect(await hub.handoverDigestOf(handoverArgument(statement))).to.equal(handoverDigest(statement, COMMITTEE));
      // Anybody may bring it.
      const receipt = await (await hub.connect(bob).handover(...signed(suite, statement, 0))).wait();
      console.log(`      handover, whole transaction, ${suite}: ${receipt!.gasUsed} gas`);
      const verifier = await ethers.getContractAt("IVerifier", await hub.verifier());
      expect(await verifier.getFunction("groupKey").staticCall()).to.equal(statement.newKeys[suite]);
      expect(await verifier.getFunction("suite").staticCall()).to.equal(suite);
      const head = await hub.head();
      expect([head.sequence, head.keyNumber, head.slot, await hub.handovers()]).to.deep.equal([1n, 1n, 1n, 1n]);

      // The old key: at the next sequence, at any later one, at the stored one.
      const next = book.next();
      const far = book.next({ sequence: 1_000n, previous: bytes32(1) }, { keep: false });
      for (const batch of [next, far])
        await expect(hub.accept(...batch.args)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      await hub.accept(...resigned(suite, next, 1));
      expect((await hub.head()).sequence).to.equal(2n);
      expect((await hub.head()).keyNumber).to.equal(1n);
      await expect(hub.accept(...far.args)).to.be.revertedWithCustomError(hub, "InvalidSignature");
    });

    it("lets a hub that slept catch up with every statement and one certificate", async () => {
      const { hub, book } = await deployHub(suite);
      const batches = [book.next(), book.next(), book.next()];
      const newest = resigned(suite, batches[2]!, 3);
      await expect(hub.accept(...newest)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      for (const k of [1, 2, 3]) await hub.handover(...signed(suite, statementOf(k), k - 1));
      await hub.accept(...newest);
      const head = await hub.head();
      expect([head.sequence, head.keyNumber]).to.deep.equal([3n, 3n]);
    });

    it("refuses what skips, repeats, comes from another key or committee, or is changed", async () => {
      const { hub } = await deployHub(suite);
      const good = statementOf(1);
      const [argument, signature] = signed(suite, good, 0);
      const refuse = async (error: string, ...args: Parameters<typeof signed>) =>
        expect(hub.handover(...signed(...args)), error).to.be.revertedWithCustomError(hub, error);
      await refuse("HandoverOutOfTurn", suite, statementOf(0 + 2, 0, 2), 0);
      await refuse("HandoverFromAnotherKey", suite, statementOf(1, 5, 1), 0);
      await refuse("InvalidSignature", suite, good, 1);
      await refuse("InvalidSignature", suite, good, 0, bytes32(77));
      for (const changed of [
        { ...argument, oldBls12381KeyHash: bytes32(1) },
        { ...argument, oldBn254KeyHash: bytes32(1) },
        { ...argument, newBls12381Key: handoverArgument(statementOf(2)).newBls12381Key },
        { ...argument, newBn254Key: handoverArgument(statementOf(2)).newBn254Key },
      ])
        await expect(hub.handover(changed, signature)).to.be.revertedWithCustomError(
          hub,
          changed[suite === "bn254" ? "oldBn254KeyHash" : "oldBls12381KeyHash"] === bytes32(1)
            ? "HandoverFromAnotherKey"
            : "InvalidSignature",
        );
      // A certificate's signature is no statement's, and the other way round.
      await hub.handover(argument, signature);
      await expect(hub.handover(argument, signature)).to.be.revertedWithCustomError(hub, "HandoverOutOfTurn");
      await refuse("InvalidSignature", suite, statementOf(2), 0);
      await refuse("HandoverOutOfTurn", suite, statementOf(3, 1, 3), 1);
      expect((await hub.head()).keyNumber).to.equal(1n);
    });

    it("refuses the same key, the identity, a wrong length and points outside the group, though validly signed", async () => {
      const { hub, verifier } = await deployHub(suite);
      const good = statementOf(1);
      const bring = async (newKeys: Partial<Record<Suite, Hex>>) => {
        const statement = { ...good, newKeys: { ...good.newKeys, ...newKeys } };
        return hub.handover(...signed(suite, statement, 0));
      };
      const verifierKey = (of: Suite, k: number): Hex => statementOf(k + 1, k + 1, k).newKeys[of];
      for (const each of SUITES) {
        const length = (good.newKeys[each].length - 2) / 2;
        await expect(bring({ [each]: verifierKey(each, 0) })).to.be.revertedWithCustomError(hub, "HandoverToSameKey");
        const zeros: Hex = `0x${"00".repeat(length)}`;
        await expect(bring({ [each]: zeros })).to.be.revertedWithCustomError(hub, "HandoverToIdentity");
        for (const key of [good.newKeys[each].slice(0, -2), `${good.newKeys[each]}00`, "0x"])
          await expect(bring({ [each]: key as Hex })).to.be.revertedWithCustomError(hub, "HandoverKeyLength"); // CAST: hex
      }
      // The verifier's constructor finds what only the curve can tell, and its words come through.
      const last = good.newKeys[suite].slice(0, -2);
      for (const byte of ["00", "ff"])
        await expect(bring({ [suite]: `${last}${byte}` as Hex })).to.be.revertedWithCustomError(
          verifier,
          "KeyIsInvalid",
        ); // CAST: hex
      const head = await hub.head();
      expect([head.keyNumber, await hub.handovers(), await hub.verifier()]).to.deep.equal([
        0n,
        0n,
        await verifier.getAddress(),
      ]);
      // A refused one costs no number: the good one still goes through.
      await hub.handover(...signed(suite, good, 0));
      expect((await hub.head()).keyNumber).to.equal(1n);
    });

    it("starves nobody: with too little gas it reverts and a second try with enough goes through", async () => {
      const { hub } = await deployHub(suite);
      const args = signed(suite, statementOf(1), 0);
      for (const gasLimit of [200_000n, 500_000n, 900_000n, 1_100_000n])
        await hub.handover(...args, { gasLimit }).then(
          () => expect.fail("went through"),
          () => undefined,
        );
      expect((await hub.head()).keyNumber).to.equal(0n);
      await hub.handover(...args);
      expect((await hub.head()).keyNumber).to.equal(1n);
    });

    it("ends the old key's evidence: two headers of one sequence close the hub only if the present key signed both", async () => {
      const { hub, book, bob } = await deployHub(suite);
      const first = book.next();
      const twin = book.next({ ...first.header, state: bytes32(0xbad) });
      await hub.accept(...first.args);
      await hub.handover(...signed(suite, statementOf(1), 0));
      const [a, , sa] = first.args;
      const [b, , sb] = twin.args;
      // Both by the old key; one by each.
      await expect(hub.reportConflict(a, sa, b, sb)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      const newA = signDigestFor(suite, first.digest, secretOf(1));
      const newB = signDigestFor(suite, twin.digest, secretOf(1));
      await expect(hub.reportConflict(a, sa, b, newB)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      await expect(hub.reportConflict(a, newA, b, sb)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      // The head of sequence 1 is the old key's: another one by the new key is late, not a conflict.
      expect(await hub.accept.staticCall(...resigned(suite, twin, 1))).to.equal(2n);
      await hub.accept(...resigned(suite, twin, 1));
      expect((await hub.head()).pausedUntil).to.equal(0n);
      await hub.connect(bob).reportConflict(a, newA, b, newB);
      expect((await hub.head()).pausedUntil).to.equal(FOREVER);
      await expect(hub.handover(...signed(suite, statementOf(2), 1))).to.be.revertedWithCustomError(
        hub,
        "AcceptPaused",
      );
    });

    it("keeps what older keys proved deliverable", async () => {
      const { hub, book, token, vault, alice } = await deployHub(suite);
      await token.mint(vault, 10n);
      const entry = book.payout(alice.address, 7n);
      const batch = book.next();
      await hub.accept(...batch.args);
      await hub.handover(...signed(suite, statementOf(1), 0));
      await hub.deliver(...book.delivery([entry], batch, 1));
      expect(await token.balanceOf(alice)).to.equal(7n);
    });

    it("waits while accept is paused", async () => {
      const { hub, authority } = await deployHub(suite);
      const pause = hub.interface.encodeFunctionData("pauseAccept", [HALT_DEADLINE / 4]);
      await authority.execute(hub, pause);
      await expect(hub.handover(...signed(suite, statementOf(1), 0))).to.be.revertedWithCustomError(
        hub,
        "AcceptPaused",
      );
      await authority.execute(hub, hub.interface.encodeFunctionData("resumeAccept"));
      await hub.handover(...signed(suite, statementOf(1), 0));
      expect(await hub.handovers()).to.equal(1n);
    });

    it("costs accept no storage read: the figure after a handover stands beside the one before", async () => {
      const { hub, book, alice } = await deployHub(suite);
      const used: number[] = [];
      for (let i = 0; i < 6; i++) {
        book.payout(alice.address, 1n);
        if (i === 3) await hub.handover(...signed(suite, statementOf(1), 0));
        const args = resigned(suite, book.next(), i < 3 ? 0 : 1);
        used.push(Number((await (await hub.accept(...args)).wait())!.gasUsed));
      }
      console.log(`      accept, ${suite}, handover before the fourth: ${used.join(" ")} gas`);
      // A cold read would cost 2,100.
      const noise = suite === "bn254" ? 900 : 400;
      expect(Math.max(...used.slice(3)) - Math.max(...used.slice(0, 3))).to.be.below(noise + 300);
    });
  });
}

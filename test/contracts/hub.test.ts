import { anyValue } from "@nomicfoundation/hardhat-ethers-chai-matchers/withArgs";
import { expect } from "chai";
import { encodeAbiParameters } from "viem";
import { AccountTree } from "../../src/batch/account-tree.ts";
import {
  accountProofArgument,
  destinationArgument,
  entryArguments,
  headCommitment,
  headWitnessArgument,
  historyProofArgument,
  outboxProofArgument,
} from "../../src/batch/calls.ts";
import { outboxesRoot, proveDestination } from "../../src/batch/outbox.ts";
import { proveAccount, stateRoot } from "../../src/batch/state.ts";
import type { Hex } from "../../src/lib/hex.ts";
import {
  ACCOUNT,
  asHub,
  asReceiver,
  bytes32,
  COMMITTEE,
  deployHub,
  HALT_DEADLINE,
  SECRET,
  signDigestFor,
} from "./hub-support.ts";

const ACCEPTED = 0n;
const REPEATED = 1n;
const STALE = 2n;

for (const suite of ["bls12-381", "bn254"] as const) {
  describe(`hub with ${suite}: accept`, () => {
    it("makes a certified header the head and says so", async () => {
      const { hub, book } = await deployHub(suite);
      book.payout(ACCOUNT.slice(0, 42), 5n);
      const batch = book.next();
      expect(await hub.accept.staticCall(...batch.args)).to.equal(ACCEPTED);
      await expect(hub.accept(...batch.args))
        .to.emit(hub, "HeadAdvanced")
        .withArgs(1n, 0n, 1n, batch.digest, 1n, batch.destination.outboxRoot);
      const head = await hub.head();
      expect([head.sequence, head.epoch, head.outboxSize, head.slot]).to.deep.equal([1n, 0n, 1n, 1n]);
      expect(await hub.digestOf(batch.args[0])).to.equal(batch.digest);
      expect(await hub.ringAt(1)).to.equal(headCommitment(batch.digest, 1n, batch.destination.outboxRoot));
    });

    it("answers a repeated and a stale header cheaply and changes nothing", async () => {
      const { hub, book } = await deployHub(suite);
      const first = book.next();
      const second = book.next();
      await hub.accept(...first.args);
      await hub.accept(...second.args);
      const before = await hub.head();
      expect(await hub.accept.staticCall(...second.args)).to.equal(REPEATED);
      expect(await hub.accept.staticCall(...first.args)).to.equal(STALE);
      for (const batch of [first, second]) {
        const receipt = await (await hub.accept(...batch.args)).wait();
        expect(Number(receipt!.gasUsed)).to.be.below(60_000);
      }
      expect(await hub.head()).to.deep.equal(before);
    });

    it("catches up over skipped sequences with one certificate", async () => {
      const { hub, book } = await deployHub(suite);
      for (let i = 0; i < 5; i++) book.next();
      await hub.accept(...book.next().args);
      expect((await hub.head()).sequence).to.equal(6n);
    });

    it("costs at most 167,000 gas once the ring turns, and the figure is printed", async () => {
      const { hub, book, alice } = await deployHub(suite);
      const used: number[] = [];
      for (let i = 0; i < 6; i++) {
        book.payout(alice.address, 1n);
        used.push(Number((await (await hub.accept(...book.next().args)).wait())!.gasUsed));
      }
      console.log(`      accept, whole transaction, ${suite}: ${used.join(" ")} gas`);
      expect(Math.max(...used)).to.be.at.most(167_000);
    });

    it("never takes a lack of gas for an invalid signature, and moves only when there is enough", async () => {
      const { hub, book, ethers, alice } = await deployHub(suite);
      const [to, data] = [await hub.getAddress(), hub.interface.encodeFunctionData("accept", book.next().args)];
      const seen = { accepted: 0, starved: 0 };
      const invalid = hub.interface.getError("InvalidSignature")!.selector;
      const range = (from: number, below: number, step: number) =>
        Array.from({ length: Math.ceil((below - from) / step) }, (_, i) => from + step * i);
      // Finest where the pairing is starved by the 64th that each call keeps back.
      for (const gasLimit of [...range(45_000, 200_000, 1_000), ...range(150_000, 175_000, 100)]) {
        const answer = await ethers.provider
          .call({ to, data, gasLimit, from: alice.address })
          .catch((error: unknown) => {
            const { data: reason } = error as { data?: unknown }; // CAST: revert data, where there is any
            expect(String(reason).startsWith(invalid), `gas ${gasLimit}`).to.equal(false);
            return undefined;
          });
        if (answer === undefined) seen.starved++;
        else {
          expect(BigInt(answer), `gas ${gasLimit}`).to.equal(ACCEPTED);
          seen.accepted++;
        }
      }
      expect(seen.accepted).to.be.greaterThan(20);
      expect(seen.starved).to.be.greaterThan(100);
    });

    it("refuses a wrong key, another committee, and every flipped byte of the signature", async () => {
      const { hub, book } = await deployHub(suite);
      const otherKey = book.next(
        {},
        { secret: Uint8Array.from(SECRET, (x, i) => (i === 31 ? x ^ 1 : x)), keep: false },
      );
      await expect(hub.accept(...otherKey.args)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      const otherCommittee = book.next({}, { committee: bytes32(77), keep: false });
      await expect(hub.accept(...otherCommittee.args)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      const good = book.next({}, { keep: false });
      const [header, destination, signature] = good.args;
      for (let at = 2; at < signature.length; at += 2 * 13) {
        const byte = (Number.parseInt(signature.slice(at, at + 2), 16) ^ 1).toString(16).padStart(2, "0");
        const flipped = (signature.slice(0, at) + byte + signature.slice(at + 2)) as Hex; // CAST: still hex
        await expect(hub.accept.staticCall(header, destination, flipped)).to.be.revertedWithCustomError(
          hub,
          "InvalidSignature",
        );
      }
      for (const bad of [
        "0x",
        signature.slice(0, -2),
        `${signature}00`,
        `0x${"00".repeat((signature.length - 2) / 2)}`,
      ])
        await expect(hub.accept.staticCall(header, destination, bad)).to.be.revertedWithCustomError(
          hub,
          "InvalidSignature",
        );
      expect((await hub.head()).sequence).to.equal(0n);
    });

    it("refuses every changed field of a header", async () => {
      const { hub, book } = await deployHub(suite);
      const [header, destination, signature] = book.next().args;
      const { sequence, epoch } = header;
      for (const changed of [
        { ...header, sequence: sequence + 1n },
        { ...header, epoch: epoch + 1n },
        { ...header, previous: bytes32(1) },
        { ...header, history: bytes32(1) },
        { ...header, state: bytes32(1) },
        { ...header, commitDigest: bytes32(1) },
      ])
        await expect(hub.accept(changed, destination, signature)).to.be.revertedWithCustomError(
          hub,
          "InvalidSignature",
        );
      await expect(
        hub.accept({ ...header, outboxes: bytes32(1) }, destination, signature),
      ).to.be.revertedWithCustomError(hub, "NotThisDestination");
    });

    it("closes for ever on a second signed header of the stored sequence; deliveries go on", async () => {
      const { hub, book, token, vault, alice, authority, admin } = await deployHub(suite);
      await token.mint(vault, 100n);
      const payout = book.payout(alice.address, 5n);
      const first = book.next();
      const twin = book.next({ ...first.header, state: bytes32(0xbad) });
      await hub.accept(...first.args);
      expect(await hub.accept.staticCall(...twin.args)).to.equal(3n);
      await expect(hub.accept(...twin.args))
        .to.emit(hub, "CommitteeConflicted")
        .withArgs(1n, anyValue, anyValue);
      await expect(hub.accept(...book.next().args)).to.be.revertedWithCustomError(hub, "AcceptPaused");
      const resume = hub.interface.encodeFunctionData("resumeAccept");
      await expect(authority.connect(admin).execute(hub, resume)).to.be.revertedWithCustomError(hub, "AcceptPaused");
      await hub.deliver(...book.delivery([payout], first, 1));
      expect(await token.balanceOf(alice)).to.equal(5n);
    });

    it("closes on reported evidence of any sequence, and on nothing less", async () => {
      const { hub, book } = await deployHub(suite);
      const first = book.next();
      const twin = book.next({ ...first.header, state: bytes32(0xbad) });
      const later = book.next();
      const [a, , sa] = first.args;
      const [b, , sb] = twin.args;
      const [c, , sc] = later.args;
      await expect(hub.reportConflict(a, sa, a, sa)).to.be.revertedWithCustomError(hub, "NotConflicting");
      await expect(hub.reportConflict(a, sa, c, sc)).to.be.revertedWithCustomError(hub, "NotConflicting");
      await expect(hub.reportConflict(a, sa, b, sa)).to.be.revertedWithCustomError(hub, "InvalidSignature");
      await hub.accept(...later.args);
      await hub.reportConflict(a, sa, b, sb);
      await expect(hub.accept(...book.next().args)).to.be.revertedWithCustomError(hub, "AcceptPaused");
    });
  });
}

describe("hub: what accept refuses before the signature", () => {
  it("sequence 0, an older epoch, numbers beyond its storage", async () => {
    const { hub, book } = await deployHub("bls12-381");
    await expect(hub.accept(...book.next({ sequence: 0n }).args)).to.be.revertedWithCustomError(hub, "SequenceIsZero");
    await hub.accept(...book.next({ epoch: 3n }, { keep: true }).args);
    await expect(hub.accept(...book.next({ epoch: 2n }).args))
      .to.be.revertedWithCustomError(hub, "EpochFell")
      .withArgs(3n, 2n);
    await expect(hub.accept(...book.next({ sequence: 2n ** 40n, epoch: 3n }).args)).to.be.revertedWithCustomError(
      hub,
      "OutOfRange",
    );
    await expect(hub.accept(...book.next({ epoch: 2n ** 24n }).args)).to.be.revertedWithCustomError(hub, "OutOfRange");
  });

  it("a leaf of another chain or hub, and certificates made for another deployment", async () => {
    const { hub, book, vault, ethers } = await deployHub("bls12-381");
    for (const destination of [{ chainId: book.chainId + 1n }, { hub: `0x${"99".repeat(20)}` as const }])
      await expect(hub.accept(...book.next({}, { destination, keep: false }).args)).to.be.revertedWithCustomError(
        hub,
        "NotThisDestination",
      );
    const configuration = await vault.configuration();
    const twin = asHub(
      await ethers.deployContract("SettlementHub", [
        COMMITTEE,
        await hub.verifier(),
        await hub.verifierCode(),
        await hub.authority(),
        HALT_DEADLINE,
        { ...configuration.toObject() },
        [],
      ]),
    );
    await expect(twin.accept(...book.next().args)).to.be.revertedWithCustomError(twin, "NotThisDestination");
  });

  it("destination proofs that are padded, cut, moved, or claim another size", async () => {
    const { hub, book } = await deployHub("bls12-381");
    const [header, destination, signature] = book.next().args;
    for (const changed of [
      { ...destination, siblings: [...destination.siblings, bytes32(0)] },
      { ...destination, siblings: destination.siblings.slice(1) },
      { ...destination, index: destination.index + 1n },
      { ...destination, size: destination.size + 1n },
      { ...destination, size: 0n },
      { ...destination, index: destination.size },
      { ...destination, inboxCursor: 1n },
      { ...destination, outboxRoot: bytes32(0) },
      { ...destination, promisedRoot: bytes32(0) },
    ])
      await expect(hub.accept(header, changed, signature)).to.be.revertedWithCustomError(hub, "NotThisDestination");
  });

  it("calldata with trailing bytes or dirty upper bits", async () => {
    const { hub, book, admin, ethers } = await deployHub("bls12-381");
    const data = hub.interface.encodeFunctionData("accept", book.next().args);
    await expect(admin.sendTransaction({ to: hub, data: `${data}00` })).to.be.revertedWithCustomError(
      hub,
      "CalldataLength",
    );
    await expect(admin.sendTransaction({ to: hub, data: data + "00".repeat(32) })).to.be.revertedWithCustomError(
      hub,
      "CalldataLength",
    );
    const dirty = `${data.slice(0, 10)}01${data.slice(12)}`;
    await expect(admin.sendTransaction({ to: hub, data: dirty })).to.be.revertedWithoutReason(ethers);
    await admin.sendTransaction({ to: hub, data });
    expect((await hub.head()).sequence).to.equal(1n);
  });

  it("an outbox that shrinks, an inbox cursor that falls, runs ahead, or has read other entries", async () => {
    const { hub, book, token, vault, alice } = await deployHub("bls12-381");
    await token.mint(alice, 100n);
    await token.connect(alice).approve(vault, 100n);
    await vault.connect(alice).deposit(token, 10n, ACCOUNT);
    await vault.connect(alice).deposit(token, 10n, ACCOUNT);
    await expect(
      hub.accept(...book.next({}, { destination: { inboxCursor: 3n, inboxHash: bytes32(3) }, keep: false }).args),
    ).to.be.revertedWithCustomError(vault, "BeyondInbox");
    await expect(
      hub.accept(...book.next({}, { destination: { inboxCursor: 1n, inboxHash: bytes32(3) }, keep: false }).args),
    ).to.be.revertedWithCustomError(hub, "InboxMismatch");
    book.payout(alice.address, 1n);
    book.inboxCursor = 1n;
    book.inboxHash = (await vault.inboxHashAt(1)) as Hex; // CAST: a bytes32 from ethers
    await hub.accept(...book.next().args);
    expect((await hub.head()).inboxCursor).to.equal(1n);
    await expect(
      hub.accept(...book.next({}, { destination: { inboxCursor: 0n }, keep: false }).args),
    ).to.be.revertedWithCustomError(hub, "InboxCursorFell");
    await expect(
      hub.accept(...book.next({}, { destination: { outboxSize: 0n }, keep: false }).args),
    ).to.be.revertedWithCustomError(hub, "OutboxShrank");
  });

  it("anything while paused; a pause is short, rare and for the authority only", async () => {
    const { hub, book, authority, admin, alice, connection } = await deployHub("bls12-381");
    await expect(hub.connect(alice).pauseAccept(60)).to.be.revertedWithCustomError(hub, "AccessManagedUnauthorized");
    const pause = (seconds: number) => hub.interface.encodeFunctionData("pauseAccept", [seconds]);
    await expect(authority.connect(admin).execute(hub, pause(HALT_DEADLINE / 2))).to.be.revertedWithCustomError(
      hub,
      "PauseTooLong",
    );
    await authority.connect(admin).execute(hub, pause(HALT_DEADLINE / 2 - 1));
    const batch = book.next();
    await expect(hub.accept(...batch.args)).to.be.revertedWithCustomError(hub, "AcceptPaused");
    await expect(authority.connect(admin).execute(hub, pause(60))).to.be.revertedWithCustomError(hub, "PauseTooSoon");
    await connection.networkHelpers.time.increase(HALT_DEADLINE / 2);
    await hub.accept(...batch.args);
    await expect(authority.connect(admin).execute(hub, pause(60))).to.be.revertedWithCustomError(hub, "PauseTooSoon");
  });

  it("a hub without committee, verifier or sensible deadline is not deployed", async () => {
    const { hub, vault, ethers, admin } = await deployHub("bls12-381");
    const configuration = (await vault.configuration()).toObject();
    const verifier = await hub.verifier();
    const code = await hub.verifierCode();
    const foreign = await ethers.deployContract("Bn254VerifierCode");
    for (const [committee, key, successors, deadline] of [
      [bytes32(0), verifier, code, HALT_DEADLINE],
      [COMMITTEE, admin.address, code, HALT_DEADLINE],
      [COMMITTEE, verifier, admin.address, HALT_DEADLINE],
      // Its key could never be handed over.
      [COMMITTEE, verifier, await foreign.getAddress(), HALT_DEADLINE],
      [COMMITTEE, verifier, code, 60],
    ] as const)
      await expect(
        ethers.deployContract("SettlementHub", [
          ...[committee, key, successors, await hub.authority(), deadline, configuration, []],
        ]),
      ).to.be.revertedWithCustomError(hub, "BadConfiguration");
  });
});

describe("hub: deliver", () => {
  it("pays entries once, in any order, by anyone, with the fee to whoever delivers", async () => {
    const { hub, book, token, vault, alice, bob, carol } = await deployHub("bn254");
    await token.mint(vault, 1_000n);
    const entries = [1n, 2n, 3n, 4n, 5n].map((amount) => book.payout(alice.address, amount, 10n));
    const batch = book.next();
    await hub.accept(...batch.args);
    await hub.connect(bob).deliver(...book.delivery([entries[3]!], batch, 1));
    expect(await token.balanceOf(alice)).to.equal(4n);
    expect(await token.balanceOf(bob)).to.equal(10n);
    expect(await hub.connect(carol).deliver.staticCall(...book.delivery(entries, batch, 1))).to.equal(4n);
    await hub.connect(carol).deliver(...book.delivery(entries, batch, 1));
    expect(await token.balanceOf(alice)).to.equal(15n);
    expect(await token.balanceOf(carol)).to.equal(40n);
    const again = await (await hub.connect(bob).deliver(...book.delivery(entries, batch, 1))).wait();
    expect(again!.logs).to.have.length(0);
    expect(await token.balanceOf(alice)).to.equal(15n);
    expect(await hub.deliveredWord(0)).to.equal(31n);
  });

  it("takes proofs against any of the last 16 heads, and none against an older one except by history", async () => {
    const { hub, book, token, vault, alice } = await deployHub("bls12-381");
    await token.mint(vault, 1_000n);
    const entry = book.payout(alice.address, 7n);
    const old = book.next();
    await hub.accept(...old.args);
    const inFlight = book.delivery([entry], old, 1);
    for (let i = 0; i < 15; i++) await hub.accept(...book.next().args);
    expect(await hub.deliver.staticCall(...inFlight)).to.equal(1n);
    const newest = book.next();
    await hub.accept(...newest.args);
    await expect(hub.deliver(...inFlight)).to.be.revertedWithCustomError(hub, "EntriesNotProven");
    const { slot } = await hub.head();
    const witness = headWitnessArgument(Number(slot), newest.header, newest.destination);
    const historyProof = book.history.prove(0n, newest.header.sequence - 1n);
    const older = historyProofArgument(old.header, historyProof);
    expect(await hub.isFinalHeader(witness)).to.equal(true);
    expect(await hub.isFinalOlderHeader(witness, older)).to.equal(true);
    const [payouts, calls, { siblings }] = inFlight;
    const destination = old.args[1];
    await expect(
      hub.deliverFromHistory(
        payouts,
        calls,
        siblings,
        witness,
        { ...older, siblings: older.siblings.slice(1) },
        destination,
      ),
    ).to.be.revertedWithCustomError(hub, "HeaderNotProven");
    await expect(
      hub.deliverFromHistory(payouts, calls, siblings, witness, older, { ...destination, outboxSize: 2n }),
    ).to.be.revertedWithCustomError(hub, "NotThisDestination");
    await hub.deliverFromHistory(payouts, calls, siblings, witness, older, destination);
    expect(await token.balanceOf(alice)).to.equal(7n);
    await hub.deliverFromHistory(payouts, calls, siblings, witness, older, destination);
    expect(await token.balanceOf(alice)).to.equal(7n);
  });

  it("refuses changed entries and proofs that are padded, cut, reordered, for another slot, size or digest", async () => {
    const { hub, book, alice, token } = await deployHub("bn254");
    const entries = [1n, 2n, 3n, 4n, 5n, 6n].map((amount) => book.payout(alice.address, amount));
    const call = book.call(await token.getAddress(), "0x1234");
    const batch = book.next();
    await hub.accept(...batch.args);
    const [payouts, calls, proof] = book.delivery([entries[1]!, entries[4]!, call], batch, 1);
    const [one, two] = [payouts[0]!, payouts[1]!];
    const attempts = [
      [[{ ...one, amount: 3n }, two], calls, proof],
      [[{ ...one, recipient: await token.getAddress() }, two], calls, proof],
      [[{ ...one, token: alice.address }, two], calls, proof],
      [[{ ...one, relayerFee: 1n }, two], calls, proof],
      [[{ ...one, index: 0n }, two], calls, proof],
      [[{ ...one, referenceId: bytes32(0) }, two], calls, proof],
      [payouts, [{ ...calls[0]!, data: "0x1235" }], proof],
      [payouts, [{ ...calls[0]!, gasLimit: 1n }], proof],
      [[two, one], calls, proof],
      [[one, one, two], calls, proof],
      [[one], calls, proof],
      [payouts, [], proof],
      [[], [], proof],
      [payouts, calls, { ...proof, siblings: [...proof.siblings, bytes32(0)] }],
      [payouts, calls, { ...proof, siblings: proof.siblings.slice(1) }],
      [payouts, calls, { ...proof, siblings: [...proof.siblings].reverse() }],
      [payouts, calls, { ...proof, size: proof.size + 1n }],
      [payouts, calls, { ...proof, size: proof.size - 1n }],
      [payouts, calls, { ...proof, slot: 0 }],
      [payouts, calls, { ...proof, slot: 2 }],
      [payouts, calls, { ...proof, slot: 255 }],
      [payouts, calls, { ...proof, headDigest: bytes32(0) }],
    ] as const;
    for (const [p, c, q] of attempts)
      await expect(hub.deliver([...p], [...c], q)).to.be.revertedWithCustomError(hub, "EntriesNotProven");
    expect(await hub.deliveredWord(0)).to.equal(0n);
  });

  it("refuses trailing calldata", async () => {
    const { hub, book, alice } = await deployHub("bls12-381");
    const entry = book.payout(alice.address, 1n);
    const call = book.call(alice.address, "0x12345678");
    const batch = book.next();
    await hub.accept(...batch.args);
    const data = hub.interface.encodeFunctionData("deliver", book.delivery([entry, call], batch, 1));
    await expect(alice.sendTransaction({ to: hub, data: `${data}ff` })).to.be.revertedWithCustomError(
      hub,
      "CalldataLength",
    );
    await alice.sendTransaction({ to: hub, data });
    expect(await hub.isDelivered(0)).to.equal(true);
  });

  it("keeps a payout claimable when the vault is empty, and pays the rest of the batch", async () => {
    const { hub, book, token, vault, alice, bob } = await deployHub("bls12-381");
    await token.mint(vault, 10n);
    const entries = [book.payout(alice.address, 8n), book.payout(bob.address, 8n), book.payout(alice.address, 2n)];
    const batch = book.next();
    await hub.accept(...batch.args);
    await hub.deliver(...book.delivery(entries, batch, 1));
    expect(await token.balanceOf(alice)).to.equal(10n);
    expect(await vault.claimable(token, bob)).to.equal(8n);
    await token.mint(vault, 8n);
    await vault.claim(token, bob);
    expect(await token.balanceOf(bob)).to.equal(8n);
    await expect(vault.claim(token, bob)).to.be.revertedWithCustomError(vault, "NothingToClaim");
  });

  it("tells a receiver, and records its refusal for a retry without holding up others", async () => {
    const { hub, book, token, vault, alice, ethers } = await deployHub("bls12-381");
    const receiver = asReceiver(await ethers.deployContract("SettlementReceiver", [hub]));
    const notice = (instrument: number, price: bigint): Hex =>
      encodeAbiParameters([{ type: "bytes32" }, { type: "int256" }], [bytes32(instrument), price]);
    await token.mint(vault, 10n);
    const address = await receiver.getAddress();
    const entries = [
      book.call(address, notice(1, -5n)),
      book.call(address, notice(1, 6n)), // settles twice: the receiver refuses
      book.call(alice.address, notice(2, 7n)), // no code there
      book.payout(alice.address, 3n),
    ];
    const batch = book.next();
    await hub.accept(...batch.args);
    await hub.deliver(...book.delivery(entries, batch, 1));
    expect(await receiver.settlementPrice(bytes32(1))).to.equal(-5n);
    expect(await token.balanceOf(alice)).to.equal(3n);
    expect(await hub.failedCall(0)).to.equal(bytes32(0));
    expect(await hub.failedCall(1)).to.not.equal(bytes32(0));
    expect(await hub.failedCall(2)).to.not.equal(bytes32(0));
    const { calls } = entryArguments(entries);
    await expect(hub.retryCall(calls[0]!)).to.be.revertedWithCustomError(hub, "NothingToRetry");
    await expect(hub.retryCall(calls[1]!)).to.be.revertedWithCustomError(hub, "CallFailedAgain");
    await expect(hub.retryCall({ ...calls[1]!, data: "0x" })).to.be.revertedWithCustomError(hub, "NothingToRetry");
    expect(await hub.failedCall(1)).to.not.equal(bytes32(0));
    await expect(receiver.onSettlement(0, bytes32(0), notice(3, 1n))).to.be.revertedWithCustomError(receiver, "NotHub");
  });

  it("reverts an under-gassed delivery instead of recording a failure", async () => {
    const { hub, book, ethers } = await deployHub("bls12-381");
    const receiver = asReceiver(await ethers.deployContract("SettlementReceiver", [hub]));
    const data = encodeAbiParameters([{ type: "bytes32" }, { type: "int256" }], [bytes32(1), 1n]);
    const entry = book.call(await receiver.getAddress(), data, 2_000_000n);
    const batch = book.next();
    await hub.accept(...batch.args);
    const args = book.delivery([entry], batch, 1);
    for (const gasLimit of [300_000n, 1_000_000n, 2_000_000n, 2_050_000n])
      await expect(hub.deliver(...args, { gasLimit })).to.be.revertedWithCustomError(hub, "InsufficientGas");
    await hub.deliver(...args, { gasLimit: 2_300_000n });
    expect(await hub.failedCall(0)).to.equal(bytes32(0));
    expect(await receiver.isSettled(bytes32(1))).to.equal(true);
  });

  it("reverts an under-gassed payout instead of making it claimable", async () => {
    const { hub, book, vault, token, alice } = await deployHub("bls12-381");
    await token.mint(vault, 10n);
    book.payout(alice.address, 3n);
    const batch = book.next();
    await hub.accept(...batch.args);
    const args = book.delivery(book.entries, batch, 1);
    for (const gasLimit of [150_000n, 300_000n, 450_000n])
      await expect(hub.deliver(...args, { gasLimit })).to.be.revertedWithCustomError(vault, "InsufficientGas");
    await hub.deliver(...args, { gasLimit: 800_000n });
    expect(await token.balanceOf(alice)).to.equal(3n);
  });
});

describe("hub: views for other contracts", () => {
  it("know final entries from others, delivered or not", async () => {
    const { hub, book, alice } = await deployHub("bls12-381");
    const payout = book.payout(alice.address, 1n);
    const call = book.call(alice.address, "0xabcd");
    const batch = book.next();
    await hub.accept(...batch.args);
    const proofOf = (index: bigint) =>
      outboxProofArgument(1, batch.digest, { ...book.outbox.prove(index), size: book.outbox.size });
    const { payouts, calls } = entryArguments([payout, call]);
    expect(await hub.isFinalPayout(payouts[0]!, proofOf(0n))).to.equal(true);
    expect(await hub.isFinalCall(calls[0]!, proofOf(1n))).to.equal(true);
    expect(await hub.isFinalPayout({ ...payouts[0]!, amount: 2n }, proofOf(0n))).to.equal(false);
    expect(await hub.isFinalCall(calls[0]!, proofOf(0n))).to.equal(false);
    expect(await hub.isFinalPayout({ ...payouts[0]!, index: 2n }, proofOf(0n))).to.equal(false);
    expect(await hub.isFinalPayout(payouts[0]!, { ...proofOf(0n), slot: 5 })).to.equal(false);
  });

  it("know an account's state; an example dApp records it once per header", async () => {
    const { hub, book, ethers } = await deployHub("bls12-381");
    const asset = bytes32(0xa55e7);
    const leafOf = (i: number) => ({
      account: bytes32(i + 1),
      asset,
      cash: BigInt(-i),
      exitValue: BigInt(i) * 10n ** 30n,
      details: bytes32(9),
    });
    const tree = AccountTree.from(
      asset,
      Array.from({ length: 11 }, (_, i) => leafOf(i)),
    );
    const other = AccountTree.empty(bytes32(3));
    const roots = [tree.assetRoot, other.assetRoot];
    book.state = stateRoot(roots, bytes32(0x4e57));
    const batch = book.next();
    await hub.accept(...batch.args);
    const witness = headWitnessArgument(1, batch.header, batch.destination);
    for (let i = 0; i < 11; i++) {
      const proof = accountProofArgument(proveAccount(tree, i, roots, bytes32(0x4e57)));
      expect(await hub.isFinalAccount(witness, proof)).to.equal(true);
      const { leaf } = proof;
      for (const wrong of [
        { ...proof, leaf: { ...leaf, exitValue: leaf.exitValue + 1n } },
        { ...proof, leaf: { ...leaf, account: bytes32(99) } },
        { ...proof, leaf: { ...leaf, cash: leaf.cash + 1n } },
        { ...proof, total: proof.total + 1n },
        { ...proof, accounts: proof.accounts + 1n },
        { ...proof, index: (proof.index + 1n) % 11n },
        { ...proof, siblings: proof.siblings.slice(1) },
        { ...proof, siblings: proof.siblings.map((s, k) => (k === 0 ? { ...s, sum: s.sum + 1n } : s)) },
        { ...proof, siblings: proof.siblings.map((s, k) => (k === 0 ? { ...s, sum: 2n ** 256n - 1n } : s)) },
        { ...proof, assetIndex: 1n - proof.assetIndex },
        { ...proof, assetCount: 3n },
        { ...proof, rest: bytes32(0) },
      ])
        expect(await hub.isFinalAccount(witness, wrong)).to.equal(false);
    }
    const receiver = asReceiver(await ethers.deployContract("SettlementReceiver", [hub]));
    const proof = accountProofArgument(proveAccount(tree, 4, roots, bytes32(0x4e57)));
    await receiver.recordExitValue(witness, proof);
    expect(await receiver.provenExitValue(bytes32(5), asset)).to.equal(4n * 10n ** 30n);
    await expect(receiver.recordExitValue(witness, proof)).to.be.revertedWithCustomError(receiver, "NotFinal");
  });

  it("know nothing of a hub that has accepted nothing, and no zero root proves anything", async () => {
    const { hub, book } = await deployHub("bls12-381");
    const { header, destination, args } = book.next();
    for (const slot of [0, 1, 15, 16, 255])
      expect(await hub.isFinalHeader(headWitnessArgument(slot, header, destination))).to.equal(false);
    const zero = {
      ...args[0],
      sequence: 0n,
      previous: bytes32(0),
      history: bytes32(0),
      outboxes: bytes32(0),
      state: bytes32(0),
      commitDigest: bytes32(0),
    };
    const witness = { slot: 0, header: zero, outboxSize: 0n, outboxRoot: bytes32(0) };
    expect(await hub.isFinalHeader(witness)).to.equal(false);
    expect(await hub.isFinalOlderHeader(witness, { header: zero, siblings: [] })).to.equal(false);
    expect(await hub.ringAt(0)).to.not.equal(bytes32(0));
  });

  it("know a header's history: every older one, and no other", async () => {
    const { hub, book } = await deployHub("bls12-381");
    const batches = Array.from({ length: 6 }, () => book.next());
    const last = batches[5]!;
    await hub.accept(...last.args);
    const witness = headWitnessArgument(1, last.header, last.destination);
    for (let i = 0; i < 5; i++) {
      const proof = book.history.prove(BigInt(i), 5n);
      expect(await hub.isFinalOlderHeader(witness, historyProofArgument(batches[i]!.header, proof))).to.equal(true);
      const forged = { ...batches[i]!.header, state: bytes32(0xbad) };
      expect(await hub.isFinalOlderHeader(witness, historyProofArgument(forged, proof))).to.equal(false);
    }
    expect(await hub.isFinalOlderHeader(witness, { header: last.args[0], siblings: [] })).to.equal(false);
  });
});

describe("hub: destinations and digests agree with the TypeScript model", () => {
  it("for a committee that serves one hub only", async () => {
    const { hub, book } = await deployHub("bls12-381");
    const destination = book.destination();
    const { proof } = proveDestination([destination], destination);
    const batch = book.next({ outboxes: outboxesRoot([destination]) });
    await hub.accept(batch.args[0], destinationArgument(destination, proof), signDigestFor("bls12-381", batch.digest));
    expect((await hub.head()).sequence).to.equal(1n);
  });
});

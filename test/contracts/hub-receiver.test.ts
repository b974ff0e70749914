import { expect } from "chai";
import { hashStruct } from "viem";
import { entryArguments, headWitnessArgument, historyProofArgument } from "../../src/batch/calls.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { deployHub, known } from "./hub-support.ts";

const CALLS_BACK = 0;
const RETURNS_BOMB = 1;
const REVERTS_WITH_BOMB = 2;
const BURNS_ALL_GAS = 3;

describe("hub: hostile receivers", () => {
  const deploy = async () => {
    const world = await deployHub("bls12-381");
    const receiver = known<"arm" | "cameBack" | "wentThrough">(await world.ethers.deployContract("HostileReceiver"));
    await world.token.mint(world.vault, 100n);
    return { ...world, receiver, address: await receiver.getAddress() };
  };

  it("that come back find every door of a delivery locked, and are paid and told once", async () => {
    const { hub, book, token, alice, receiver, address } = await deploy();
    const payout = book.payout(alice.address, 7n);
    const failing = book.call(alice.address, "0x12345678");
    const first = book.next();
    await hub.accept(...first.args);
    await hub.deliver(...book.delivery([failing], first, 1));
    const notice = book.call(address, "0x", 3_000_000n);
    const last = book.payout(alice.address, 5n);
    const second = book.next();
    await hub.accept(...second.args);
    const everything = book.delivery([payout, notice, last], second, 2);
    const { payouts, calls } = entryArguments([payout, failing]);
    const fromHistory = [
      payouts,
      calls,
      [...book.outbox.proveMany([0n, 1n], first.destination.outboxSize).siblings],
      headWitnessArgument(2, second.header, second.destination),
      historyProofArgument(first.header, book.history.prove(0n, 1n)),
      first.args[1],
    ];
    const encode = (name: string, args: readonly unknown[]) => hub.interface.encodeFunctionData(name, args);
    await receiver.arm(CALLS_BACK, hub, [
      // The very delivery that is running, the payout behind it, the one before it, another way to it, and a retry.
      encode("deliver", everything),
      encode("deliver", book.delivery([last], second, 2)),
      encode("deliver", book.delivery([payout], second, 2)),
      encode("deliverFromHistory", fromHistory),
      encode("retryCall", [calls[0]!]),
    ]);
    expect(await hub.deliver.staticCall(...everything)).to.equal(3n);
    await hub.deliver(...everything);
    expect([await receiver.cameBack(), await receiver.wentThrough()]).to.deep.equal([5n, 0n]);
    expect(await token.balanceOf(alice)).to.equal(12n);
    expect(await hub.deliver.staticCall(...everything)).to.equal(0n);
    await hub.deliver(...everything);
    expect(await token.balanceOf(alice)).to.equal(12n);
    expect(await receiver.cameBack()).to.equal(5n);
  });

  it("that come back from a retry find nothing to retry", async () => {
    const { hub, book, receiver, address } = await deploy();
    const notice = book.call(address, "0x", 1_000_000n);
    const batch = book.next();
    await hub.accept(...batch.args);
    await receiver.arm(BURNS_ALL_GAS, hub, []);
    await hub.deliver(...book.delivery([notice], batch, 1));
    expect(await hub.failedCall(0)).to.not.equal(`0x${"00".repeat(32)}`);
    const { calls } = entryArguments([notice]);
    await receiver.arm(CALLS_BACK, hub, [hub.interface.encodeFunctionData("retryCall", [calls[0]!])]);
    await hub.retryCall(calls[0]!);
    expect([await receiver.cameBack(), await receiver.wentThrough()]).to.deep.equal([1n, 0n]);
    await expect(hub.retryCall(calls[0]!)).to.be.revertedWithCustomError(hub, "NothingToRetry");
  });

  it("that answer with bombs or burn their gas cost what was promised them, and hold up nobody", async () => {
    const { hub, book, token, alice, receiver, address } = await deploy();
    const promised = 400_000n;
    let paid = 0n;
    for (const [i, vice] of [RETURNS_BOMB, REVERTS_WITH_BOMB, BURNS_ALL_GAS].entries()) {
      await receiver.arm(vice, hub, []);
      const entries = [book.call(address, "0x", promised), book.payout(alice.address, 3n)];
      const batch = book.next();
      await hub.accept(...batch.args);
      const receipt = await (await hub.deliver(...book.delivery(entries, batch, i + 1))).wait();
      expect(Number(receipt!.gasUsed)).to.be.below(Number(promised) + 260_000);
      paid += 3n;
      expect(await token.balanceOf(alice)).to.equal(paid);
      const failed = (await hub.failedCall(entries[0]!.index)) !== `0x${"00".repeat(32)}`;
      expect(failed).to.equal(vice !== RETURNS_BOMB);
    }
  });

  it("cannot be promised more gas than any receiver gets, even by the committee", async () => {
    const { hub, book, address } = await deploy();
    // Our own code refuses to write such an entry, so its leaf is made by hand.
    const reference: Hex = `0x${"00".repeat(32)}`;
    const entry = { index: 0n, receiver: address as Address, gasLimit: 5_000_001n, data: "0x" as Hex, reference }; // CAST: ethers' hex
    const types = {
      Call: [
        { name: "chainId", type: "uint256" },
        { name: "hub", type: "address" },
        { name: "index", type: "uint64" },
        { name: "receiver", type: "address" },
        { name: "gasLimit", type: "uint64" },
        { name: "data", type: "bytes" },
        { name: "reference", type: "bytes32" },
      ],
    };
    const data = { chainId: book.chainId, hub: book.hub, ...entry };
    book.outbox.append(hashStruct({ types, primaryType: "Call", data }));
    const notice = { kind: "call" as const, ...entry };
    const batch = book.next();
    await hub.accept(...batch.args);
    await expect(hub.deliver(...book.delivery([notice], batch, 1))).to.be.revertedWithCustomError(
      hub,
      "CallGasTooHigh",
    );
  });
});

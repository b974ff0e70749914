import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import fc from "fast-check";
import { entryArguments } from "../../src/batch/calls.ts";
import { EMPTY_INBOX_HASH, inboxEntryHash, nextInboxHash } from "../../src/batch/inbox.ts";
import {
  destinationHash,
  outboxEntryHash,
  outboxesRoot,
  promisedRoot,
  proveDestination,
  verifyDestination,
} from "../../src/batch/outbox.ts";
import type { CallEntry, DepositEntry, Destination, PayoutEntry } from "../../src/batch/types.ts";
import { bytesToHex, type Hex, ZERO_BYTES32 } from "../../src/lib/hex.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(bytesToHex);
const uint = (bits: bigint) => fc.bigInt(0n, (1n << bits) - 1n);
const places = fc.record({ chainId: uint(64n), hub: bytes(20) });
const destinations: fc.Arbitrary<Destination> = fc.record({
  chainId: fc.bigInt(1n, 5n),
  hub: bytes(20),
  inboxCursor: uint(64n),
  inboxHash: bytes(32),
  outboxSize: uint(64n),
  outboxRoot: bytes(32),
  promisedRoot: bytes(32),
});
const payouts: fc.Arbitrary<PayoutEntry> = fc.record({
  kind: fc.constant("payout" as const),
  index: uint(64n),
  token: bytes(20),
  recipient: bytes(20),
  amount: uint(256n),
  relayerFee: uint(256n),
  reference: bytes(32),
});
const calls: fc.Arbitrary<CallEntry> = fc.record({
  kind: fc.constant("call" as const),
  index: uint(64n),
  receiver: bytes(20),
  gasLimit: fc.bigInt(0n, 5_000_000n),
  data: fc.uint8Array({ maxLength: 90 }).map(bytesToHex),
  reference: bytes(32),
});

/** "Payout(uint256 chainId,…)" → ethers' type table. */
function fieldsOf(encodedType: string) {
  const [name, list] = encodedType.slice(0, -1).split("(") as [string, string]; // CAST: literals below
  const fields = list.split(",").map((field) => ({ type: field.split(" ")[0]!, name: field.split(" ")[1]! }));
  return { [name]: fields };
}

function codeOf(f: () => unknown): string | undefined {
  try {
    f();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

describe("batch: outbox", () => {
  it("hashes entries, destinations and promises as ethers hashes the same EIP-712 structs", () => {
    const payoutType = fieldsOf(
      "Payout(uint256 chainId,address hub,uint64 index,address token,address recipient,uint256 amount,uint256 relayerFee,bytes32 reference)",
    );
    const callType = fieldsOf(
      "Call(uint256 chainId,address hub,uint64 index,address receiver,uint64 gasLimit,bytes data,bytes32 reference)",
    );
    const destinationType = fieldsOf(
      "Destination(uint256 chainId,address hub,uint64 inboxCursor,bytes32 inboxHash,uint64 outboxSize,bytes32 outboxRoot,bytes32 promisedRoot)",
    );
    fc.assert(
      fc.property(places, payouts, calls, destinations, (at, payout, call, destination) => {
        expect(outboxEntryHash(at, payout)).to.equal(
          TypedDataEncoder.hashStruct("Payout", payoutType, { ...at, ...payout }),
        );
        expect(outboxEntryHash(at, call)).to.equal(TypedDataEncoder.hashStruct("Call", callType, { ...at, ...call }));
        expect(destinationHash(destination)).to.equal(
          TypedDataEncoder.hashStruct("Destination", destinationType, { ...destination }),
        );
      }),
    );
    const promised = [
      { token: `0x${"22".repeat(20)}` as Hex, cumulative: 5n },
      { token: `0x${"11".repeat(20)}` as Hex, cumulative: 9n },
    ];
    const types = {
      PromisedList: [{ name: "promised", type: "Promised[]" }],
      Promised: [
        { name: "token", type: "address" },
        { name: "cumulative", type: "uint256" },
      ],
    };
    const sorted = [...promised].reverse();
    expect(promisedRoot(promised)).to.equal(TypedDataEncoder.hashStruct("PromisedList", types, { promised: sorted }));
    expect(codeOf(() => promisedRoot([promised[0]!, promised[0]!]))).to.equal("duplicate");
  });

  it("binds chain, hub and kind, and refuses what the contracts could not hold", () => {
    const at = { chainId: 1n, hub: `0x${"aa".repeat(20)}` as Hex };
    const payout: PayoutEntry = {
      kind: "payout",
      index: 0n,
      token: at.hub,
      recipient: at.hub,
      amount: 1n,
      relayerFee: 0n,
      reference: ZERO_BYTES32,
    };
    const hash = outboxEntryHash(at, payout);
    expect(outboxEntryHash({ ...at, chainId: 2n }, payout)).to.not.equal(hash);
    expect(outboxEntryHash({ ...at, hub: `0x${"ab".repeat(20)}` }, payout)).to.not.equal(hash);
    const bad = (change: object) =>
      expect(codeOf(() => outboxEntryHash(at, { ...payout, ...change } as PayoutEntry))).to.equal("malformedEntry");
    bad({ amount: -1n });
    bad({ amount: 1n << 256n });
    bad({ index: 1n << 64n });
    bad({ token: "0x12" });
    bad({ kind: "gift" });
    const call: CallEntry = {
      kind: "call",
      index: 0n,
      receiver: at.hub,
      gasLimit: 5_000_001n,
      data: "0x",
      reference: ZERO_BYTES32,
    };
    expect(codeOf(() => outboxEntryHash(at, call))).to.equal("malformedEntry");
    expect(
      entryArguments([{ ...payout, index: 3n }, { ...call, index: 2n }, payout]).payouts.map((p) => p.index),
    ).to.deep.equal([0n, 3n]);
  });

  it("proves each of several destinations in a root that does not depend on their order", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(destinations, { minLength: 1, maxLength: 12, selector: (d) => d.hub }),
        fc.nat(),
        (list, pick) => {
          const root = outboxesRoot(list);
          expect(outboxesRoot([...list].reverse())).to.equal(root);
          const chosen = list[pick % list.length]!;
          const { destination, proof } = proveDestination(list, chosen);
          expect(destination).to.deep.equal(chosen);
          expect(verifyDestination(root, destination, proof)).to.equal(true);
          expect(verifyDestination(root, { ...destination, outboxSize: destination.outboxSize ^ 1n }, proof)).to.equal(
            false,
          );
          expect(verifyDestination(root, { ...destination, chainId: 6n }, proof)).to.equal(false);
          expect(verifyDestination(root, { ...destination, chainId: -6n }, proof)).to.equal(false);
          expect(verifyDestination(root, destination, { ...proof, size: proof.size + 1n })).to.equal(false);
          expect(
            verifyDestination(root, destination, { ...proof, siblings: [...proof.siblings, ZERO_BYTES32] }),
          ).to.equal(false);
          expect(verifyDestination(ZERO_BYTES32, destination, proof)).to.equal(false);
          if (list.length > 1) expect(outboxesRoot(list.slice(1))).to.not.equal(root);
          expect(codeOf(() => outboxesRoot([...list, chosen]))).to.equal("duplicate");
        },
      ),
    );
    const nowhere = { chainId: 9n, hub: `0x${"00".repeat(20)}` as Hex };
    expect(codeOf(() => proveDestination([], nowhere))).to.equal("outOfRange");
  });
});

describe("batch: inbox", () => {
  it("chains entries so that order, content and position all matter", () => {
    const deposit: DepositEntry = {
      kind: "deposit",
      index: 0n,
      token: `0x${"aa".repeat(20)}`,
      amount: 5n,
      account: `0x${"bb".repeat(32)}`,
      refundTo: `0x${"cc".repeat(20)}`,
      total: 5n,
    };
    const depositType = fieldsOf(
      "Deposit(uint64 index,address token,uint256 amount,bytes32 account,address refundTo,uint256 total)",
    );
    expect(inboxEntryHash(deposit)).to.equal(TypedDataEncoder.hashStruct("Deposit", depositType, { ...deposit }));
    const forced = { kind: "forced", index: 1n, instruction: "0x1234" } as const;
    const forcedType = fieldsOf("Forced(uint64 index,bytes instruction)");
    expect(inboxEntryHash(forced)).to.equal(TypedDataEncoder.hashStruct("Forced", forcedType, { ...forced }));
    const one = nextInboxHash(EMPTY_INBOX_HASH, deposit);
    const two = nextInboxHash(one, forced);
    expect(nextInboxHash(nextInboxHash(EMPTY_INBOX_HASH, forced), deposit)).to.not.equal(two);
    expect(nextInboxHash(EMPTY_INBOX_HASH, { ...deposit, amount: 6n })).to.not.equal(one);
    expect(codeOf(() => nextInboxHash("0x12", deposit))).to.equal("malformedEntry");
    expect(codeOf(() => nextInboxHash(one, { ...deposit, amount: -1n }))).to.equal("malformedEntry");
    expect(codeOf(() => nextInboxHash(one, { ...deposit, kind: "gift" } as unknown as DepositEntry))).to.equal(
      "malformedEntry",
    );
  });
});

/** The TypeScript model and the contracts must give one answer, for right and for wrong values alike. */
import { expect } from "chai";
import fc from "fast-check";
import { AccountTree } from "../../src/batch/account-tree.ts";
import {
  accountProofArgument,
  entryArguments,
  headCommitment,
  headWitnessArgument,
  outboxProofArgument,
} from "../../src/batch/calls.ts";
import { EMPTY_INBOX_HASH, nextInboxHash } from "../../src/batch/inbox.ts";
import { outboxEntryHash } from "../../src/batch/outbox.ts";
import { proveAccount, stateRoot, verifyAccount } from "../../src/batch/state.ts";
import { verifyInclusion, verifyMultiProof } from "../../src/batch/tree.ts";
import type { InboxEntry } from "../../src/batch/types.ts";
import { bytesToHex, type Hex, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { ACCOUNT, bytes32, deployHub } from "../contracts/hub-support.ts";

const RUNS = { numRuns: 40 };

/** One random disturbance of a list of siblings; kind 0 leaves it as it is. */
function disturb(siblings: readonly Hex[], kind: number, at: number): Hex[] {
  const list = [...siblings];
  if (kind === 1) list.push(ZERO_BYTES32);
  if (kind === 2) list.pop();
  if (kind === 3) list.reverse();
  if (kind === 4 && list.length > 0) list[at % list.length] = bytes32(at);
  if (kind === 5 && list.length > 0) list.splice(at % list.length, 0, list[at % list.length]!);
  return list;
}

describe("differential: outbox proofs", () => {
  it("single and multiproofs are accepted by both or by neither, at every outbox size up to 20", async () => {
    const { hub, book, alice } = await deployHub("bls12-381");
    for (let size = 1; size <= 20; size++) {
      book.payout(alice.address, BigInt(size), BigInt(size % 3));
      const batch = book.next();
      await hub.accept(...batch.args);
      const slot = Number((await hub.head()).slot);
      const root = book.outbox.root();
      expect(await hub.ringAt(slot)).to.equal(headCommitment(batch.digest, BigInt(size), root));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
          fc.nat(5),
          fc.nat(1000),
          fc.integer({ min: -1, max: 1 }),
          async (picks, kind, at, shift) => {
            const indexes = [...new Set(picks.map((pick) => BigInt(pick % size)))];
            const entries = indexes.map((index) => book.entries[Number(index)]!);
            const honest = book.outbox.proveMany(indexes);
            const proof = {
              ...honest,
              size: honest.size + BigInt(shift),
              siblings: disturb(honest.siblings, kind, at),
            };
            const leaves = proof.indexes.map((index) => outboxEntryHash(book, book.entries[Number(index)]!));
            // The hub binds the size: a proof for another size must fail even where the shapes agree.
            const expected = shift === 0 && verifyMultiProof(root, leaves, proof);
            const { payouts, calls } = entryArguments(entries);
            const argument = outboxProofArgument(slot, batch.digest, proof);
            const actual = await hub.deliver.staticCall(payouts, calls, argument).then(
              () => true,
              () => false,
            );
            expect(actual).to.equal(expected);
            const [only] = proof.indexes;
            const single = book.outbox.prove(only!);
            const wrong = { ...single, siblings: disturb(single.siblings, kind, at) };
            expect(
              await hub.isFinalPayout(
                entryArguments([book.entries[Number(only)]!]).payouts[0]!,
                outboxProofArgument(slot, batch.digest, wrong),
              ),
            ).to.equal(verifyInclusion(root, leaves[0]!, wrong));
          },
        ),
        { numRuns: 8 },
      );
    }
  });
});

describe("differential: inbox", () => {
  it("the vault's hash chain is the model's, for deposits and forced instructions in any order", async () => {
    const { vault, token, alice } = await deployHub("bls12-381");
    await token.mint(alice, 10n ** 30n);
    await token.connect(alice).approve(vault, 10n ** 30n);
    const tokenAddress = (await token.getAddress()).toLowerCase() as Hex; // CAST: ethers gives checksummed 0x hex
    const refundTo = alice.address.toLowerCase() as Hex; // CAST: as above
    let hash = EMPTY_INBOX_HASH;
    let index = 0n;
    let total = 0n;
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.bigInt(1n, 10n ** 20n),
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        async (isDeposit, amount, bytes) => {
          let entry: InboxEntry;
          if (isDeposit) {
            total += amount;
            entry = { kind: "deposit", index, token: tokenAddress, amount, account: ACCOUNT, refundTo, total };
            await vault.connect(alice).deposit(token, amount, ACCOUNT);
          } else {
            entry = { kind: "forced", index, instruction: bytesToHex(bytes) };
            await vault.connect(alice).requestForced(entry.instruction);
          }
          index += 1n;
          hash = nextInboxHash(hash, entry);
          expect(await vault.inboxHashAt(index)).to.equal(hash);
          expect(await vault.inboxSize()).to.equal(index);
        },
      ),
      // Each run appends to one chain: a shrunk counterexample would be another chain.
      { ...RUNS, endOnFailure: true },
    );
  });
});

describe("differential: account proofs", () => {
  it("are accepted by both or by neither", async () => {
    const { hub, book } = await deployHub("bls12-381");
    const rest = bytes32(0x4e57);
    const trees = [3, 13].map((size, k) =>
      AccountTree.from(
        bytes32(k + 1),
        Array.from({ length: size }, (_, i) => ({
          account: bytes32(i + 1),
          asset: bytes32(k + 1),
          cash: BigInt(i) - 5n,
          exitValue: BigInt(i) << 100n,
          details: bytes32(i),
        })),
      ),
    );
    const roots = trees.map((tree) => tree.assetRoot);
    book.state = stateRoot(roots, rest);
    const batch = book.next();
    await hub.accept(...batch.args);
    const witness = headWitnessArgument(1, batch.header, batch.destination);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1),
        fc.nat(12),
        fc.nat(9),
        fc.bigInt(1n, 1n << 200n),
        async (which, pick, kind, delta) => {
          const tree = trees[which]!;
          const honest = proveAccount(tree, pick % tree.size, roots, rest);
          const { leaf, siblings, assetRoot } = honest;
          const first = siblings[0]!;
          const changes = [
            {},
            { leaf: { ...leaf, exitValue: leaf.exitValue + delta } },
            { leaf: { ...leaf, cash: leaf.cash + delta } },
            { index: honest.index + 1n },
            { assetRoot: { ...assetRoot, accounts: assetRoot.accounts + 1n } },
            { assetRoot: { ...assetRoot, total: assetRoot.total + delta } },
            { siblings: siblings.slice(1) },
            { siblings: siblings.with(0, { ...first, sum: first.sum + delta }) },
            { siblings: siblings.with(0, { ...first, sum: (1n << 256n) - 1n }) },
            { assetCount: 3n },
          ];
          const proof = { ...honest, ...changes[kind]! };
          const expected = verifyAccount(batch.header.state, proof);
          expect(expected).to.equal(kind === 0);
          expect(await hub.isFinalAccount(witness, accountProofArgument(proof))).to.equal(expected);
        },
      ),
      RUNS,
    );
  });
});

import { expect } from "chai";
import fc from "fast-check";
import { AccountTree, verifyAccountLeaf } from "../../src/batch/account-tree.ts";
import { EMPTY_ROOT } from "../../src/batch/merkle.ts";
import { proveAccount, stateRoot, verifyAccount } from "../../src/batch/state.ts";
import type { AccountLeaf } from "../../src/batch/types.ts";
import { type Hex, ZERO_BYTES32 } from "../../src/lib/hex.ts";

const word = (i: number | bigint): Hex => `0x${i.toString(16).padStart(64, "0")}`;
const ASSET = word(0xa55e7);
const leafOf = (i: number, exitValue = BigInt(i) ** 3n): AccountLeaf => ({
  account: word(i + 1),
  asset: ASSET,
  cash: BigInt(-i),
  exitValue,
  details: word(i * 7),
});
const treeOf = (n: number) =>
  AccountTree.from(
    ASSET,
    Array.from({ length: n }, (_, i) => leafOf(i)),
  );

function codeOf(f: () => unknown): string | undefined {
  try {
    f();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

describe("batch: account tree", () => {
  it("carries the sum of all exit values and proves every account, at every size", () => {
    for (let n = 1; n <= 34; n++) {
      const tree = treeOf(n);
      let sum = 0n;
      for (let i = 0; i < n; i++) {
        sum += leafOf(i).exitValue;
        expect(verifyAccountLeaf(tree.assetRoot, tree.get(i), BigInt(i), tree.prove(i))).to.equal(true);
      }
      expect(tree.assetRoot.total).to.equal(sum);
      expect(tree.assetRoot.accounts).to.equal(BigInt(n));
    }
    expect(AccountTree.empty(ASSET).assetRoot).to.deep.equal({
      asset: ASSET,
      accounts: 0n,
      root: EMPTY_ROOT,
      total: 0n,
    });
  });

  it("is a value: a change makes another tree, equal to one built afresh, and leaves the old as it was", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.tuple(fc.nat(), fc.bigInt(0n, 1n << 100n)), { maxLength: 20 }),
        (n, changes) => {
          const original = treeOf(n);
          const root = original.assetRoot;
          let tree = original;
          const model = Array.from({ length: n }, (_, i) => leafOf(i));
          for (const [pick, value] of changes) {
            const index = pick % (model.length + 1);
            model[index] = leafOf(index, value);
            tree = tree.set(index, model[index]);
          }
          expect(tree.assetRoot).to.deep.equal(AccountTree.from(ASSET, model).assetRoot);
          expect(original.assetRoot).to.deep.equal(root);
          expect(treeOf(n).assetRoot).to.deep.equal(root);
        },
      ),
    );
  });

  it("proves nothing with a wrong sum, index, size, total, sibling or field", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), fc.bigInt(1n, 1n << 200n), (n, pick, delta) => {
        const tree = treeOf(n);
        const i = pick % n;
        const root = tree.assetRoot;
        const siblings = tree.prove(i);
        const leaf = tree.get(i);
        const refused = (...args: Parameters<typeof verifyAccountLeaf>) =>
          expect(verifyAccountLeaf(...args)).to.equal(false);
        refused(root, { ...leaf, exitValue: leaf.exitValue + delta }, BigInt(i), siblings);
        refused(root, { ...leaf, cash: leaf.cash + delta }, BigInt(i), siblings);
        refused(root, { ...leaf, asset: ZERO_BYTES32 }, BigInt(i), siblings);
        refused({ ...root, total: root.total + delta }, leaf, BigInt(i), siblings);
        refused({ ...root, accounts: BigInt(i) }, leaf, BigInt(i), siblings);
        refused(root, leaf, BigInt((i + 1) % n), siblings);
        refused(root, leaf, BigInt(n), siblings);
        refused(root, leaf, BigInt(i), siblings.slice(1));
        refused(root, leaf, BigInt(i), [...siblings, { hash: ZERO_BYTES32, sum: 0n }]);
        // Shifting value from one sibling to another keeps the total and must still fail.
        if (siblings.length > 1) {
          const [a, b, ...rest] = siblings;
          refused(root, leaf, BigInt(i), [{ ...a!, sum: a!.sum + delta }, { ...b!, sum: b!.sum - delta }, ...rest]);
        }
        refused(root, leaf, BigInt(i), siblings.with(0, { ...siblings[0]!, sum: (1n << 256n) - 1n }));
        refused(root, leaf, BigInt(i), siblings.with(0, { ...siblings[0]!, sum: -1n }));
      }),
    );
  });

  it("refuses gaps, foreign assets, values no contract could hold, and sums beyond a uint256", () => {
    const tree = treeOf(3);
    expect(codeOf(() => tree.set(4, leafOf(4)))).to.equal("outOfRange");
    expect(codeOf(() => tree.set(-1, leafOf(4)))).to.equal("outOfRange");
    expect(codeOf(() => tree.get(3))).to.equal("outOfRange");
    expect(codeOf(() => tree.prove(3))).to.equal("outOfRange");
    expect(codeOf(() => tree.set(0, { ...leafOf(0), asset: ZERO_BYTES32 }))).to.equal("malformedLeaf");
    expect(codeOf(() => tree.set(0, leafOf(0, -1n)))).to.equal("malformedLeaf");
    expect(codeOf(() => tree.set(0, { ...leafOf(0), cash: 1n << 255n }).assetRoot)).to.equal("malformedLeaf");
    expect(codeOf(() => tree.set(0, leafOf(0, (1n << 256n) - 1n)))).to.equal("sumOverflow");
    expect(codeOf(() => AccountTree.empty("0x12"))).to.equal("malformedLeaf");
  });
});

describe("batch: state root", () => {
  it("proves an account of any asset among several, and nothing when anything is changed", () => {
    const trees = [5, 1, 9, 3].map((id, k) =>
      AccountTree.from(
        word(id),
        Array.from({ length: k * 3 + 1 }, (_, i) => ({ ...leafOf(i), asset: word(id) })),
      ),
    );
    const roots = trees.map((tree) => tree.assetRoot);
    const state = stateRoot(roots, word(77));
    expect(stateRoot([...roots].reverse(), word(77))).to.equal(state);
    expect(stateRoot(roots, word(78))).to.not.equal(state);
    for (const tree of trees)
      for (let i = 0; i < tree.size; i++) {
        const proof = proveAccount(tree, i, roots, word(77));
        expect(verifyAccount(state, proof)).to.equal(true);
        expect(verifyAccount(word(1), proof)).to.equal(false);
        expect(verifyAccount(state, { ...proof, rest: word(78) })).to.equal(false);
        expect(verifyAccount(state, { ...proof, assetIndex: (proof.assetIndex + 1n) % 4n })).to.equal(false);
        expect(verifyAccount(state, { ...proof, assetCount: 5n })).to.equal(false);
        expect(verifyAccount(state, { ...proof, assetRoot: { ...proof.assetRoot, accounts: 99n } })).to.equal(false);
        expect(verifyAccount(state, { ...proof, assetSiblings: proof.assetSiblings.slice(1) })).to.equal(false);
      }
    expect(codeOf(() => stateRoot([roots[0]!, roots[0]!], word(1)))).to.equal("duplicate");
    expect(codeOf(() => proveAccount(AccountTree.empty(word(6)), 0, roots, word(1)))).to.equal("outOfRange");
  });
});

import { expect } from "chai";
import fc from "fast-check";
import { merkleRoot } from "../../src/batch/merkle.ts";
import {
  AppendOnlyTree,
  appendToFrontier,
  EMPTY_FRONTIER,
  EMPTY_ROOT,
  type Frontier,
  frontierRoot,
  verifyInclusion,
  verifyMultiProof,
} from "../../src/batch/tree.ts";
import { bytesToBigint, concatBytes } from "../../src/lib/bytes.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../src/lib/hex.ts";

const leafOf = (i: number): Hex => bytesToHex(keccak256(Uint8Array.of(i >> 8, i & 255)));
const leaves = (n: number): Hex[] => Array.from({ length: n }, (_, i) => leafOf(i));

/** MTH of RFC 9162 §2.1.1, word for word, with keccak. */
function rfcRoot(data: readonly Uint8Array[]): Uint8Array {
  const n = data.length;
  if (n === 0) return keccak256(new Uint8Array());
  if (n === 1) return keccak256(concatBytes(Uint8Array.of(0), data[0]!));
  let k = 1;
  while (2 * k < n) k *= 2;
  return keccak256(concatBytes(Uint8Array.of(1), rfcRoot(data.slice(0, k)), rfcRoot(data.slice(k))));
}

describe("batch: append-only tree", () => {
  it("is the tree of RFC 9162 at every size, whichever way it is built", () => {
    const tree = new AppendOnlyTree();
    let frontier: Frontier = EMPTY_FRONTIER;
    expect(tree.root()).to.equal(EMPTY_ROOT);
    for (let n = 1; n <= 70; n++) {
      expect(tree.append(leafOf(n - 1))).to.equal(BigInt(n - 1));
      frontier = appendToFrontier(frontier, leafOf(n - 1));
      const expected = bytesToHex(rfcRoot(leaves(n).map(hexToBytes)));
      expect(tree.root()).to.equal(expected);
      expect(frontierRoot(frontier)).to.equal(expected);
      expect(bytesToHex(merkleRoot(leaves(n).map(hexToBytes)))).to.equal(expected);
      expect(tree.frontier()).to.deep.equal(frontier);
    }
  });

  it("goes on elsewhere from its leaves' hashes: same roots, same proofs, earlier ones too", () => {
    for (const n of [0, 1, 2, 3, 7, 8, 33]) {
      const tree = AppendOnlyTree.from(leaves(n));
      const copy = AppendOnlyTree.fromLeafHashes(tree.leafHashes());
      for (const each of [tree, copy]) each.append(leafOf(n));
      expect(copy.root()).to.equal(tree.root());
      for (let size = 1; size <= n + 1; size++) {
        expect(copy.prove(0n, BigInt(size))).to.deep.equal(tree.prove(0n, BigInt(size)));
        expect(copy.root(BigInt(size))).to.equal(tree.root(BigInt(size)));
      }
    }
    expect(() => AppendOnlyTree.fromLeafHashes(new Uint8Array(33))).to.throw("32 bytes");
  });

  it("remembers every earlier root and proves every leaf at every size", () => {
    const tree = AppendOnlyTree.from(leaves(40));
    for (let n = 1; n <= 40; n++) {
      const root = bytesToHex(rfcRoot(leaves(n).map(hexToBytes)));
      expect(tree.root(BigInt(n))).to.equal(root);
      expect(tree.frontier(BigInt(n)).peaks.length).to.equal(n.toString(2).replaceAll("0", "").length);
      for (let i = 0; i < n; i++) {
        const proof = tree.prove(BigInt(i), BigInt(n));
        expect(verifyInclusion(root, leafOf(i), proof)).to.equal(true);
        expect(verifyInclusion(root, leafOf(i + 1), proof)).to.equal(false);
      }
    }
  });

  it("binds the index, and the proof's length follows from index and size alone", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), fc.nat(400), (n, pick, wrong) => {
        const tree = AppendOnlyTree.from(leaves(n));
        const index = BigInt(pick % n);
        const proof = tree.prove(index);
        const root = tree.root();
        const leaf = leafOf(Number(index));
        const refused = (change: object) =>
          expect(verifyInclusion(root, leaf, { ...proof, ...change })).to.equal(false);
        if (BigInt(wrong) !== index) refused({ index: BigInt(wrong) });
        refused({ index: -1n });
        refused({ index: proof.size });
        refused({ size: 0n });
        refused({ size: index });
        refused({ siblings: [...proof.siblings, ZERO_BYTES32] });
        refused({ siblings: [...proof.siblings, ...proof.siblings, "0x" as Hex] });
        if (proof.siblings.length > 0) {
          refused({ siblings: proof.siblings.slice(1) });
          refused({ siblings: proof.siblings.slice(0, -1) });
          refused({ siblings: [...proof.siblings, proof.siblings.at(-1)!] });
        }
        expect(verifyInclusion(ZERO_BYTES32, leaf, proof)).to.equal(false);
        expect(verifyInclusion("0x", leaf, proof)).to.equal(false);
      }),
    );
  });

  it("takes no node for a leaf: a second preimage needs the other prefix", () => {
    const tree = AppendOnlyTree.from(leaves(4));
    const { siblings } = tree.prove(0n);
    const left = bytesToHex(
      keccak256(
        concatBytes(
          Uint8Array.of(1),
          ...[0, 1].map((i) => keccak256(concatBytes(Uint8Array.of(0), hexToBytes(leafOf(i))))),
        ),
      ),
    );
    expect(verifyInclusion(tree.root(), left, { index: 0n, size: 2n, siblings: [siblings[1]!] })).to.equal(false);
    expect(verifyInclusion(tree.root(), leafOf(0), { index: 0n, size: 1n, siblings: [] })).to.equal(false);
    expect(verifyInclusion(EMPTY_ROOT, leafOf(0), { index: 0n, size: 0n, siblings: [] })).to.equal(false);
  });

  it("survives hostile sizes in bounded time", () => {
    const max = (1n << 64n) - 1n;
    const siblings = Array.from({ length: 64 }, () => ZERO_BYTES32);
    expect(verifyInclusion(ZERO_BYTES32, ZERO_BYTES32, { index: max - 1n, size: max, siblings })).to.equal(false);
    expect(verifyInclusion(ZERO_BYTES32, ZERO_BYTES32, { index: 0n, size: max + 1n, siblings })).to.equal(false);
    expect(bytesToBigint(hexToBytes(ZERO_BYTES32))).to.equal(0n);
  });

  it("proves many leaves at once; wrong, padded, cut or reordered proofs fail", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 120 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
        fc.nat(),
        (n, picks, at) => {
          const tree = AppendOnlyTree.from(leaves(n));
          const indexes = [...new Set(picks.map((pick) => BigInt(pick % n)))];
          const proof = tree.proveMany(indexes);
          const proven = proof.indexes.map((i) => leafOf(Number(i)));
          const root = tree.root();
          expect(verifyMultiProof(root, proven, proof)).to.equal(true);
          const refused = (l: readonly Hex[], change: object) =>
            expect(verifyMultiProof(root, l, { ...proof, ...change })).to.equal(false);
          refused([], { indexes: [] });
          refused(proven.with(at % proven.length, leafOf(n + 1)), {});
          refused(proven, { siblings: [...proof.siblings, ZERO_BYTES32] });
          if (proof.siblings.length > 0) refused(proven, { siblings: proof.siblings.slice(1) });
          if (proof.siblings.length > 1) refused(proven, { siblings: [...proof.siblings].reverse() });
          if (proven.length > 1) {
            refused([...proven].reverse(), { indexes: [...proof.indexes].reverse() });
            refused(proven.slice(1), { indexes: proof.indexes.slice(1) });
          }
          refused([...proven, proven.at(-1)!], { indexes: [...proof.indexes, proof.indexes.at(-1)!] });
        },
      ),
    );
  });

  it("refuses what it cannot prove with a code", () => {
    const tree = AppendOnlyTree.from(leaves(3));
    const code = (f: () => unknown) => {
      try {
        f();
      } catch (error) {
        return (error as { code?: string }).code;
      }
      return undefined;
    };
    expect(code(() => tree.prove(3n))).to.equal("outOfRange");
    expect(code(() => tree.prove(-1n))).to.equal("outOfRange");
    expect(code(() => tree.prove(0n, 4n))).to.equal("outOfRange");
    expect(code(() => tree.root(4n))).to.equal("outOfRange");
    expect(code(() => tree.proveMany([]))).to.equal("outOfRange");
    expect(code(() => tree.proveMany([1n, 1n]))).to.equal("duplicate");
    expect(code(() => tree.append("0x12"))).to.equal("malformedLeaf");
    expect(code(() => appendToFrontier(EMPTY_FRONTIER, "0x"))).to.equal("malformedLeaf");
  });
});

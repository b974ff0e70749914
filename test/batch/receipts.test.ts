import { expect } from "chai";
import * as fc from "fast-check";
import { encodeAbiParameters, hashStruct, keccak256 as viemKeccak } from "viem";
import {
  createReceiptTree,
  ledgerRest,
  type ReceiptLeaf,
  type ReceiptProof,
  receiptHash,
  type StateParts,
  verifyReceipt,
} from "../../src/batch/receipts.ts";
import { combineState } from "../../src/batch/state.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";

const parts: StateParts = { assets: 2n, assetsRoot: `0x${"a1".repeat(32)}`, core: `0x${"c0".repeat(32)}` };
const id = (k: number): Hex => `0x${k.toString(16).padStart(64, "0")}`;

function receiptsOf(size: number): ReceiptLeaf[] {
  return Array.from({ length: size }, (_, position) => ({
    instructionId: id(position + 1),
    status: position % 3 === 0 ? "refused" : "applied",
    code: position % 3 === 0 ? "overdraft" : "applied",
    figures: position % 3 === 0 ? { needed: "7", cash: `${position}` } : {},
    sequence: 9n,
    position,
  }));
}

function stateOf(receipts: readonly ReceiptLeaf[]): Hex {
  const rest = ledgerRest(receipts, parts.core);
  return bytesToHex(combineState(parts.assets, hexToBytes(parts.assetsRoot), hexToBytes(rest)));
}

describe("batch: receipts", () => {
  it("hashes a receipt as EIP-712 does, figures as text in order of name", () => {
    const [receipt] = receiptsOf(1);
    const figures = '[["cash","0"],["needed","7"]]';
    const types = {
      Receipt: [
        { name: "instructionId", type: "bytes32" },
        { name: "status", type: "string" },
        { name: "code", type: "string" },
        { name: "figures", type: "string" },
        { name: "sequence", type: "uint64" },
        { name: "position", type: "uint64" },
      ],
    };
    const data = { ...receipt!, figures, position: 0n };
    expect(bytesToHex(receiptHash(receipt!))).to.equal(hashStruct({ data, types, primaryType: "Receipt" }));
    const reordered = { ...receipt!, figures: { cash: "0", needed: "7" } };
    expect(receiptHash(reordered)).to.deep.equal(receiptHash(receipt!));
  });

  it("gives `rest` for a batch without receipts, and proves nothing against it", () => {
    const empty = viemKeccak("0x");
    const type = viemKeccak(new TextEncoder().encode("LedgerRest(uint64 receipts,bytes32 receiptsRoot,bytes32 core)"));
    const words = [{ type: "bytes32" }, { type: "uint64" }, { type: "bytes32" }, { type: "bytes32" }] as const;
    expect(ledgerRest([], parts.core)).to.equal(viemKeccak(encodeAbiParameters(words, [type, 0n, empty, parts.core])));
    const proof: ReceiptProof = { ...parts, size: 0n, siblings: [] };
    expect(verifyReceipt(stateOf([]), receiptsOf(1)[0]!, proof)).to.equal(false);
  });

  it("proves each receipt of a batch of any size at its own position and nowhere else", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (size, a, b) => {
        const receipts = receiptsOf(size);
        const state = stateOf(receipts);
        const tree = createReceiptTree(receipts, parts);
        const receipt = receipts[a % size]!;
        const other = receipts[b % size]!;
        expect(verifyReceipt(state, receipt, tree.prove(receipt.position))).to.equal(true);
        expect(verifyReceipt(state, { ...receipt, position: other.position }, tree.prove(other.position))).to.equal(
          receipt === other,
        );
      }),
      { numRuns: 60 },
    );
  });

  it("refuses a receipt or a proof with anything changed, and never throws", () => {
    const receipts = receiptsOf(5);
    const state = stateOf(receipts);
    const receipt = receipts[3]!;
    const proof = createReceiptTree(receipts, parts).prove(3);
    const changed: ReceiptLeaf[] = [
      { ...receipt, instructionId: id(99) },
      { ...receipt, instructionId: "0x12" },
      { ...receipt, status: "applied" },
      { ...receipt, code: "late" },
      { ...receipt, figures: {} },
      { ...receipt, figures: { ...receipt.figures, cash: "4" } },
      { ...receipt, figures: Object.fromEntries(Array.from({ length: 65 }, (_, k) => [`${k}`, ""])) },
      { ...receipt, sequence: 10n },
      { ...receipt, position: 4 },
      { ...receipt, position: -1 },
      { ...receipt, position: 0.5 },
      { ...receipt, position: Number.NaN },
    ];
    for (const item of changed) expect(verifyReceipt(state, item, proof)).to.equal(false);
    const proofs: ReceiptProof[] = [
      { ...proof, size: 6n },
      { ...proof, size: 1n << 64n },
      { ...proof, siblings: proof.siblings.slice(1) },
      { ...proof, siblings: [...proof.siblings, id(1)] },
      { ...proof, siblings: ["0x"] },
      { ...proof, assets: 3n },
      { ...proof, assets: -1n },
      { ...proof, assetsRoot: id(1) },
      { ...proof, core: "0x00" },
    ];
    for (const item of proofs) expect(verifyReceipt(state, receipt, item)).to.equal(false);
    expect(verifyReceipt("0x00", receipt, proof)).to.equal(false);
  });
});

import { expect } from "chai";
import fc from "fast-check";
import { quoteFees, replacementFees } from "../../src/chain/fees.ts";
import { ChainError } from "../../src/chain/port.ts";

const wei = fc.bigInt({ min: 0n, max: 10n ** 15n });

describe("chain: fees", () => {
  it("quotes within the cap, tip within the fee, and enough for the present base fee, or refuses", () => {
    fc.assert(
      fc.property(wei, wei, wei, (baseFeeWei, priorityFeeWei, cap) => {
        try {
          const fees = quoteFees({ baseFeeWei, priorityFeeWei }, cap);
          expect(fees.maxFeePerGasWei <= cap).to.equal(true);
          expect(fees.maxPriorityFeePerGasWei <= fees.maxFeePerGasWei).to.equal(true);
          expect(fees.maxFeePerGasWei >= baseFeeWei + fees.maxPriorityFeePerGasWei).to.equal(true);
        } catch (error) {
          expect(error).to.be.instanceOf(ChainError).with.property("code", "feeAboveCap");
          expect(baseFeeWei + (priorityFeeWei < cap ? priorityFeeWei : cap) > cap).to.equal(true);
        }
      }),
    );
  });

  it("replaces with both fees at least 12.5 % higher and never above the cap", () => {
    fc.assert(
      fc.property(wei, wei, wei, wei, wei, (maxFee, tip, baseFeeWei, priorityFeeWei, cap) => {
        const previous = { maxFeePerGasWei: maxFee + tip, maxPriorityFeePerGasWei: tip };
        const fees = replacementFees(previous, { baseFeeWei, priorityFeeWei }, cap);
        if (fees === undefined) return;
        expect(fees.maxFeePerGasWei <= cap).to.equal(true);
        expect(fees.maxPriorityFeePerGasWei <= fees.maxFeePerGasWei).to.equal(true);
        expect(fees.maxFeePerGasWei * 8n >= previous.maxFeePerGasWei * 9n).to.equal(true);
        expect(fees.maxPriorityFeePerGasWei * 8n >= previous.maxPriorityFeePerGasWei * 9n).to.equal(true);
        expect(fees.maxPriorityFeePerGasWei > previous.maxPriorityFeePerGasWei).to.equal(true);
      }),
    );
  });
});

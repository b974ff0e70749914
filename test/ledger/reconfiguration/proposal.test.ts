import { expect } from "chai";
import fc from "fast-check";
import { MAX_PAST_COMMITTEES } from "../../../src/ledger/limits.ts";
import { type Holders, kindOf, remember } from "../../../src/ledger/reconfiguration/proposal.ts";
import type { Proposal } from "../../../src/ledger/reconfiguration/types.ts";
import type { Address } from "../../../src/lib/hex.ts";
import { quorumOf } from "../../../src/lib/math.ts";
import { seed } from "../../seed.ts";

function address(number: number): Address {
  return `0x${number.toString(16).padStart(40, "0")}`;
}

function holders(...numbers: readonly number[]): Holders {
  return { members: numbers.map(address), threshold: quorumOf(numbers.length) };
}

function proposalOf(...numbers: readonly number[]): Proposal {
  const none = { publicKey: "0x", multiaddrs: [], encryptionKey: "0x", proof: "0x", signature: "0x" } as const;
  return { epoch: 1n, attempt: 1n, members: numbers.map((number) => ({ ...none, address: address(number) })) };
}

const numbers = fc.uniqueArray(fc.nat(9), { minLength: 4, maxLength: 8 });

describe(`the kind of a change (CLOCKLESS_SEED=${seed})`, () => {
  it("is a reshare as long as fewer than t members of each epoch of the key are out", () => {
    const first = holders(1, 2, 3, 4);
    expect(kindOf(proposalOf(1, 2, 8, 9), [first])).equal("reshare");
    expect(kindOf(proposalOf(1, 7, 8, 9), [first])).equal("generation");
    // Who left and comes back is in again.
    expect(kindOf(proposalOf(1, 2, 5, 6), [first, holders(3, 4, 5, 6)])).equal("reshare");
    expect(kindOf(proposalOf(1, 5, 6, 7), [first, holders(3, 4, 5, 6)])).equal("generation");
  });

  it("is a generation when there were more epochs than are remembered", () => {
    const past = Array.from({ length: MAX_PAST_COMMITTEES }, (_, i) => holders(1, 2, 3, 100 + i));
    expect(kindOf(proposalOf(1, 2, 3, 4), past)).equal("reshare");
    expect(kindOf(proposalOf(1, 2, 3, 4), [...past, holders(1, 2, 3, 4)])).equal("generation");
  });

  it("comes out the same whether all epochs are remembered or only those that say something of their own", () => {
    fc.assert(
      fc.property(fc.array(numbers, { maxLength: 8 }), numbers, (epochs, next) => {
        const all = epochs.map((each) => holders(...each));
        const kept = all.reduce<Holders[]>((past, each) => remember(past, each), []);
        expect(kindOf(proposalOf(...next), kept)).equal(kindOf(proposalOf(...next), all));
        expect(kept.length).most(all.length);
      }),
      { seed, numRuns: 500 },
    );
  });

  it("remembers an epoch once, however often its members shared anew", () => {
    const again = [1, 2, 3].reduce<Holders[]>((past) => remember(past, holders(1, 2, 3, 4)), []);
    expect(again).deep.equal([holders(1, 2, 3, 4)]);
  });
});

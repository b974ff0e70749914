import { expect } from "chai";
import fc from "fast-check";
import type { Hex } from "../../src/lib/hex.ts";
import { bytesToHex, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import type { MemberMessage } from "../../src/member/types.ts";
import { decodeMessage, encodeMessage, epochOfMessage, MemberWireError } from "../../src/member/wire.ts";

const hash: fc.Arbitrary<Hex> = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex);
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

const partials: fc.Arbitrary<MemberMessage> = fc
  .array(
    fc.record({
      sequence: uint64,
      suite: fc.constantFrom("bls12-381" as const, "bn254" as const),
      digest: hash,
      signature: fc.uint8Array({ maxLength: 64 }),
    }),
    { maxLength: 4 },
  )
  .map((list) => ({ kind: "partials", partials: list }));

const message: fc.Arbitrary<MemberMessage> = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes): MemberMessage => ({ kind: "consensus", bytes })),
  partials,
  uint64.map((from): MemberMessage => ({ kind: "certificatesWanted", from })),
  fc.tuple(hash, fc.constantFrom("certificates" as const, "closed" as const)).map(
    ([state, kind]): MemberMessage => ({
      kind,
      certificates: [
        {
          header: {
            sequence: 1n,
            epoch: 0n,
            previous: ZERO_BYTES32,
            history: state,
            outboxes: state,
            state,
            commit: state,
          },
          suite: "bls12-381",
          signature: `0x${"01".repeat(48)}`,
        },
      ],
    }),
  ),
);

describe("member wire", () => {
  it("decodes what it encodes", () => {
    fc.assert(
      fc.property(message, fc.bigInt({ min: 0n, max: 0xffff_ffffn }), (value, epoch) => {
        const bytes = encodeMessage(epoch, value);
        expect(decodeMessage(bytes)).to.deep.equal(value);
        expect(epochOfMessage(bytes)).to.equal(epoch);
      }),
    );
  });

  it("refuses any other bytes with one typed error, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          // What it accepts it would have written itself: one encoding per message.
          expect(bytesToHex(encodeMessage(epochOfMessage(bytes)!, decodeMessage(bytes)))).to.equal(bytesToHex(bytes));
        } catch (error) {
          expect(error).to.be.instanceOf(MemberWireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses a count that promises more than the bytes hold before allocating for it", () => {
    expect(() => decodeMessage(Uint8Array.of(0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff))).to.throw(MemberWireError);
    expect(() => decodeMessage(new Uint8Array(0))).to.throw(MemberWireError);
    expect(epochOfMessage(new Uint8Array(4))).to.equal(undefined);
  });
});

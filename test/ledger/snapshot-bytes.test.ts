import { expect } from "chai";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../../src/ledger/snapshot/bytes.ts";
import { InvariantError } from "../../src/lib/assert.ts";
import { bigintToBytes, concatBytes } from "../../src/lib/bytes.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { seed } from "../seed.ts";

describe(`ledger: bytes of a snapshot (CLOCKLESS_SEED=${seed})`, () => {
  it("have integers by size, sign and magnitude, and read back as they were", () => {
    const edges = [0n, 1n, 255n, 256n, 2n ** 53n, 2n ** 64n - 1n, 2n ** 255n, 2n ** 1008n - 1n];
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...edges), fc.bigInt(-(2n ** 300n), 2n ** 300n)),
        fc.boolean(),
        (n, flip) => {
          const value = flip ? -n : n;
          const magnitude = value < 0n ? -value : value;
          const size = magnitude === 0n ? 0 : Math.ceil(magnitude.toString(16).length / 2);
          const bytes = new ByteWriter(1).int(value).done();
          const head = Uint8Array.of(2 * size + (value < 0n ? 1 : 0));
          expect(bytes).to.deep.equal(concatBytes(head, bigintToBytes(magnitude, size)));
          const reader = new ByteReader(bytes);
          expect(reader.int()).to.equal(value);
          reader.end();
        },
      ),
      { seed },
    );
    expect(() => new ByteWriter().int(2n ** 1008n)).to.throw(InvariantError);
  });

  it("have hex as its bytes, wherever it comes to stand", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 8 }), (parts) => {
        const writer = new ByteWriter(1);
        for (const part of parts) writer.hex(bytesToHex(part));
        expect(writer.done()).to.deep.equal(concatBytes(...parts));
      }),
      { seed },
    );
  });
});

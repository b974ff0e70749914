import { expect } from "chai";
import { describe, it } from "mocha";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import type { DealEngine } from "../../src/threshold/deal-engine.ts";
import { evaluateAt, evaluateAtMember, powersOf } from "../../src/threshold/scalar-bytes.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { dealEngines } from "./deal-support.ts";
import { expectCode, seeded, engines as signingEngines } from "./support.ts";

describe("deals: the group on both engines", function () {
  this.timeout(600_000);

  for (const suite of SUITES) {
    describe(suite, () => {
      it("agrees with itself, with the other engine and with public keys, byte for byte", async () => {
        const { noble, mcl } = (await dealEngines())[suite];
        const { order } = noble;
        const scalars = [1n, 2n, order - 1n, BigInt(bytesToHex(seeded("scalar"))) % order, 1n << 128n];
        const same = (compute: (engine: DealEngine) => ReturnType<DealEngine["commit"]>): string => {
          const [a, b] = [noble, mcl].map((engine) => bytesToHex(engine.encode(compute(engine))));
          expect(a).to.equal(b);
          return a!;
        };
        const sum = scalars.reduce((a, b) => a + b) % order;
        for (const scalar of [0n, ...scalars]) {
          expect(same((engine) => engine.commit(scalar))).to.equal(same((engine) => engine.commitPublic(scalar)));
        }
        expect(same((engine) => scalars.map(engine.commit).reduce((a, b) => engine.add(a, b)))).to.equal(
          same((engine) => engine.commit(sum)),
        );
        expect(same((engine) => engine.subtract(engine.commit(7n), engine.commit(9n)))).to.equal(
          same((engine) => engine.commit(order - 2n)),
        );
        for (const x of [1, 2, 100, 65_535]) {
          expect(same((engine) => engine.evaluate(scalars.map(engine.commit), x))).to.equal(
            same((engine) => engine.commit(evaluateAtMember(scalars, x, order))),
          );
        }
        const point = BigInt(bytesToHex(seeded("point"))) % order;
        expect(
          same((engine) => engine.combine(scalars.map(engine.commit), powersOf(point, scalars.length, order))),
        ).to.equal(same((engine) => engine.commit(evaluateAt(scalars, point, order))));
        const secret = seeded("secret").fill(0, 0, 1);
        const key = (await signingEngines())[suite].noble.publicKey(secret);
        expect(same((engine) => engine.commit(BigInt(bytesToHex(secret))))).to.equal(bytesToHex(key));
      });

      it("decodes what it encodes, except the identity", async () => {
        for (const engine of Object.values((await dealEngines())[suite])) {
          const element = engine.commit(12_345n);
          const bytes = engine.encode(element);
          expect(bytes.length).to.equal(engine.pointLength);
          expect(engine.equals(engine.decode(bytes)!, element)).to.equal(true);
          expect(engine.equals(engine.commit(12_346n), element)).to.equal(false);
          const identity = engine.encode(engine.subtract(element, engine.commit(12_345n)));
          expect(bytesToHex(identity)).to.equal(suite === "bn254" ? `0x${"00".repeat(128)}` : `0xc0${"00".repeat(95)}`);
          for (const wrong of [
            identity,
            bytes.subarray(1),
            new Uint8Array(0),
            hexToBytes("0x00"),
            seeded("noise", 96),
          ]) {
            expect(engine.decode(wrong)).to.equal(undefined);
          }
          for (const scalar of [-1n, engine.order]) expectCode(() => engine.commit(scalar), "invalidScalar");
        }
      });
    });
  }
});

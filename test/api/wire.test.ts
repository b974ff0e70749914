import { expect } from "chai";
import { int, stateParts, uint } from "../../src/api/wire.ts";
import { combineState } from "../../src/batch/state.ts";
import { hexToBytes } from "../../src/lib/hex.ts";

describe("numbers of the API", () => {
  const largest = (1n << 256n) - 1n;

  it("have 256 bits at most: what is hashed as a word later must not throw then", () => {
    for (const text of [largest + 1n, 10n ** 78n - 1n].map(String)) {
      expect(uint.safeParse(text).success).to.equal(false);
      for (const sign of ["", "-"]) expect(int.safeParse(`${sign}${text}`).success).to.equal(false);
    }
    expect(uint.parse(largest.toString())).to.equal(largest);
    const root = `0x${"ab".repeat(32)}`;
    const parts = stateParts.parse({ assets: largest.toString(), assetsRoot: root, core: root });
    expect(combineState(parts.assets, hexToBytes(parts.assetsRoot), hexToBytes(parts.core))).to.have.length(32);
  });
});

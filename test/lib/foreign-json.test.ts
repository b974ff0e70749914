import { expect } from "chai";
import { z } from "zod";
import { decodeJson } from "../../src/api/http.ts";
import { instructionFromJson } from "../../src/ledger/json.ts";
import { decodeForeign } from "../../src/lib/foreign-json.ts";
import { parseApproval } from "../../src/threshold/ceremony/json.ts";

/** Found by fuzzing (seed 7): a length that can be compared with nothing. */
const NASTY = { length: { toString: "0" } };

describe("lib: foreign JSON", () => {
  it("is refused, and nothing else happens, where its length cannot be compared", () => {
    const schemas: readonly z.ZodType[] = [
      ...[z.string().max(3), z.string().length(3)],
      ...[z.array(z.string()).max(3), z.array(z.string()).min(1)],
    ];
    for (const schema of schemas) expect(decodeForeign(schema, NASTY).success).to.equal(false);
    expect(decodeForeign(z.string().max(3), "abc")).to.deep.equal({ success: true, data: "abc" });
    expect(decodeForeign(z.string().max(3), "abcd").success).to.equal(false);
  });

  it("hides no bug of ours", () => {
    const broken = z.string().transform(() => {
      throw new RangeError("a bug");
    });
    expect(() => decodeForeign(broken, "a")).to.throw(RangeError);
  });

  it("keeps to the typed errors of whoever reads it", () => {
    const list = z.strictObject({ results: z.array(z.string()).max(3) });
    expect(() => decodeJson(list, JSON.stringify({ results: NASTY }), "/"))
      .to.throw()
      .with.property("code", "badAnswer");
    expect(() => instructionFromJson({ instruction: NASTY, signature: NASTY }))
      .to.throw()
      .with.property("code", "malformedJson");
    expect(parseApproval(JSON.stringify({ format: null, ceremony: NASTY }))).to.equal(undefined);
  });
});

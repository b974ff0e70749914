import { expect } from "chai";
import fc from "fast-check";
import { createEventParser } from "../../src/api/sse.ts";
import { isClocklessError } from "../../src/lib/errors.ts";

describe("the event parser", () => {
  it("reads events as the HTML standard says", () => {
    const parser = createEventParser("7");
    const events = parser.push(
      ": comment\n\ndata: a\ndata:b\n\nevent: x\r\ndata: {}\r\nid: 8\r\n\r\nid: bad\0id\ndata\n\nretry: 250\nretry: soon\nunknown: 1\n\n",
    );
    expect(events).to.deep.equal([
      { type: "message", data: "a\nb", id: "7" },
      { type: "x", data: "{}", id: "8" },
      { type: "message", data: "", id: "8" },
    ]);
    expect(parser.retryMs).to.equal(250);
  });

  it("gives the same events however the stream is cut", () => {
    const text =
      "event: a\r\ndata: 1\r\n\r\n: beat\n\nid: 5\rdata: 2\r\rdata: ü€\n\nevent: b\ndata: x\ndata: y\nid: 6\n\n";
    const whole = createEventParser().push(text);
    expect(whole).to.have.length(4);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length })), (cuts) => {
        const parser = createEventParser();
        const points = [0, ...cuts.sort((a, b) => a - b), text.length];
        const events = points.slice(1).flatMap((end, k) => parser.push(text.slice(points[k], end)));
        expect(events).to.deep.equal(whole);
      }),
      { verbose: true },
    );
  });

  it("refuses an event without end, in one line or in many", () => {
    for (const piece of ["x".repeat(100_000), `data: ${"x".repeat(100_000)}\n`]) {
      const parser = createEventParser();
      let code = "none";
      try {
        for (let k = 0; k < 20; k++) parser.push(piece);
      } catch (error) {
        code = isClocklessError(error) ? error.code : "other";
      }
      expect(code).to.equal("answerTooLarge");
    }
  });
});

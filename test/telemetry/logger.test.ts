import { expect } from "chai";
import { ClocklessError } from "../../src/lib/errors.ts";
import { createPinoLogger, type LoggerOptions } from "../../src/telemetry/pino.ts";
import { type LogLine, silentLogger } from "../../src/telemetry/silent.ts";

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const output = { write: (line: string) => void lines.push(line) };
  const logger = createPinoLogger({ level: "debug", format: "json", ...options, output });
  return { logger, lines, parsed: () => lines.map((line): Record<string, unknown> => JSON.parse(line)) };
}

describe("telemetry/pino", () => {
  it("writes one JSON object per line with level, time, message and the fields of all ancestors", () => {
    const { logger, lines, parsed } = capture({ fields: { member: 3 } });
    logger.child({ room: "transport" }).child({ peer: 1 }).warn("lost\nthe peer", { address: "/ip4/10.0.0.1/tcp/9" });
    expect(lines).to.have.length(1);
    expect(lines[0]!.indexOf("\n")).to.equal(lines[0]!.length - 1);
    const [line] = parsed();
    expect(line).to.include({
      level: "warn",
      member: 3,
      room: "transport",
      peer: 1,
      message: "lost\nthe peer",
      address: "/ip4/10.0.0.1/tcp/9",
    });
    expect(Date.parse(String(line!.time))).to.be.closeTo(Date.now(), 600_000);
  });

  it("writes nothing below its level", () => {
    const { logger, lines } = capture({ level: "warn" });
    logger.debug("a");
    logger.info("b", { c: 1 });
    logger.error("d");
    expect(lines).to.have.length(1);
  });

  it("never shows the value of a field with a secret's name, at any depth, in any spelling", () => {
    for (const format of ["json", "pretty"] as const) {
      const { logger, lines } = capture({ format, fields: { password: "hunter2" } });
      const secret = "hunter2";
      logger.child({ privateKey: secret }).info("keys", {
        secret,
        PASSWORD: secret,
        "api-key": secret,
        keystorePassword: secret,
        nested: { list: [{ mnemonic: secret }], Authorization: `Bearer ${secret}` },
        identity: new Uint8Array(32).fill(0x77),
        shares: { bn254: new Uint8Array(32).fill(0x77) },
        map: new Map([["signing_key", secret]]),
        error: new ClocklessError("code", "text", {
          details: { passphrase: secret },
          cause: new ClocklessError("c", "t", { details: { secret } }),
        }),
      });
      expect(lines.join("")).not.to.include("hunter2").and.not.to.include("7777");
      expect(lines.join("").match(/\[redacted\]/g)).to.have.length(13);
    }
  });

  it("keeps names that only look like secrets", () => {
    const { logger, parsed } = capture();
    logger.info("x", { token: "0xabc", coinShares: "7", shares: 4, publicKey: "0x02", secretly: "no" });
    expect(parsed()[0]).to.include({ token: "0xabc", coinShares: "7", shares: 4, publicKey: "0x02", secretly: "no" });
  });

  it("says bigints, bytes, dates and errors in a way that JSON can carry", () => {
    const { logger, parsed } = capture();
    logger.error("x", {
      amount: 2n ** 70n,
      digest: Uint8Array.of(1, 255),
      block: new Uint8Array(1_000),
      error: new ClocklessError("badThing", "It broke", { details: { at: 5n } }),
      plain: new TypeError("oops"),
      long: "x".repeat(10_000),
    });
    const [line] = parsed();
    expect(line).to.include({ amount: (2n ** 70n).toString(), digest: "0x01ff" });
    expect(line!.block).to.match(/\(1000 bytes\)$/);
    expect(line!.error).to.deep.equal({ code: "badThing", message: "It broke", at: "5" });
    expect(line!.plain).to.include({ name: "TypeError", message: "oops" });
    expect(String(line!.long).length).to.be.lessThan(5_000);
  });

  it("survives cycles and huge values, as foreign data may be anything", () => {
    const { logger, lines } = capture();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    logger.info("x", { cycle, many: Array.from({ length: 100_000 }, (_, i) => i) });
    expect(lines[0]!.length).to.be.lessThan(10_000);
  });

  it("writes people one line, in which foreign text cannot forge another or colour the terminal", () => {
    const { logger, lines } = capture({ format: "pretty" });
    logger.info("hello\n12:00:00.000 ERROR forged", { peer: 2, name: "a\u001b[31mred\r\nb", path: "/a/b" });
    expect(lines).to.have.length(1);
    expect(lines[0]!.trimEnd()).not.to.match(/\p{Cc}/u);
    expect(lines[0]).to.match(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}hello\\u000a12/);
    expect(lines[0]).to.include(" peer=2 ").and.to.include("path=/a/b");
  });
});

describe("telemetry/silent logger", () => {
  it("keeps lines with the fields of all ancestors", () => {
    const lines: LogLine[] = [];
    silentLogger(lines).child({ a: 1 }).child({ b: 2 }).error("x", { c: 3 });
    expect(lines).to.deep.equal([{ level: "error", message: "x", fields: { a: 1, b: 2, c: 3 } }]);
  });
});

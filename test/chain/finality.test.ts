import { expect } from "chai";
import fc from "fast-check";
import { agreeOnFinalBlock } from "../../src/chain/finality.ts";
import { ChainError } from "../../src/chain/port.ts";
import type { RpcEndpoint } from "../../src/chain/rpc-endpoint.ts";
import type { Hex } from "../../src/lib/hex.ts";

const hashOf = (chain: number, height: number): Hex => `0x${((chain << 16) | height).toString(16).padStart(64, "0")}`;

/** An endpoint that follows chain `chain` (0 is the true one) and calls `height` final; undefined: it is down. */
function endpoint(name: string, chain: number, height: number | undefined): RpcEndpoint {
  return {
    name,
    async request(method, [tag]) {
      if (height === undefined) throw new ChainError("rpcUnavailable", "down", { isTransient: true });
      if (method !== "eth_getBlockByNumber") throw new Error(method);
      const number = tag === "finalized" ? height : Number(tag);
      // Honest nodes know a little more than they call final; a liar "knows" everything.
      if (chain === 0 && number > height + 3) return null;
      return { number: `0x${number.toString(16)}`, hash: hashOf(chain, number) };
    },
    isPaused: () => false,
    penalise: () => undefined,
    health: () => ({ name, score: 1, latencyMs: 1, pausedUntilMs: 0, lastProblem: undefined }),
  };
}

const height = fc.integer({ min: 1, max: 60_000 });
const honest = fc.array(fc.option(height, { nil: undefined }), { minLength: 1, maxLength: 5 });

describe("chain: agreement on finality", () => {
  it("never believes fewer liars than the required agreement, wherever they claim to be, even when they collude", async () => {
    await fc.assert(
      fc.asyncProperty(honest, fc.array(height, { maxLength: 4 }), fc.boolean(), async (truthful, lies, collude) => {
        const required = lies.length + 1;
        const endpoints = [
          ...truthful.map((at, i) => endpoint(`honest ${i}`, 0, at)),
          ...lies.map((at, i) => endpoint(`liar ${i}`, collude ? 1 : i + 1, at)),
        ];
        try {
          const agreed = await agreeOnFinalBlock(endpoints, { kind: "finalized" }, required);
          expect(agreed.hash).to.equal(hashOf(0, Number(agreed.number)));
          expect(agreed.endpoints.length).to.be.at.least(required);
          // Some honest endpoint calls it, or something on top of it, final.
          expect(Math.max(...truthful.map((at) => at ?? 0))).to.be.at.least(Number(agreed.number));
        } catch (error) {
          expect(error).to.be.instanceOf(ChainError);
          expect(["disagreement", "rpcUnavailable"]).to.include(error instanceof ChainError && error.code);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("finds the newest block that enough honest endpoints share while a minority lies", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(height, { minLength: 3, maxLength: 5 }), height, async (truthful, lie) => {
        const endpoints = [...truthful.map((at, i) => endpoint(`honest ${i}`, 0, at)), endpoint("liar", 1, lie)];
        const agreed = await agreeOnFinalBlock(endpoints, { kind: "finalized" }, 2);
        const [, second = 0] = [...truthful].sort((a, b) => b - a);
        expect(agreed.number >= BigInt(second)).to.equal(true);
        expect(agreed.hash).to.equal(hashOf(0, Number(agreed.number)));
      }),
      { numRuns: 300 },
    );
  });

  it("abstains when two camps are equally large", async () => {
    const endpoints = [0, 0, 1, 1].map((chain, i) => endpoint(`${i}`, chain, 7));
    const error = await agreeOnFinalBlock(endpoints, { kind: "finalized" }, 2).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ChainError).with.property("code", "disagreement");
  });
});

/**
 * What every suite has in common: the seed of everything random, and the time that a test may take.
 * `npm test` always takes the same seed, so that a verdict is about the change and not about luck; `npm run test:long` draws a fresh
 * one and prints it. CLOCKLESS_SEED=N repeats a run.
 */
import fc from "fast-check";
import type { Context, RootHookObject } from "mocha";

export const seed = Number(process.env.CLOCKLESS_SEED ?? 1);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });

/** No verdict is about the machine: whatever a suite says, each of its tests has as long as .mocharc.json gives at least. */
const LEAST_MS = 600_000;

export const mochaHooks: RootHookObject = {
  beforeEach(this: Context) {
    const limit = this.currentTest?.timeout() ?? 0;
    if (limit > 0 && limit < LEAST_MS) this.currentTest?.timeout(LEAST_MS);
  },
};

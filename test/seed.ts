/**
 * The seed of everything random in the tests. `npm test` always takes the same one, so that a verdict is about the change and not
 * about luck; `npm run test:long` draws a fresh one and prints it. CLOCKLESS_SEED=N repeats a run.
 */
import fc from "fast-check";

export const seed = Number(process.env.CLOCKLESS_SEED ?? 1);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });

/**
 * Gas of verifying one certificate, per suite, over many digests; see verifier-gas.ts for what is counted.
 *
 *   node scripts/bench/gas.ts [--digests 256] [--seed text] [--json]
 *
 * Needs a build (`hardhat build`). Runs on Hardhat's simulated network under Osaka's rules. Digests and keys are derived
 * from the seed, so that a run can be repeated exactly. Exits with 1 when a promised limit is exceeded.
 */
import { parseArgs } from "node:util";
import { network } from "hardhat";
import { SUITES } from "../../src/threshold/types.ts";
import { GAS_LIMITS, measureVerifier } from "./verifier-gas.ts";

const { values: options } = parseArgs({
  options: {
    digests: { type: "string", default: "256" },
    seed: { type: "string", default: "clockless" },
    json: { type: "boolean", default: false },
  },
});
const count = Number(options.digests);
if (!Number.isSafeInteger(count) || count < 1) throw new Error("--digests must be a positive integer");

const connection = await network.create({ network: "default", chainType: "l1" });
const results = [];
for (const suite of SUITES) {
  const measured = await measureVerifier(connection, suite, count, options.seed);
  const limit = GAS_LIMITS[suite];
  const withinLimit = measured.verify.mean <= limit.mean && measured.verify.worst <= limit.worst;
  results.push({ ...measured, limit, withinLimit });
}
await connection.close();

if (options.json) {
  console.log(JSON.stringify({ bench: "gas", hardfork: "osaka", seed: options.seed, results }));
} else {
  for (const { suite, digests, proofBytes, verify, hashToG1, limit } of results) {
    console.log(`${suite}: ${digests} digests, proof ${proofBytes} bytes`);
    console.log(`  verify      mean ${verify.mean}  best ${verify.best}  worst ${verify.worst}`);
    console.log(`              limit: mean ${limit.mean}, worst ${limit.worst}`);
    console.log(`  hash to G1  mean ${hashToG1.mean}  best ${hashToG1.best}  worst ${hashToG1.worst}`);
  }
}
if (results.some(({ withinLimit }) => !withinLimit)) {
  console.error("gas limit exceeded");
  process.exitCode = 1;
}

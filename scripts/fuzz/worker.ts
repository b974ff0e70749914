/** One thread of the fuzzer: takes jobs (a decoder, executions, a seed), answers with reports. */
import { parentPort, workerData } from "node:worker_threads";
import { measureAllocations } from "./allocations.ts";
import { Coverage } from "./coverage.ts";
import { ABOUT_HEADER, type Job, type ThreadData } from "./layout.ts";

// Before anything is loaded that is to be measured.
const allocations = measureAllocations();
const coverage = new Coverage();
coverage.start();
const { Campaign } = await import("./campaign.ts");
const { installNativeKeccak } = await import("../../src/keys/native-keccak.ts");
const { CONTROLS } = await import("./targets/controls.ts");
const { createTargets } = await import("./targets/index.ts");

await installNativeKeccak();
// CAST: what pool.ts gives
const { shared, isControlled } = workerData as ThreadData;
const targets = isControlled ? CONTROLS : await createTargets();
const about = new Uint8Array(shared, ABOUT_HEADER);
const header = new Int32Array(shared, 0, 2);

parentPort!.on("message", ({ decoder, executions, seed, input }: Job) => {
  const target = targets.find(({ name }) => name === decoder)!;
  const campaign = new Campaign(target, {
    coverage,
    allocations,
    about(bytes) {
      about.set(bytes);
      header[1] = bytes.length;
      Atomics.add(header, 0, 1);
    },
  });
  parentPort!.postMessage(input === undefined ? campaign.run(executions, seed) : campaign.replay(input));
});
parentPort!.postMessage(targets.map(({ name, weight = 1 }) => ({ name, weight })));

/** The thread that `clockless simulate` computes in: one order comes in as workerData, one report goes out. */
import { parentPort, workerData } from "node:worker_threads";
import { installNativeKeccak } from "../keys/native-keccak.ts";
import { type SimulationConfig, simulate } from "../testing/simulator/simulate.ts";
import { createEngines } from "../threshold/engines.ts";

export interface SimulationOrder extends Omit<SimulationConfig, "engines"> {
  readonly crypto: "stand-in" | "real";
}

if (parentPort !== null) {
  const { crypto, ...config } = workerData as SimulationOrder; // CAST: commands/simulate.ts is the only one that starts us
  await installNativeKeccak();
  const engines = crypto === "real" ? await createEngines("fast") : undefined;
  parentPort.postMessage(simulate({ ...config, engines }));
}

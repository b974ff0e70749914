/** A relayer process for tests that kill it. Arguments: path of a JSON file with its configuration, and the sender's key. */
import { readFileSync } from "node:fs";
import { relayerConfigSchema } from "../../../src/relayer/config.ts";
import { createRelayer } from "../../../src/relayer/relayer.ts";
import { recordingLogger } from "../../chain/support/recorder.ts";
import { engines } from "./committee.ts";

const [file = "", key] = process.argv.slice(2);
const config = relayerConfigSchema.parse(JSON.parse(readFileSync(file, "utf8")));
const relayer = await createRelayer(config, {
  ...{ logger: recordingLogger(), environment: { KEY_0: key }, engines },
  onEvent: (event) => console.log(event.kind),
});
relayer.start();
console.log("ready");

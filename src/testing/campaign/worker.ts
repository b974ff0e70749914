/** A thread of a campaign: one order in, one answer out. */
import { parentPort } from "node:worker_threads";
import { installNativeKeccak } from "../../keys/native-keccak.ts";
import { ruleOf } from "../rules/rules.ts";
import { runControl } from "./controls.ts";
import { runTwice } from "./job.ts";
import type { RunConfig } from "./plan.ts";
import { shrink } from "./shrink.ts";
import { runTwins } from "./twins.ts";
import type { TwinsPlan } from "./twins-campaign.ts";

export type Order =
  | { readonly kind: "run"; readonly config: RunConfig }
  | { readonly kind: "shrink"; readonly config: RunConfig; readonly violation: string }
  | { readonly kind: "control"; readonly name: string }
  | { readonly kind: "twins"; readonly plan: TwinsPlan; readonly first: number; readonly count: number };

const port = parentPort;
if (port !== null) {
  await installNativeKeccak();
  port.on("message", (order: Order) => {
    switch (order.kind) {
      case "run":
        port.postMessage(runTwice(order.config));
        break;
      case "shrink":
        port.postMessage(shrink(order.config, order.violation));
        break;
      case "control":
        port.postMessage(runControl(order.name));
        break;
      case "twins":
        port.postMessage(runTwins({ ...order.plan, createRule: ruleOf(order.plan.rule) }, order.first, order.count));
        break;
    }
  });
}

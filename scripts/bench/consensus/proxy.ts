/** The delay proxy as a process of its own: its work must not disturb the clock of whoever measures. */
import { type Route, startProxy } from "./network.ts";

process.once("message", async (routes) => {
  const proxy = await startProxy(routes as readonly Route[]); // CAST: run.ts sends nothing else
  process.on("message", (times) => proxy.slowDown(Number(times)));
  process.send?.("ready");
});
process.once("disconnect", () => process.exit(0));

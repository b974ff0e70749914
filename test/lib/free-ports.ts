/**
 * Ports for servers that a test starts later. They lie below the range out of which systems serve connections and `listen(0)`, and
 * each process begins elsewhere: neither a connection nor a suite that runs beside this one takes them in the meantime.
 */
import { createServer } from "node:net";

const FIRST = 20_000;
const COUNT = 12_000;
let next = (process.pid * 61) % COUNT;

/** So many that are free now, all different, and none that was given out before. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

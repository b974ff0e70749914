import { createServer, Socket } from "node:net";
import { expect } from "chai";
import { freePorts, isConnected, membersAt, startNode, until } from "./mesh.ts";

describe("transport/window", function () {
  this.timeout(600_000);
  const closers: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  it("answers small messages with nothing, and large ones with as many window updates as keep them coming", async () => {
    const [a, b, between] = (await freePorts(3)) as [number, number, number];
    // The first member finds the second only through a relay that counts what comes back; the second cannot dial.
    let backBytes = 0;
    const relay = createServer((near) => {
      const far = new Socket().connect(b, "127.0.0.1");
      near.on("error", () => {}).on("close", () => far.destroy());
      far.on("error", () => {}).on("close", () => near.destroy());
      near.pipe(far);
      far.pipe(near);
      far.on("data", (chunk: Buffer) => {
        backBytes += chunk.length;
      });
      closers.push(() => near.destroy());
    });
    await new Promise<void>((resolve) => relay.listen(between, "127.0.0.1", resolve));
    closers.push(() => relay.close());
    const [first, second] = membersAt([a, b]);
    const members = [
      { ...first!, multiaddrs: [] },
      { ...second!, multiaddrs: [`/ip4/127.0.0.1/tcp/${between}`] },
    ];
    const listening = await startNode(members, 1, { listen: [`/ip4/127.0.0.1/tcp/${b}`] });
    closers.push(() => listening.transport.stop());
    const dialling = await startNode(members, 0, { listen: [`/ip4/127.0.0.1/tcp/${a}`] });
    closers.push(() => dialling.transport.stop());
    await until("they are connected", () => isConnected(dialling) && isConnected(listening));
    const before = backBytes;
    for (let n = 0; n < 300; n++) {
      dialling.transport.send(1, new Uint8Array(100));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until("the small ones arrived", () => listening.received.length === 300);
    // One update would be 12 bytes of yamux and 18 of Noise; 300 of them 9,000. Probes and one update fit.
    expect(backBytes - before).to.be.below(1_000);
    for (let n = 0; n < 20; n++) dialling.transport.send(1, new Uint8Array(1_000_000));
    await until("the large ones arrived", () => listening.received.length === 320);
  });
});

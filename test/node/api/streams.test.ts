import { connect } from "node:net";
import { expect } from "chai";
import { createApiClient, type EventOptions } from "../../../src/api/client.ts";
import type { StreamEvent } from "../../../src/api/schema.ts";
import { errorOf, type Started, start, stopAll } from "../../api/server.ts";
import { createWorld, hash } from "../../api/world.ts";

type Event = StreamEvent & { readonly id: string };

/** Reads events until `enough` says so. */
async function collect(
  started: Started,
  options: EventOptions,
  enough: (events: Event[]) => boolean,
): Promise<Event[]> {
  const controller = new AbortController();
  const events: Event[] = [];
  for await (const event of started.client.events({ ...options, signal: controller.signal })) {
    events.push(event);
    if (enough(events)) controller.abort();
  }
  return events;
}

const name = (event: Event): string => {
  if (event.type === "batch") return `batch ${event.batch.header.sequence}`;
  if (event.type === "receipt") return `receipt ${event.receipt.sequence}.${event.receipt.position}`;
  if (event.type === "gap") return `gap ${event.gap.from}-${event.gap.to}`;
  return `certificate ${event.certificate.header.sequence}`;
};

/** What the server writes to a stream on which nothing happens. */
const HEARTBEAT = ": \n\n";

describe("the event stream", () => {
  afterEach(stopAll);

  it("starts now, with the newest certificate, and goes on live", async () => {
    const world = createWorld();
    world.settle();
    world.certify(1n);
    const started = await start(world);
    const reading = collect(started, {}, (events) => events.length === 5);
    while (started.server.streams === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    world.settle({ receipts: [hash(1), hash(2)] });
    world.certify(2n);
    const events = await reading;
    expect(events.map(name).sort()).to.deep.equal(
      ["certificate 1", "receipt 2.0", "receipt 2.1", "batch 2", "certificate 2"].sort(),
    );
    expect(events.find(({ type }) => type === "batch")?.id).to.equal("2");
  });

  it("replays summaries without reading whole batches, and leaves others their turns meanwhile", async () => {
    const world = createWorld();
    for (let k = 0; k < 400; k++) world.settle();
    let reads = 0;
    const counting = {
      ...world,
      batch: (sequence: bigint) => {
        reads++;
        return world.batch(sequence);
      },
    };
    const started = await start(counting);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const events = await collect(started, { lastEventId: "0", types: ["batch"] }, (seen) => seen.length === 400);
    clearInterval(timer);
    expect(events.map(({ id }) => id)).to.deep.equal(Array.from({ length: 400 }, (_, k) => `${k + 1}`));
    expect(reads).to.equal(0);
    expect(turns).to.be.greaterThan(1);
  });

  it("resumes after the last id without losing anything", async () => {
    const world = createWorld();
    for (let k = 0; k < 5; k++) world.settle({ receipts: [hash(k)] });
    const started = await start(world);
    const events = await collect(started, { lastEventId: "2" }, (seen) => seen.length === 6);
    expect(events.map(name)).to.deep.equal([
      "receipt 3.0",
      "batch 3",
      "receipt 4.0",
      "batch 4",
      "receipt 5.0",
      "batch 5",
    ]);
    expect(events.map(({ id }) => id)).to.deep.equal(["2", "3", "3", "4", "4", "5"]);
  });

  it("reconnects by itself and resumes where the broken connection stopped", async () => {
    const world = createWorld();
    for (let k = 0; k < 3; k++) world.settle();
    const first = await start(world);
    const reconnects: string[] = [];
    const reading = collect(
      first,
      { lastEventId: "0", types: ["batch"], retryMs: 10, onReconnect: ({ code }) => reconnects.push(code) },
      (events) => events.length === 5,
    );
    while (first.server.streams === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.server.close(0);
    world.settle();
    world.settle();
    await start(world, { port: first.port });
    expect((await reading).map(name)).to.deep.equal(["batch 1", "batch 2", "batch 3", "batch 4", "batch 5"]);
    expect(reconnects).to.include("networkFailure");
  });

  it("says which batches it can no longer replay", async () => {
    const world = createWorld();
    for (let k = 0; k < 4; k++) world.settle();
    world.forgetBefore(3n);
    const started = await start(world);
    const events = await collect(started, { lastEventId: "0", types: ["batch"] }, (seen) => seen.length === 3);
    expect(events.map(name)).to.deep.equal(["gap 1-2", "batch 3", "batch 4"]);
  });

  it("sends the newest certificate only to whoever slept", async () => {
    const world = createWorld();
    for (let k = 1n; k <= 4n; k++) world.certify(world.settle());
    const started = await start(world);
    const events = await collect(started, { lastEventId: "1", types: ["certificate"] }, (seen) => seen.length === 1);
    expect(events.map(name)).to.deep.equal(["certificate 4"]);
  });

  it("puts the id on the last receipt when only receipts are asked for", async () => {
    const world = createWorld();
    world.settle({ receipts: [hash(1), hash(2)] });
    const started = await start(world);
    const events = await collect(started, { lastEventId: "0", types: ["receipt"] }, (seen) => seen.length === 2);
    expect(events.map(({ id }) => id)).to.deep.equal(["0", "1"]);
  });

  it("drops a client that stops reading, and keeps no queue for it", async () => {
    const world = createWorld();
    const started = await start(world, { streamStallMs: 100 });
    const socket = connect(started.port, "127.0.0.1", () =>
      socket.write("GET /v1/events HTTP/1.1\r\nhost: x\r\nlast-event-id: 0\r\n\r\n"),
    );
    socket.on("error", () => undefined);
    socket.pause();
    while (started.server.streams === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // About 10 MB of receipts: more than the kernel buffers for a reader that sleeps.
    const receipts = Array.from({ length: 1000 }, (_, k) => hash(k));
    for (let k = 0; k < 30; k++) world.settle({ receipts });
    while (started.server.streams > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
  });

  it("sends heartbeats, and the client takes silence for death", async () => {
    const world = createWorld();
    const quiet = await start(world, { streamHeartbeatMs: 60_000 });
    const reasons: string[] = [];
    const controller = new AbortController();
    for await (const _ of quiet.client.events({
      signal: controller.signal,
      idleTimeoutMs: 2_000,
      retryMs: 1,
      onReconnect: ({ code }) => {
        reasons.push(code);
        controller.abort();
      },
    }));
    expect(reasons).to.deep.equal(["timeout"]);

    const beating = await start(world, { streamHeartbeatMs: 20 });
    const { body } = await fetch(`${beating.url}/v1/events`);
    let heard = "";
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      heard += chunk;
      if (heard.split(HEARTBEAT).length > 3) break;
    }

    // The same beat from within this process, whose timers fire in order however late: four times the patience.
    const stop = new AbortController();
    let beats = 0;
    let timer: NodeJS.Timeout | undefined;
    const stream = new ReadableStream({
      start(controller) {
        stop.signal.addEventListener("abort", () => controller.error(new Error("aborted")));
        timer = setInterval(() => {
          if (++beats === 40) stop.abort();
          else controller.enqueue(new TextEncoder().encode(HEARTBEAT));
        }, 20);
      },
    });
    const headers = { "content-type": "text/event-stream" };
    const client = createApiClient({ url: beating.url, fetch: async () => new Response(stream, { headers }) });
    const failures: string[] = [];
    for await (const _ of client.events({
      signal: stop.signal,
      idleTimeoutMs: 200,
      onReconnect: ({ code }) => {
        failures.push(code);
        stop.abort();
      },
    }));
    clearInterval(timer);
    expect([beats, failures]).to.deep.equal([40, []]);
  });

  it("refuses more streams than its limit", async () => {
    const started = await start(createWorld(), { maxStreams: 1 });
    const stop = new AbortController();
    const socket = connect(started.port, "127.0.0.1", () => socket.write("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n"));
    while (started.server.streams === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const codes: string[] = [];
    for await (const _ of started.client.events({
      signal: stop.signal,
      onReconnect: ({ code }) => {
        codes.push(code);
        stop.abort();
      },
    }));
    expect(codes).to.deep.equal(["tooManyConnections"]);
    socket.destroy();
  });

  it("ends with the error when asked for something that does not exist", async () => {
    const started = await start(createWorld());
    const events = started.client.events({ lastEventId: "not-a-number" });
    expect((await errorOf(events.next())).code).to.equal("badRequest");
  });
});

/**
 * All clients of the benchmark in one process: submits instructions at a fixed rate, whatever comes back (open loop), each to one
 * member, and believes nothing but certificates: verifies each with the fast engine, recomputes the state that it signs from the ids
 * in the batch, and then looks which of its own are among them.
 *
 * In the world each client verifies for itself. Here a certificate that several members hand out is verified once, and what that took
 * is added to everybody's figure.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { decodeCertificate } from "../../../src/batch/certificate.ts";
import { headerDigest } from "../../../src/batch/header.ts";
import type { Certificate } from "../../../src/batch/types.ts";
import { installNativeKeccak } from "../../../src/keys/native-keccak.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { bytesToHex, hexToBytes } from "../../../src/lib/hex.ts";
import { createRandom } from "../../../src/testing/random.ts";
import { createEngines } from "../../../src/threshold/engines.ts";
import { type Engine, SUITES, type Suite } from "../../../src/threshold/types.ts";
import { encodeFrame, FRAME, readFrames } from "./frames.ts";
import { keyOf, stateAfter } from "./opaque.ts";
import { percentilesOf, Samples } from "./statistics.ts";
import type { LoadCommand, LoadMessage, LoadOptions, LoadReport } from "./types.ts";

const TICK_MS = 10;
const ID_BYTES = 32;
/** Certificates remembered as verified: members are seconds apart at most. */
const KEPT_CERTIFICATES = 4096;

/** When own instructions of a batch were submitted, and how many suites have certified it. */
interface OpenBatch {
  readonly submittedMs: readonly number[];
  suites: number;
}

class Client {
  readonly socket: Socket;
  readonly waiting = new Map<string, number>();
  readonly batches = new Map<bigint, OpenBatch>();
  counter = 0n;
  /** Instructions owed since the last tick, with their fraction. */
  due = 0;

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
  }
}

class Load {
  readonly #options: LoadOptions;
  readonly #engines: Readonly<Record<Suite, Engine>>;
  readonly #clients: readonly Client[];
  readonly #template: Uint8Array;
  readonly #verdicts = new Map<string, { readonly isValid: boolean; readonly tookMs: number }>();
  readonly #first = new Samples();
  readonly #all = new Samples();
  readonly #perSecond: number[] = [];
  readonly #faults = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #lastMs = 0;
  #fromMs = Number.POSITIVE_INFINITY;
  #toMs = Number.POSITIVE_INFINITY;
  #cpuFromUs = 0;
  #cpuUs = 0;
  #submitted = 0;
  #certified = 0;
  #refused = 0;
  #verified = 0;
  #verifyingMs = 0;

  constructor(options: LoadOptions, engines: Readonly<Record<Suite, Engine>>) {
    this.#options = options;
    this.#engines = engines;
    this.#template = createRandom(options.seed, "instructions").bytes(options.instructionBytes);
    this.#clients = options.clientPorts.map((port, member) => {
      const client = new Client(port);
      readFrames(client.socket, (kind, body) => {
        if (kind === FRAME.refused) this.#refused += body.readUInt32LE(0);
        else if (kind === FRAME.certified) this.#onCertified(client, body);
      });
      client.socket.on("error", () => {});
      client.socket.on("close", () => {
        if (!options.killed.includes(member)) this.#faults.add(`member ${member} closed its door`);
      });
      return client;
    });
  }

  async start(): Promise<void> {
    await Promise.all(this.#clients.map(({ socket }) => once(socket, "connect")));
    this.#lastMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  measure(): void {
    this.#fromMs = performance.now();
    this.#cpuFromUs = cpuUs();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#toMs = performance.now();
    this.#cpuUs = cpuUs() - this.#cpuFromUs;
  }

  /** Nothing more is asked of members that were killed. */
  #isUsable({ socket }: Client): boolean {
    return !socket.destroyed && socket.writable;
  }

  #tick(): void {
    const now = performance.now();
    const usable = this.#clients.filter((client) => this.#isUsable(client));
    const each = ((now - this.#lastMs) * this.#options.rate) / 1000 / Math.max(1, usable.length);
    this.#lastMs = now;
    for (const client of usable) {
      client.due += each;
      const count = Math.floor(client.due);
      client.due -= count;
      if (count > 0) this.#submit(client, count, now);
    }
  }

  #submit(client: Client, count: number, now: number): void {
    const size = this.#options.instructionBytes;
    const body = Buffer.allocUnsafe(4 + count * size);
    body.writeUInt32LE(count, 0);
    const member = this.#clients.indexOf(client);
    for (let i = 0; i < count; i++) {
      const at = 4 + i * size;
      body.set(this.#template, at);
      body.writeUInt16LE(member, at);
      body.writeBigUInt64LE(client.counter++, at + 2);
      client.waiting.set(keyOf(keccak256(body.subarray(at, at + size)), 0), now);
    }
    if (now >= this.#fromMs) this.#submitted += count;
    client.socket.write(encodeFrame(FRAME.submit, body));
  }

  #onCertified(client: Client, body: Buffer): void {
    const suite = SUITES[body.readUInt8(0)]!;
    const length = body.readUInt32LE(1);
    let at = 5 + length;
    const certificate = decodeCertificate(body.subarray(5, at));
    if (certificate.suite !== suite) return void this.#faults.add("a certificate of another suite");
    const arrivedMs = performance.now();
    const { isValid, tookMs } = this.#verify(certificate);
    if (!isValid) return void this.#faults.add("a false certificate");
    const doneMs = arrivedMs + tookMs;
    const { sequence, state } = certificate.header;
    let batch = client.batches.get(sequence);
    if (batch === undefined) {
      const before = bytesToHex(body.subarray(at, at + 32));
      const count = body.readUInt32LE(at + 32);
      at += 36;
      const blocks: { author: number; count: number; root: Uint8Array }[] = [];
      const submittedMs: number[] = [];
      for (let i = 0; i < count; i++) {
        const [author, ids, isOwn] = [body.readUInt16LE(at), body.readUInt32LE(at + 2), body.readUInt8(at + 6) === 1];
        at += 7;
        const content = body.subarray(at, at + (isOwn ? ID_BYTES * ids : ID_BYTES));
        at += content.length;
        blocks.push({ author, count: ids, root: isOwn ? keccak256(content) : content });
        if (isOwn) this.#find(client, content, submittedMs);
      }
      if (stateAfter(before, blocks) !== state) return void this.#faults.add("a batch that is not what was signed");
      batch = { submittedMs, suites: 0 };
      client.batches.set(sequence, batch);
      this.#count(batch, doneMs, this.#first);
    }
    batch.suites++;
    if (batch.suites < this.#options.committee.requiredSuites.length) return;
    client.batches.delete(sequence);
    this.#count(batch, doneMs, this.#all);
    if (doneMs < this.#fromMs || doneMs > this.#toMs) return;
    const second = Math.floor((doneMs - this.#fromMs) / 1000);
    this.#perSecond[second] = (this.#perSecond[second] ?? 0) + batch.submittedMs.length;
    this.#certified += batch.submittedMs.length;
  }

  #find(client: Client, ids: Buffer, submittedMs: number[]): void {
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const id = keyOf(ids, at);
      const from = client.waiting.get(id);
      if (from === undefined) {
        this.#faults.add("an instruction that was never submitted, or came twice");
        continue;
      }
      client.waiting.delete(id);
      submittedMs.push(from);
    }
  }

  /** Those that were submitted while it was measured. */
  #count({ submittedMs }: OpenBatch, doneMs: number, into: Samples): void {
    for (const from of submittedMs) if (from >= this.#fromMs && from <= this.#toMs) into.add(doneMs - from);
  }

  #verify({ header, suite, signature }: Certificate): { readonly isValid: boolean; readonly tookMs: number } {
    const digest = headerDigest(header, this.#options.committee.id);
    const key = `${suite}${digest}${signature}`;
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const startedMs = performance.now();
    const groupKey = hexToBytes(this.#options.committee.keys[suite].groupKey);
    const isValid = this.#engines[suite].verify(groupKey, hexToBytes(digest), hexToBytes(signature));
    const verdict = { isValid, tookMs: performance.now() - startedMs };
    this.#verified++;
    this.#verifyingMs += verdict.tookMs;
    this.#verdicts.set(key, verdict);
    const oldest = this.#verdicts.keys().next().value;
    if (this.#verdicts.size > KEPT_CERTIFICATES && oldest !== undefined) this.#verdicts.delete(oldest);
    return verdict;
  }

  report(): LoadReport {
    let open = 0;
    for (const { waiting } of this.#clients)
      for (const from of waiting.values()) if (from >= this.#fromMs && from <= this.#toMs) open++;
    return {
      kind: "report",
      seconds: (this.#toMs - this.#fromMs) / 1000,
      submitted: this.#submitted,
      certified: this.#certified,
      refused: this.#refused,
      open,
      firstMs: percentilesOf(this.#first.values),
      allMs: percentilesOf(this.#all.values),
      verified: this.#verified,
      verifyMs: this.#verifyingMs / Math.max(1, this.#verified),
      faults: [...this.#faults],
      cpuUs: this.#cpuUs,
      perSecond: Array.from(this.#perSecond, (count) => count ?? 0),
    };
  }

  close(): void {
    for (const { socket } of this.#clients) socket.destroy();
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function tell(message: LoadMessage): void {
  process.send?.(message);
}

let load: Load | undefined;
process.on("message", async (message) => {
  const command = message as LoadCommand; // CAST: run.ts sends nothing else
  switch (command.kind) {
    case "start":
      await installNativeKeccak();
      load = new Load(command.options, await createEngines("fast"));
      await load.start();
      tell({ kind: "ready" });
      break;
    case "measure":
      load?.measure();
      break;
    case "stop":
      load?.stop();
      break;
    case "report":
      if (load !== undefined) tell(load.report());
      load?.close();
      process.disconnect();
      break;
  }
});
// Whoever started us is gone.
process.once("disconnect", () => process.exit(0));

/**
 * One member of the benchmark, a process: the shipping node (libp2p mesh, SQLite with its register, BLS in WebAssembly, one event loop)
 * with opaque content in the ledger's place and a binary door for clients instead of the HTTP API. Forked by run.ts.
 */
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { encodeCertificate } from "../../../src/batch/certificate.ts";
import {
  DEFAULT_ACTIVITY_WINDOW,
  DEFAULT_CONSENSUS_LIMITS,
  DEFAULT_RETAINED_ROUNDS,
} from "../../../src/consensus/limits.ts";
import { installNativeKeccak } from "../../../src/keys/native-keccak.ts";
import { createNativeSigner } from "../../../src/keys/native-signer.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { hexToBytes } from "../../../src/lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../../src/member/limits.ts";
import { countBytesWithHeap } from "../../../src/node/collector.ts";
import { createNodeMetrics } from "../../../src/node/metrics.ts";
import { Node } from "../../../src/node/node.ts";
import { MAX_FRAME_BYTES } from "../../../src/node/run-epoch.ts";
import { openSqliteStore } from "../../../src/storage/sqlite.ts";
import { createPinoLogger } from "../../../src/telemetry/pino.ts";
import { createPrometheusMetrics } from "../../../src/telemetry/prometheus.ts";
import { createCoin } from "../../../src/threshold/coin.ts";
import { createEngines } from "../../../src/threshold/engines.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";
import { createLibp2pTransport } from "../../../src/transport/libp2p.ts";
import type { Transport, TransportHandlers } from "../../../src/transport/port.ts";
import { encodeFrame, FRAME, readFrames } from "./frames.ts";
import { type BatchContent, OpaqueSettlement } from "./opaque.ts";
import type { MemberCommand, MemberMessage, MemberOptions } from "./types.ts";

const STATS_MS = 1_000;

/** What peers sent, by kind of message. */
class Traffic {
  #byKind: Record<string, { count: number; bytes: number }> = {};

  counting(handlers: TransportHandlers): TransportHandlers {
    return {
      ...handlers,
      onMessage: (from, bytes) => {
        const kind = kindOf(bytes);
        this.#byKind[kind] ??= { count: 0, bytes: 0 };
        const sum = this.#byKind[kind];
        sum.count++;
        sum.bytes += bytes.length;
        handlers.onMessage(from, bytes);
      },
    };
  }

  take(): Record<string, { count: number; bytes: number }> {
    const taken = this.#byKind;
    this.#byKind = {};
    return taken;
  }
}

/** By the tags of member/wire.ts and consensus/wire.ts. */
function kindOf(bytes: Uint8Array): string {
  const [tag, selector] = [bytes[4]!, bytes[5]!];
  if (tag > 0)
    return ["", "partials", "certificates", "certificatesWanted", "instructions", "closed"][tag] ?? "unknown";
  const kinds = ["block", "coinShares", "coin", "coinRequest", "fetch", "fetched", "bundle", "wantBundles"];
  return kinds[selector] ?? "unknown";
}

/** Profiles this process until the returned function is called, which writes a file that Chrome's and other tools read. */
async function startProfile(directory: string, index: number): Promise<() => Promise<void>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 200 });
  await session.post("Profiler.start");
  return async () => {
    const { profile } = await session.post("Profiler.stop");
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `member-${index}.cpuprofile`), JSON.stringify(profile));
  };
}

function tell(message: MemberMessage): void {
  process.send?.(message);
}

async function run(options: MemberOptions): Promise<void> {
  const { index, committee, identity, shares, peers, directory, pacing } = options;
  countBytesWithHeap();
  await installNativeKeccak();
  const engines = await createEngines("fast");
  const signer = createNativeSigner();
  const store = openSqliteStore({ directory, committeeId: committee.id });
  const logger = createPinoLogger({ level: "warn", format: "json", fields: { member: index } });
  const clients = new Set<Socket>();
  /** Until every suite's certificate is out. */
  const open = new Map<bigint, { readonly content: BatchContent; missing: number }>();
  const opaque = new OpaqueSettlement({
    committeeId: committee.id,
    epoch: committee.epoch,
    members: committee.members.length,
    patience: DEFAULT_RETAINED_ROUNDS / 2,
    limits: DEFAULT_MEMBER_LIMITS,
    onBatch: (content) => open.set(content.header.sequence, { content, missing: committee.requiredSuites.length }),
  });
  const mesh = createLibp2pTransport({
    committeeId: committee.id,
    self: index,
    identity,
    listen: [`/ip4/127.0.0.1/tcp/${options.p2pPort}`],
    members: peers,
    limits: { maxFrameBytes: MAX_FRAME_BYTES },
  });
  const received = new Traffic();
  const transport: Transport = {
    start: (handlers) => mesh.start(received.counting(handlers)),
    change: (members, self, handlers) => mesh.change(members, self, received.counting(handlers)),
    send: (to, bytes) => mesh.send(to, bytes),
    peers: () => mesh.peers(),
    mute: (peer, forMs) => mesh.mute(peer, forMs),
    hold: (peer, isHeld) => mesh.hold(peer, isHeld),
    stop: () => mesh.stop(),
  };
  const node = new Node({
    member: {
      committee,
      genesis: {
        committeeId: committee.id,
        epoch: committee.epoch,
        members: committee.members.length,
        assets: [{ id: committee.id, symbol: "NONE", decimals: 6 }],
        chains: [],
        markets: [],
        window: 64n,
      },
      opaque,
      self: index,
      secrets: { identity, shares },
      engines,
      createCoin: ({ id, epoch, keys }, secretShare) =>
        createCoin({
          engine: engines["bls12-381"],
          key: keys["bls12-381"],
          committeeId: id,
          epoch,
          ...(secretShare === undefined ? {} : { secretShare }),
        }),
      identities: signer,
      blockSigner: signer,
      retainedRounds: DEFAULT_RETAINED_ROUNDS,
      activityWindow: DEFAULT_ACTIVITY_WINDOW,
      consensusLimits: DEFAULT_CONSENSUS_LIMITS,
      limits: DEFAULT_MEMBER_LIMITS,
      pacing,
    },
    transport,
    peersOf: () => peers,
    store,
    createInboxes: () => [],
    inboxReach: 0n,
    market: undefined,
    logger,
    metrics: createNodeMetrics(createPrometheusMetrics({ withProcess: false, defaultLabels: {} })),
    nowMs: () => performance.now() / options.slowdown,
    onFatal: (error) => {
      logger.error("the member ends", { error });
      process.exit(1);
    },
  });

  const certified = (sequence: bigint, suite: Suite): void => {
    const batch = open.get(sequence);
    const stored = store.certificate(sequence, suite);
    if (batch === undefined || stored === undefined) return;
    const isFirst = batch.missing === committee.requiredSuites.length;
    if (--batch.missing === 0) open.delete(sequence);
    const { header, before } = batch.content;
    // What is in the batch is said once.
    const blocks = isFirst ? batch.content.blocks : [];
    const certificate = encodeCertificate({ header, suite, signature: stored.signature });
    const head = Buffer.alloc(5);
    head.writeUInt8(SUITES.indexOf(suite), 0);
    head.writeUInt32LE(certificate.length, 1);
    const count = Buffer.alloc(4);
    count.writeUInt32LE(blocks.length, 0);
    const parts: Uint8Array[] = [head, certificate, hexToBytes(before), count];
    for (const { author, ids } of blocks) {
      const own = author === index;
      const block = Buffer.alloc(7);
      block.writeUInt16LE(author, 0);
      block.writeUInt32LE(ids.length / 32, 2);
      block.writeUInt8(own ? 1 : 0, 6);
      parts.push(block, own ? ids : keccak256(ids));
    }
    const frame = encodeFrame(FRAME.certified, ...parts);
    for (const client of clients) client.write(frame);
  };
  node.subscribe((event) => {
    if (event.kind === "certificate") certified(event.sequence, event.suite);
  });

  const server = createServer({ noDelay: true }, (socket) => {
    clients.add(socket);
    socket.on("close", () => clients.delete(socket));
    socket.on("error", () => clients.delete(socket));
    readFrames(socket, (kind, body) => {
      if (kind !== FRAME.submit) return socket.destroy();
      const count = body.readUInt32LE(0);
      const size = (body.length - 4) / count;
      let refused = 0;
      const round = node.member.consensus.lastOwnRound + 1;
      for (let i = 0; i < count; i++) {
        if (!opaque.submit(body.subarray(4 + size * i, 4 + size * (i + 1)), round)) refused++;
      }
      if (refused > 0) {
        const answer = Buffer.alloc(4);
        answer.writeUInt32LE(refused, 0);
        socket.write(encodeFrame(FRAME.refused, answer));
      }
      // Nothing for the ledger: it makes the member look at what is due, after everything else that waits.
      void node.submit([]);
    });
  });
  server.listen(options.clientPort, "127.0.0.1");
  await once(server, "listening");
  await node.start();

  const loop = monitorEventLoopDelay({ resolution: 20 });
  loop.enable();
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    const { consensus, certifiedSequence } = node.member;
    const statuses = transport.peers();
    tell({
      kind: "stats",
      index,
      atMs: Date.now(),
      cpuUs: user + system,
      rss,
      heapUsed,
      heapTotal,
      external,
      arrayBuffers,
      round: consensus.highestRound,
      settledBatches: Number(opaque.sequence),
      certifiedBatches: Number(certifiedSequence),
      settled: opaque.settled,
      repeated: opaque.repeated,
      pending: opaque.pending,
      heldBlocks: consensus.sizes.blocks,
      heldBytes: consensus.sizes.heldBytes,
      connected: statuses.filter(({ connected }) => connected).length,
      bytesOut: statuses.reduce((sum, status) => sum + status.bytesOut, 0),
      received: received.take(),
      dropped: statuses.reduce((sum, status) => sum + status.dropped, 0),
      loopMeanMs: loop.mean / 1e6,
      loopMaxMs: loop.max / 1e6,
    });
    loop.reset();
  }, STATS_MS);
  let finishProfile: (() => Promise<void>) | undefined;
  process.on("message", async (message) => {
    const command = message as MemberCommand; // CAST: run.ts sends nothing else
    if (command.kind === "profile") {
      finishProfile = await startProfile(command.directory, index);
      return;
    }
    await finishProfile?.();
    clearInterval(timer);
    server.close();
    for (const client of clients) client.destroy();
    await node.stop();
    store.close();
    process.exit(0);
  });
  tell({ kind: "ready", index });
}

process.once("message", (options) => {
  // CAST: run.ts sends nothing else
  run(options as MemberOptions).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
// Whoever started us is gone.
process.once("disconnect", () => process.exit(0));

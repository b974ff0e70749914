/** Runs one measurement: a committee of member processes, perhaps a network between them, clients, and what all of them say. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { freePorts } from "../../../src/cli/devnet/processes.ts";
import { bytesToHex } from "../../../src/lib/hex.ts";
import type { Pacing } from "../../../src/member/types.ts";
import { ALLOCATOR } from "../../../src/node/allocator.ts";
import { createTestCommittee } from "../../../src/testing/committee.ts";
import { createRandom } from "../../../src/testing/random.ts";
import type { PeerConfig } from "../../../src/transport/port.ts";
import { type Route, regionOf, roundTripMs } from "./network.ts";
import type {
  LoadCommand,
  LoadMessage,
  LoadOptions,
  LoadReport,
  MemberCommand,
  MemberMessage,
  MemberOptions,
  MemberStats,
} from "./types.ts";

export interface RunOptions {
  readonly members: number;
  readonly rate: number;
  readonly instructionBytes: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Five regions with their round trips; otherwise one machine. */
  readonly wide: boolean;
  /** These members are killed before it is measured. */
  readonly kill: readonly number[];
  readonly pacing: Pacing;
  /**
   * How many times slower everything is asked to go (rate, round trips, members' clocks), for a machine that is busy with other things.
   * Figures in time are then as measured, so many times too long. 1 for anything that counts.
   */
  readonly slowdown: number;
  /** Folder for the CPU profile of member 0. */
  readonly profile?: string | undefined;
  /** Where members keep their data; removed afterwards. */
  readonly directory?: string | undefined;
  readonly onProgress: (text: string) => void;
}

export interface RunResult {
  /** Whether network and clients came before members on the processors. */
  readonly isOutsideFirst: boolean;
  readonly load: LoadReport;
  /** Of the living members, from the beginning of the measurement to its end, once a second. */
  readonly stats: readonly (readonly MemberStats[])[];
}

const READY_MS = 120_000;
/** For what was submitted at the end of the measurement. */
const DRAIN_SECONDS = 5;
/** After a kill, until it is measured: rounds in which the dead still have slots. */
const SETTLE_SECONDS = 10;

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** With the allocator that `clockless node run` gives itself. */
const FORK = {
  serialization: "advanced" as const,
  execArgv: ["--disable-warning=ExperimentalWarning"],
  env: { ...process.env, ...ALLOCATOR },
};

/**
 * The network and the users of a real committee are not on its members' machines. Here they come first, so that a chunk's delay is what the
 * region asks for and not that plus a wait behind members. It takes root; without it latencies are some milliseconds a hop too long.
 */
function putFirst({ pid }: ChildProcess): boolean {
  if (pid === undefined) return false;
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGHEST);
    return true;
  } catch {
    return false;
  }
}

export async function run(options: RunOptions): Promise<RunResult> {
  const { members: n, rate, wide, onProgress } = options;
  const directory = mkdtempSync(join(options.directory ?? tmpdir(), "clockless-bench-"));
  const children = new Set<ChildProcess>();
  const started = (child: ChildProcess): ChildProcess => {
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  };
  try {
    onProgress(`${n} members: keys`);
    const random = createRandom(randomBytes(6).readUIntBE(0, 6), "bench");
    const { committee, secrets } = await createTestCommittee(n, random, "real");
    const routed = wide ? n * n : 0;
    const ports = await freePorts(2 * n + routed);
    const [p2pPorts, clientPorts] = [ports.slice(0, n), ports.slice(n, 2 * n)];
    const routes: Route[] = [];
    /** Where a member finds another one. */
    const portFor = (from: number, to: number): number => {
      if (!wide || from === to) return p2pPorts[to]!;
      const port = ports[2 * n + from * n + to]!;
      routes.push({ port, target: p2pPorts[to]!, oneWayMs: roundTripMs(regionOf(from), regionOf(to)) / 2 });
      return port;
    };
    const peersOf = (from: number): PeerConfig[] =>
      committee.members.map(({ address }, to) => ({
        address,
        publicKey: bytesToHex(secp256k1.getPublicKey(secrets[to]!.identity, true)),
        multiaddrs: [`/ip4/127.0.0.1/tcp/${portFor(from, to)}`],
      }));
    const memberOptions = secrets.map(({ identity, shares }, index): MemberOptions => {
      const home = join(directory, `member-${index}`);
      mkdirSync(home);
      return {
        index,
        committee,
        identity,
        shares,
        p2pPort: p2pPorts[index]!,
        clientPort: clientPorts[index]!,
        peers: peersOf(index),
        directory: home,
        pacing: options.pacing,
        slowdown: options.slowdown,
      };
    });
    let proxy: ChildProcess | undefined;
    let isOutsideFirst = true;
    if (wide) {
      proxy = started(fork(script("proxy.ts"), FORK));
      isOutsideFirst = putFirst(proxy);
      proxy.send(routes);
      await once(proxy, "message");
    }
    onProgress(`starting ${n} member processes`);
    const latest = new Map<number, MemberStats>();
    let record: MemberStats[][] | undefined;
    const members = await Promise.all(
      memberOptions.map(async (memberOption) => {
        const { index } = memberOption;
        const child = started(fork(script("member.ts"), FORK));
        const ready = Promise.withResolvers<void>();
        child.once("exit", (code) => ready.reject(new Error(`member ${index} ended with ${code}`)));
        child.on("message", (message) => {
          const said = message as MemberMessage; // CAST: member.ts says nothing else
          if (said.kind === "ready") return ready.resolve();
          latest.set(index, said);
          record?.[index]?.push(said);
        });
        child.send(memberOption);
        await ready.promise;
        return child;
      }),
    );
    await until(() => [...latest.values()].filter(({ connected }) => connected === n - 1).length === n, "the mesh");
    // Handshakes have their own time limits, which know of no slow motion.
    proxy?.send(options.slowdown);
    onProgress(`${rate} instructions a second of ${options.instructionBytes} bytes`);
    const load = started(fork(script("load.ts"), FORK));
    isOutsideFirst = putFirst(load) && isOutsideFirst;
    const said = listen(load);
    const order = (command: LoadCommand): void => void load.send(command);
    const loadOptions: LoadOptions = {
      committee,
      clientPorts,
      rate: rate / options.slowdown,
      instructionBytes: options.instructionBytes,
      killed: options.kill,
      seed: 1,
    };
    order({ kind: "start", options: loadOptions });
    await said("ready");
    await sleep(1000 * options.warmupSeconds);
    if (options.kill.length > 0) {
      onProgress(`killing members ${options.kill.join(", ")}`);
      for (const index of options.kill) members[index]!.kill("SIGKILL");
      await sleep(1000 * SETTLE_SECONDS);
    }
    record = Array.from({ length: n }, () => []);
    order({ kind: "measure" });
    if (options.profile !== undefined) command(members[0]!, { kind: "profile", directory: options.profile });
    for (let second = 0; second < options.seconds; second++) {
      await sleep(1000);
      if (second % 10 === 9) onProgress(`${second + 1} s: ${describe([...latest.values()])}`);
    }
    order({ kind: "stop" });
    const stats = record;
    record = undefined;
    await sleep(1000 * DRAIN_SECONDS);
    order({ kind: "report" });
    const report = await said("report");
    const living = members.filter((_, index) => !options.kill.includes(index));
    const ended = living.map((child) => once(child, "exit"));
    for (const child of living) command(child, { kind: "stop" });
    await Promise.race([Promise.all(ended), sleep(10_000)]);
    return { isOutsideFirst, load: report, stats: stats.filter((_, index) => !options.kill.includes(index)) };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function command(member: ChildProcess, command: MemberCommand): void {
  member.send(command);
}

function describe(latest: readonly MemberStats[]): string {
  const settled = Math.max(...latest.map((stats) => stats.settled));
  const pending = latest.reduce((sum, stats) => sum + stats.pending, 0);
  const rss = Math.max(...latest.map((stats) => stats.rss)) / 2 ** 20;
  const round = Math.max(...latest.map((stats) => stats.round));
  return `round ${round}, ${settled} settled, ${pending} waiting, ${rss.toFixed(0)} MiB`;
}

async function until(isDone: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`${what} is not there after ${READY_MS} ms`);
    await sleep(50);
  }
}

/** Waits for the next message of a kind. */
function listen(load: ChildProcess): <K extends LoadMessage["kind"]>(kind: K) => Promise<LoadMessage & { kind: K }> {
  const waiting = new Map<string, (message: LoadMessage) => void>();
  load.on("message", (message) => {
    const said = message as LoadMessage; // CAST: load.ts says nothing else
    waiting.get(said.kind)?.(said);
  });
  return (kind) =>
    new Promise((resolve, reject) => {
      // CAST: the map is by kind
      waiting.set(kind, (message) => resolve(message as LoadMessage & { kind: typeof kind }));
      load.once("exit", () => reject(new Error("the load process ended")));
    });
}

/**
 * How long a member takes to come back that was away while the others settled a great many instructions: four `clockless node run`
 * processes, one killed; users load the other three over HTTP; then it is started again and goes on by itself, from a checkpoint that
 * members' APIs prove against the group key. "Caught up" counts from the start of the process until it has settled and certified
 * what the others had when it came, is in their round, and an instruction handed to it is certified while another member is stopped: three
 * of four then have to sign, so it does. Afterwards a batch's digest is compared. What it skipped (batches, receipts) is no part of
 * that: it fetches it in the background.
 *
 *   npm run bench:catch-up -- [--instructions 1000000 | 50000,100000] [--json] [--profile DIRECTORY]
 *
 * A million takes as long as it takes to settle a million: eight minutes at 2,000 a second (two processors).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ApiClient, createApiClient } from "../../src/api/client.ts";
import { DEVNET_ASSET } from "../../src/cli/devnet/devnet.ts";
import { createNativeSigner } from "../../src/keys/native-signer.ts";
import { accountIdOf, instructionDigest } from "../../src/ledger/instruction.ts";
import type { SignedInstruction } from "../../src/ledger/types.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import { type Life, startLife } from "../campaign/life.ts";
import { ownerOf, pause } from "../campaign/traffic.ts";
import { createWorld, type World } from "../campaign/world.ts";

const { values } = parseArgs({
  options: {
    instructions: { type: "string", default: "1000000" },
    json: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    profile: { type: "string" },
  },
});
const counts = values.instructions.split(",").map(Number);
if (!counts.every((count) => Number.isSafeInteger(count) && count > 0))
  throw new RangeError("--instructions takes positive whole numbers");

const MEMBERS = 4;
const AWAY = 3;
/** While the one that was away shows that it signs. */
const STOPPED = 2;
const USERS = 8;
const LANES = 8;
/** In one POST; a lane has no more than that under way. */
const AT_ONCE = 200;

interface Row {
  readonly instructions: number;
  readonly awaySeconds: number;
  readonly perSecond: number;
  /** Rounds that the others made meanwhile. */
  readonly rounds: number;
  readonly batches: number;
  readonly catchUpSeconds: number;
  /** Of that: until the process answered at all; until it was even with the others. The rest: until it signed. */
  readonly startSeconds: number;
  readonly evenSeconds: number;
  /** Processor time of its process meanwhile: what does not depend on what else the machine does. */
  readonly cpuSeconds: number | undefined;
  /** Batches that it skipped, and those that it settled again. */
  readonly skipped: number;
  readonly settledAgain: number;
  readonly ratio: number;
  readonly microsecondsPerInstruction: number;
}

const note = (text: string): void => void process.stderr.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), "clockless-catch-up-"));
const world = await createWorld({
  directory,
  members: MEMBERS,
  users: USERS,
  seed: Number(values.seed),
  onProgress: note,
});
const clients = world.layout.apiUrls.map((url) => createApiClient({ url, timeoutMs: 20_000 }));
const lives: Life[] = Array.from({ length: MEMBERS }, (_, member) => start(world, member));
const nonces = new Map<string, bigint>();
try {
  await Promise.all(clients.map((client) => until("the deposits are certified", () => hasDeposits(client))));
  const rows: Row[] = [];
  for (const count of counts) rows.push(await measure(count));
  if (values.json) process.stdout.write(`${JSON.stringify({ rows }, undefined, 2)}\n`);
  else
    for (const row of rows)
      process.stdout.write(
        `${row.instructions} instructions: away ${row.awaySeconds} s (${row.perSecond}/s, ${row.rounds} rounds, ${row.batches} batches), ` +
          `back, even and signing after ${row.catchUpSeconds} s (answers after ${row.startSeconds} s, even after ${row.evenSeconds} s, ` +
          `${row.cpuSeconds ?? "?"} s of CPU; ${row.skipped} batches skipped, ${row.settledAgain} settled again): ` +
          `1/${(1 / row.ratio).toFixed(1)} of the time away, ${row.microsecondsPerInstruction} µs an instruction\n`,
      );
  process.exitCode = rows.every(({ ratio }) => ratio < 0.1) ? 0 : 1;
} finally {
  // A profile is written by a process that ends by itself.
  if (values.profile !== undefined) {
    lives[AWAY]!.kill("SIGTERM");
    await lives[AWAY]!.death;
  }
  for (const life of lives) life.kill("SIGKILL");
  await Promise.all(lives.map((life) => life.death));
  await world.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function measure(count: number): Promise<Row> {
  const before = await clients[0]!.status();
  lives[AWAY]!.kill("SIGKILL");
  await lives[AWAY]!.death;
  const leftMs = performance.now();
  await settle(count);
  const there = await clients[0]!.status();
  const awaySeconds = (performance.now() - leftMs) / 1000;
  note(`${count} settled in ${awaySeconds.toFixed(1)} s; the fourth member comes back`);
  const backMs = performance.now();
  const profile = values.profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", values.profile];
  lives[AWAY] = start(world, AWAY, profile);
  const late = clients[AWAY]!;
  await until("it answers", async () => (await late.status()) !== undefined);
  const startSeconds = (performance.now() - backMs) / 1000;
  const { settledSequence: startsFrom } = await late.status();
  await until("it is even with the others", async () => {
    const [own, other] = await Promise.all([late.status(), clients[0]!.status()]);
    return own.certifiedSequence >= there.settledSequence && own.round + 20 >= other.round;
  });
  const evenSeconds = (performance.now() - backMs) / 1000;
  lives[STOPPED]!.kill("SIGSTOP");
  await settleOne(late);
  const catchUpSeconds = (performance.now() - backMs) / 1000;
  const cpuSeconds = lives[AWAY]!.cpuSeconds();
  lives[STOPPED]!.kill("SIGCONT");
  await sameDigest(late, clients[0]!);
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  return {
    instructions: count,
    awaySeconds: round(awaySeconds, 1),
    perSecond: round(count / awaySeconds, 0),
    rounds: there.round - before.round,
    batches: Number(there.settledSequence - before.settledSequence),
    catchUpSeconds: round(catchUpSeconds, 2),
    startSeconds: round(startSeconds, 2),
    evenSeconds: round(evenSeconds, 2),
    cpuSeconds,
    skipped: Math.max(0, Number(startsFrom - before.settledSequence)),
    settledAgain: Number(there.settledSequence - startsFrom),
    ratio: round(catchUpSeconds / awaySeconds, 4),
    microsecondsPerInstruction: round((catchUpSeconds / count) * 1e6, 1),
  };
}

/** Users move one unit around, over all lanes at once; resolves when every instruction has consumed its nonce. */
async function settle(count: number): Promise<void> {
  let left = count;
  let settled = 0;
  const said = setInterval(() => note(`${settled} of ${count}`), 20_000);
  const lane = async (user: number, number: bigint): Promise<void> => {
    const client = clients[(user + Number(number)) % AWAY]!;
    const key = `${user}/${number}`;
    while (left > 0) {
      const size = Math.min(AT_ONCE, left);
      left -= size;
      const first = nonces.get(key) ?? 0n;
      const { certifiedSequence } = await again(() => client.status());
      const signed = Array.from({ length: size }, (_, i) => sign(user, number, first + BigInt(i), certifiedSequence));
      // A lost answer is asked for again: what was taken then is known.
      await until("the member takes them", async () => {
        const results = await client.submit(signed);
        const refused = results.filter(({ status, code }) => status === "refused" && code !== "repeated");
        const bad = refused.find(({ code }) => code !== "mempoolFull" && code !== "early" && code !== "nonceUsed");
        if (bad !== undefined) throw new Error(`an instruction was refused: ${bad.code}`);
        return refused.every(({ code }) => code === "nonceUsed");
      });
      const next = first + BigInt(size);
      const owner = ownerOf(world.users[user]!);
      while ((await again(() => client.lane(owner, number))).nextNonce < next) await pause(20);
      nonces.set(key, next);
      settled += size;
    }
  };
  const running = world.users.flatMap((_, user) =>
    Array.from({ length: LANES }, (_, number) => lane(user, BigInt(number))),
  );
  await Promise.all(running);
  clearInterval(said);
  const { settledSequence } = await again(() => clients[0]!.status());
  await until("all of it is certified", async () => (await clients[0]!.status()).certifiedSequence >= settledSequence);
}

/** Hands one instruction to a member and waits until its batch is certified there. */
async function settleOne(client: ApiClient): Promise<void> {
  const nonce = nonces.get("0/0") ?? 0n;
  const { certifiedSequence } = await again(() => client.status());
  const signed = sign(0, 0n, nonce, certifiedSequence);
  nonces.set("0/0", nonce + 1n);
  await until("the member takes it", async () => (await client.submit([signed]))[0]?.status === "accepted");
  const owner = ownerOf(world.users[0]!);
  while ((await again(() => client.lane(owner, 0n))).nextNonce <= nonce) await pause(20);
  const { settledSequence } = await again(() => client.status());
  await until("it is certified", async () => (await client.status()).certifiedSequence >= settledSequence);
}

function sign(user: number, lane: bigint, nonce: bigint, namedBatch: bigint): SignedInstruction {
  const [from, to] = [world.users[user]!, world.users[(user + 1) % USERS]!];
  const instruction = {
    head: { signer: ownerOf(from), lane, nonce, namedBatch },
    body: {
      kind: "transfer",
      ...{ from: accountIdOf(ownerOf(from)), to: accountIdOf(ownerOf(to)), asset: DEVNET_ASSET, amount: 1n },
    },
  } as const;
  const digest = instructionDigest(world.test.committee.id, instruction);
  return { instruction, signature: createNativeSigner().sign(from.secret, digest) };
}

/** Of a batch that both have: not only the number, the content. */
async function sameDigest(a: ApiClient, b: ApiClient): Promise<void> {
  await until("both have one batch's content", async () => {
    const { settledSequence } = await a.status();
    const [own, other] = await Promise.all([a.batch(settledSequence), b.batch(settledSequence)]);
    if (own.digest !== other.digest)
      throw new Error(`batch ${settledSequence} differs: ${own.digest}, ${other.digest}`);
    return true;
  });
}

async function hasDeposits(client: ApiClient): Promise<boolean> {
  const { chains, certifiedSequence, settledSequence } = await client.status();
  return chains.every(({ inboxCursor }) => inboxCursor >= BigInt(USERS)) && certifiedSequence >= settledSequence;
}

function start({ layout, ...rest }: World, member: number, nodeFlags: readonly string[] = []): Life {
  return startLife(
    { kind: "sound" },
    {
      configFile: layout.nodeConfigs[member]!,
      dataDir: rest.dataDir(member),
      logFile: rest.logFile(member),
      traceFile: join(directory, "unused.trace"),
      nodeFlags,
    },
  );
}

async function again<T>(ask: () => Promise<T>): Promise<T> {
  let answer: T | undefined;
  await until("a member answers", async () => {
    answer = await ask();
    return true;
  });
  return answer as T; // CAST: `until` ends only after it was set
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 300_000;
  for (;;) {
    try {
      if (await isTrue()) return;
    } catch (error) {
      if (!isClocklessError(error)) throw error;
    }
    if (performance.now() > deadline) throw new Error(`not within five minutes: ${what}`);
    await pause(50);
  }
}

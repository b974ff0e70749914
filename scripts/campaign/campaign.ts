/** Lives one after the other for each member while users submit; then everybody comes back, everything is settled, and all is read. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createApiClient } from "../../src/api/client.ts";
import { headerDigest } from "../../src/batch/header.ts";
import { DEVNET_ASSET } from "../../src/cli/devnet/devnet.ts";
import { accountIdOf } from "../../src/ledger/instruction.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import { hexToBytes } from "../../src/lib/hex.ts";
import { decodeBatchHead } from "../../src/node/batch-json.ts";
import type { Random } from "../../src/testing/random.ts";
import { EXPECTED_ENDS, endOf } from "./end.ts";
import { createEvidence, type Evidence, type Violation } from "./evidence.ts";
import { type DiskFault, type Life, startLife } from "./life.ts";
import type { CampaignReport } from "./report.ts";
import { ownerOf, pause, type Submitted, startTraffic } from "./traffic.ts";
import { createWorld, type World } from "./world.ts";

const MEMBERS = 4;
const USERS = 8;
const LANES = 3;
const TERMINATES_WITHIN_MS = 20_000;
const SETTLES_WITHIN_MS = 180_000;
const MAX_VERIFIED = 1_000;

export interface CampaignOptions {
  readonly directory: string;
  readonly minutes: number;
  readonly seed: number;
  readonly random: Random;
  readonly disks: CampaignReport["disks"];
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { directory, minutes, seed, random, disks, signal, onProgress } = options;
  const world = await createWorld({ directory, members: MEMBERS, users: USERS, seed, onProgress });
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const members = createMembers(world, options, ending);
  const giveUp = new AbortController();
  try {
    const { committee } = world.test;
    const until = performance.now() + minutes * 60_000;
    onProgress(`killing members for ${minutes} minutes`);
    const traffic = startTraffic({
      ...{ committeeId: committee.id, asset: DEVNET_ASSET, users: world.users, lanesPerUser: LANES },
      ...{ apiUrls: world.layout.apiUrls, random: random.stream("traffic"), signal: giveUp.signal },
    });
    const dying = members.dieForever();
    for (let said = performance.now(); performance.now() < until && !signal.aborted; ) {
      await pause(200);
      if (performance.now() < said + 30_000) continue;
      said = performance.now();
      const decided = traffic.submitted.filter(({ outcome }) => outcome !== undefined).length;
      onProgress(`${members.lives} lives, ${decided} of ${traffic.submitted.length} instructions decided`);
    }
    over.abort();
    await dying;
    onProgress("everybody comes back; what is under way is settled");
    await members.allSound();
    // The control is expected to fail: nobody waits for what will not come.
    const settlesWithinMs = disks === "lying" ? 5_000 : SETTLES_WITHIN_MS;
    const timer = setTimeout(() => giveUp.abort(), settlesWithinMs);
    await traffic.finish();
    clearTimeout(timer);
    await untilEven(world, settlesWithinMs, members.violate);
    await checkBalances(world, traffic.submitted, members.violate);
    await members.terminate();
    const { evidence, violate } = members;
    evidence.judge();
    judgeOutcomes(traffic.submitted, evidence, violate);
    members.judgeLogs();
    const certificatesVerified = await verifyCertificates(world, evidence, violate);
    const outcomes = traffic.submitted.flatMap(({ outcome }) => outcome ?? []);
    const withReceipt = outcomes.filter(({ receipt }) => receipt !== undefined);
    const applied = withReceipt.filter(({ code }) => code === "applied").length;
    return {
      ...{ seed, minutes, disks, lives: members.lives, ends: members.ends, lostBytes: members.lostBytes },
      ...{ submitted: traffic.submitted.length, applied, refused: withReceipt.length - applied },
      refusedAtTheDoor: outcomes.length - withReceipt.length,
      resubmitted: traffic.submitted.filter(({ attempts }) => attempts > 1).length,
      ...{ batches: evidence.batches.size, certificates: evidence.certificates.size, certificatesVerified },
      ...{ diskFailures: members.diskFailures, blocksRead: evidence.counts.blocks },
      ...{ partialsRead: evidence.counts.partials, registered: evidence.counts.registered },
      violations: [...evidence.violations, ...members.violations],
    };
  } finally {
    over.abort();
    giveUp.abort();
    await members.killAll();
    await world.stop();
  }
}

type Violate = (what: string, details: Violation["details"]) => void;

function createMembers(world: World, { directory, random, disks }: CampaignOptions, ending: AbortSignal) {
  const evidence = createEvidence(world.test.committee, world.genesis);
  const violations: Violation[] = [];
  const ends: Record<string, Record<string, number>> = {};
  const running: (Life | undefined)[] = Array.from({ length: MEMBERS }, () => undefined);
  let [lives, lostBytes, diskFailures] = [0, 0, 0];
  const violate: Violate = (what, details) => void violations.push({ what, details });

  const start = (member: number, fault: DiskFault): Life => {
    lives++;
    const life = startLife(fault, {
      configFile: world.layout.nodeConfigs[member]!,
      dataDir: world.dataDir(member),
      logFile: world.logFile(member),
      traceFile: join(directory, "logs", `member-${member}.trace`),
    });
    running[member] = life;
    return life;
  };
  /** What is left of a life is read before the next one begins. */
  const bury = async (member: number, life: Life, by: "SIGKILL" | "SIGTERM" | undefined): Promise<void> => {
    const death = await life.death;
    const end = endOf(life, death, by);
    const counts = ends[life.fault.kind] ?? {};
    ends[life.fault.kind] = counts;
    counts[end] = (counts[end] ?? 0) + 1;
    if (end === "cut" || (death.trace?.failedAt !== undefined && life.fault.kind !== "lying")) diskFailures++;
    if (!EXPECTED_ENDS.has(end)) violate(end, { member, fault: life.fault, code: death.code, signal: death.signal });
    lostBytes += death.lostBytes;
    try {
      evidence.read(member, world.dataDir(member));
    } catch (error) {
      violate("unreadableStore", { member, fault: life.fault, reason: String(error) });
    }
  };
  const die = async (member: number, own: Random): Promise<void> => {
    while (!ending.aborted) {
      const life = start(member, drawFault(own, disks));
      const by = own.chance(800) ? "SIGKILL" : "SIGTERM";
      // Most are up before they die, however slow the machine is.
      const livesMs = own.chance(150) ? own.below(3_000) : undefined;
      const lived = livesMs === undefined ? untilUp(world, member, life, 1_000 + own.below(9_000)) : pause(livesMs);
      const isOver = await Promise.race([
        life.death.then(() => true),
        lived.then(() => false),
        aborted(ending).then(() => false),
      ]);
      if (!isOver) life.kill(by);
      if (by === "SIGTERM") void killLater(life);
      await bury(member, life, isOver ? undefined : by);
      await Promise.race([pause(own.below(2_500)), aborted(ending)]);
    }
    running[member] = undefined;
  };
  return {
    ...{ evidence, violations, violate, ends },
    get lives() {
      return lives;
    },
    get lostBytes() {
      return lostBytes;
    },
    get diskFailures() {
      return diskFailures;
    },
    async dieForever() {
      await Promise.all(running.map((_, member) => die(member, random.stream(`member ${member}`))));
    },
    async allSound() {
      for (const [member] of running.entries()) start(member, { kind: "sound" });
    },
    async terminate() {
      await Promise.all(
        running.map(async (life, member) => {
          if (life === undefined) return;
          life.kill("SIGTERM");
          void killLater(life);
          await bury(member, life, "SIGTERM");
        }),
      );
    },
    async killAll() {
      for (const life of running) life?.kill("SIGKILL");
      await Promise.all(running.map((life) => life?.death));
    },
    /** Nobody here is malicious: a member that blames another one, or finds two blocks of one round, has seen what must not be. */
    judgeLogs() {
      for (let member = 0; member < MEMBERS; member++) {
        for (const line of readFileSync(world.logFile(member), "utf8").split("\n"))
          if (/misbehaves|signed two blocks|breaks the framing/.test(line))
            violate("blamed", { member, line: line.slice(0, 400) });
      }
    },
  };
}

function drawFault(random: Random, disks: CampaignReport["disks"]): DiskFault {
  if (disks !== "faulty") return { kind: disks === "sound" ? "sound" : "lying" };
  // While it opens its store, soon after, or in the middle of its work.
  const at = 1 + random.below(random.pick([8, 40, 200]));
  const draw = random.below(100);
  if (draw < 30) return { kind: "sound" };
  if (draw < 55) return { kind: "power" };
  if (draw < 70) return { kind: "cut", at };
  if (draw < 88) return { kind: "syncError", at };
  return { kind: "full", at: 8 * at };
}

/** Resolves this long after its API began to answer. */
async function untilUp({ layout }: World, member: number, life: Life, livesMs: number): Promise<void> {
  const client = createApiClient({ url: layout.apiUrls[member]!, timeoutMs: 1_000 });
  while (life.isRunning && (await client.status().catch(() => undefined)) === undefined) await pause(100);
  await pause(livesMs);
}

async function killLater(life: Life): Promise<void> {
  await Promise.race([life.death, pause(TERMINATES_WITHIN_MS)]);
  life.kill("SIGKILL");
}

/** All have settled and certified the same, and go on having it. */
async function untilEven({ layout }: World, withinMs: number, violate: Violate): Promise<void> {
  const clients = layout.apiUrls.map((url) => createApiClient({ url, timeoutMs: 2_000 }));
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await Promise.all(
      clients.map((client) =>
        client.status().catch((error: unknown) => {
          if (!isClocklessError(error)) throw error;
          return undefined;
        }),
      ),
    );
    const sequences = found.map((status) => status?.certifiedSequence);
    const isEven = found.every((s) => s !== undefined && s.settledSequence === s.certifiedSequence);
    if (isEven && new Set(sequences).size === 1) return;
    if (performance.now() > deadline) {
      violate("notSettled", { settled: found.map((s) => s?.settledSequence), certified: sequences });
      return;
    }
    await pause(250);
  }
}

/** Money went exactly where the applied transfers say. */
async function checkBalances(world: World, submitted: readonly Submitted[], violate: Violate): Promise<void> {
  const expected = world.users.map(() => world.deposit);
  for (const { from, to, amount, outcome } of submitted) {
    if (outcome?.code !== "applied") continue;
    expected[from] = expected[from]! - amount;
    expected[to] = expected[to]! + amount;
  }
  for (const [member, url] of world.layout.apiUrls.entries()) {
    const client = createApiClient({ url });
    for (const [user, amount] of expected.entries()) {
      const account = accountIdOf(ownerOf(world.users[user]!));
      const found = await client.account(account, { asset: DEVNET_ASSET }).then(
        ({ view }) => view.cash.find(({ asset }) => asset === DEVNET_ASSET)?.amount,
        (error: unknown) => String(error),
      );
      if (found !== amount) violate("wrongBalance", { member, user, expected: amount, found });
    }
  }
}

/** One receipt each, the one that its user was told of; or none, and then it was refused at the door. */
function judgeOutcomes(submitted: readonly Submitted[], evidence: Evidence, violate: Violate): void {
  for (const { id, outcome, attempts } of submitted) {
    const text = evidence.receipts.get(id);
    // CAST: our own store wrote it
    const receipt = text === undefined ? undefined : (JSON.parse(text) as { code: string; sequence: string });
    if (outcome === undefined) violate("undecided", { id, attempts, receipt });
    else if (outcome.receipt === undefined) {
      if (receipt?.code === "applied") violate("refusedAndApplied", { id, told: outcome.code, receipt });
    } else if (receipt?.code !== outcome.code || BigInt(receipt.sequence) !== outcome.receipt.sequence)
      violate("otherReceipt", { id, told: outcome.receipt, receipt });
  }
}

async function verifyCertificates({ test }: World, evidence: Evidence, violate: Violate): Promise<number> {
  const { committee, engines } = test;
  const keys = [...evidence.certificates.keys()];
  const step = Math.max(1, Math.floor(keys.length / MAX_VERIFIED));
  let verified = 0;
  for (const suite of committee.requiredSuites) {
    for (const sequence of evidence.batches.keys())
      if (!evidence.certificates.has(`${sequence}/${suite}`)) violate("uncertified", { sequence, suite });
    const groupKey = hexToBytes(committee.keys[suite].groupKey);
    const own = keys.filter((key) => key.endsWith(`/${suite}`));
    for (let i = 0; i < own.length; i += step) {
      const sequence = BigInt(own[i]!.slice(0, own[i]!.indexOf("/")));
      const batch = evidence.batches.get(sequence);
      const digest = batch && headerDigest(decodeBatchHead(batch.json).header, committee.id);
      const signature = hexToBytes(evidence.certificates.get(own[i]!)!);
      const isRight =
        digest !== undefined &&
        digest === batch?.digest &&
        engines[suite].verify(groupKey, hexToBytes(digest), signature);
      if (isRight) verified++;
      else violate("badCertificate", { sequence, suite });
    }
  }
  return verified;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

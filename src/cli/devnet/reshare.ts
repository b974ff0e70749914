/**
 * Changes the members of a devnet's committee while it works, by the same steps that operators take: announce, propose, approve.
 * What follows (dealing, opening, READY, the new epoch) is the nodes' own doing.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createApiClient } from "../../api/client.ts";
import type { AttemptAnswer, EpochAnswer, ReconfigurationAnswer } from "../../api/reconfiguration.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import { SUITES, type Suite } from "../../threshold/types.ts";
import { writePublicFile } from "../ceremony/folder.ts";
import type { CliContext } from "../context.ts";
import { announceForReshare } from "../reshare/announce.ts";
import { approveProposal, checkCurrent } from "../reshare/approve.ts";
import { explain } from "../reshare/explain.ts";
import { announcementFileName, encodeReshareAnnouncement } from "../reshare/files.ts";
import { propose } from "../reshare/propose.ts";
import { askMembers } from "../reshare/state.ts";
import { keysFolder } from "./committee.ts";
import type { Devnet, DevnetPlace } from "./devnet.ts";
import { DevnetError, tail } from "./processes.ts";

export interface MemberChange {
  readonly epoch: bigint;
  readonly from: number;
  readonly to: number;
  readonly kind: AttemptAnswer["kind"];
  /** From the first approval handed in to the first certificates of the new epoch in every suite. */
  readonly durationMs: number;
  readonly groupKeyUnchanged: boolean;
  /** Persons of the new committee, by index. */
  readonly seats: readonly number[];
  /** Persons that are members no more; their processes are stopped. */
  readonly left: readonly number[];
}

export interface ChangeOptions {
  /** Persons of the current committee, by index. */
  readonly seats: readonly number[];
  /** Those of them that stay. */
  readonly stay: readonly number[];
  /** How many new processes join. */
  readonly newcomers: number;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Of one change, however many deals it takes. */
const CHANGE_TIMEOUT_MS = 300_000;
const POLL_MS = 200;

/**
 * Resolves when the new epoch is certified, every member of it takes part, and whoever left is stopped. Something must flow
 * meanwhile: a committee with nothing to settle certifies nothing. Throws DevnetError notReady, processFailed, and what the
 * commands throw.
 */
export async function changeMembers(devnet: Devnet, options: ChangeOptions): Promise<MemberChange> {
  const { seats, stay, newcomers, onProgress, signal } = options;
  const { directory, passwordFile, apiUrls } = devnet.layout;
  const urlsOf = (persons: readonly number[]): string[] => persons.map((person) => apiUrls[person]!);
  const context = silentContext(signal);
  const before = await askMembers(urlsOf(seats), { signal });
  const { committeeId } = before.answer;
  const epoch = before.answer.epoch + 1n;
  const attempt = 1n;
  const files = join(directory, `reshare-${epoch}-${attempt}`);
  const home = (keys: string) => ({ keys, passwordFile, light: true });
  const personOf = new Map<Address, number>();
  const announce = async ({ person, keys, multiaddr }: DevnetPlace): Promise<void> => {
    const scope = { committeeId, epoch, attempt, multiaddrs: [multiaddr] };
    const announcement = await announceForReshare({ ...home(keys), ...scope }, context);
    personOf.set(announcement.member.address, person);
    writePublicFile(join(files, announcementFileName(announcement)), encodeReshareAnnouncement(announcement));
  };
  onProgress(`${stay.length} members and ${newcomers} newcomers announce fresh encryption keys`);
  for (const person of stay) await announce(devnet.places[person]!);
  for (let k = 0; k < newcomers; k++) await devnet.join(urlsOf(seats), announce);

  const proposal = propose({ files, committeeId, epoch, attempt, members: undefined });
  const next = proposal.members.map(({ address }) => personOf.get(address)!);
  const file = { committeeId, proposal };
  const asked = await askMembers(urlsOf(seats), { signal });
  checkCurrent(file, asked);
  const voters = seats.slice(0, quorumOf(seats.length));
  onProgress(`${voters.length} of ${seats.length} members approve ${next.length} members for epoch ${epoch}`);
  const keysBefore = groupKeysOf(await createApiClient({ url: apiUrls[seats[0]!]! }).epoch(epoch - 1n, { signal }));
  const startedMs = performance.now();
  for (const person of voters) await approveProposal(file, asked, home(keysFolder(directory, person)), context);

  const kind = await follow(devnet, { seats: next, also: stay, epoch, onProgress, signal, startedMs });
  const durationMs = Math.round(performance.now() - startedMs);
  await untilAllTakePart(devnet, next, epoch, signal);
  // Not before: the first in the new order may be a newcomer, whose API answers when it has joined.
  const first = createApiClient({ url: apiUrls[next[0]!]! });
  const keysAfter = groupKeysOf(await first.epoch(epoch, { signal }));
  const left = seats.filter((person) => !next.includes(person));
  for (const person of left) await devnet.members[person]!.stop();
  const groupKeyUnchanged = SUITES.every((suite) => keysBefore[suite] === keysAfter[suite]);
  return { epoch, from: seats.length, to: next.length, kind, durationMs, groupKeyUnchanged, seats: next, left };
}

interface Following {
  readonly seats: readonly number[];
  /** Who is asked besides: they know of the change before newcomers answer. */
  readonly also: readonly number[];
  readonly epoch: bigint;
  readonly startedMs: number;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Tells every step until the new epoch is certified in every suite; answers what kind of change it was. */
async function follow(devnet: Devnet, options: Following): Promise<AttemptAnswer["kind"]> {
  const { seats, also, epoch, startedMs, onProgress, signal } = options;
  const urls = [...new Set([...also, ...seats])].map((person) => devnet.layout.apiUrls[person]!);
  let kind: AttemptAnswer["kind"] | undefined;
  let told = "";
  let last: ReconfigurationAnswer | undefined;
  for (;;) {
    last = await askMembers(urls, { signal }).then(
      ({ answer }) => answer,
      () => last,
    );
    kind ??= last?.attempt?.kind;
    const step = stepOf(last, epoch);
    if (step !== undefined && step !== told) {
      told = step;
      onProgress(step);
    }
    if (last !== undefined && last.epoch >= epoch && (await isCertified(urls, epoch, signal))) break;
    checkRunning(devnet, seats);
    if (performance.now() - startedMs > CHANGE_TIMEOUT_MS) throw notReady(`epoch ${epoch} was not certified`, last);
    await sleep(POLL_MS, undefined, { signal });
  }
  if (kind === undefined) throw notReady("nobody saw the change under way", last);
  return kind;
}

/** Every member of the new committee is in its epoch, however late it opened its shares. */
async function untilAllTakePart(
  devnet: Devnet,
  seats: readonly number[],
  epoch: bigint,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + CHANGE_TIMEOUT_MS;
  for (const person of seats) {
    const client = createApiClient({ url: devnet.layout.apiUrls[person]!, timeoutMs: 2_000 });
    for (;;) {
      const status = await client.status({ signal }).catch(() => undefined);
      if (status !== undefined && status.epoch >= epoch) break;
      checkRunning(devnet, seats);
      if (performance.now() > deadline) {
        throw new DevnetError(
          "notReady",
          `${devnet.members[person]!.name} did not come to epoch ${epoch}; end of its log:\n${tail(devnet.members[person]!.logFile)}`,
        );
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

function checkRunning(devnet: Devnet, seats: readonly number[]): void {
  for (const person of seats) {
    const { isRunning, name, logFile } = devnet.members[person]!;
    if (!isRunning) {
      throw new DevnetError("processFailed", `${name} ended; end of its log:\n${tail(logFile)}`, {
        details: { name, logFile },
      });
    }
  }
}

async function isCertified(urls: readonly string[], epoch: bigint, signal: AbortSignal): Promise<boolean> {
  const isOf = async (url: string, suite: Suite): Promise<boolean> =>
    (await createApiClient({ url, timeoutMs: 2_000 }).latestCertificate({ suite, signal })).header.epoch >= epoch;
  const found = await Promise.all(
    urls
      .map(async (url) => (await Promise.all(SUITES.map((suite) => isOf(url, suite)))).every(Boolean))
      .map((each) => each.catch(() => false)),
  );
  return found.includes(true);
}

/** Short enough for a line. */
function stepOf(answer: ReconfigurationAnswer | undefined, epoch: bigint): string | undefined {
  if (answer === undefined) return undefined;
  if (answer.epoch >= epoch) return `epoch ${epoch} begins`;
  const { attempt, open } = answer;
  if (attempt === undefined)
    return open[0] && `${open[0].approvals.length} of ${open[0].approvalsNeeded} approvals are ordered`;
  const { phase, qualified, dealersNeeded, ready, readyNeeded, handover, handoversNeeded, kind } = attempt;
  const what = kind === "reshare" ? "reshare" : "new key";
  switch (phase) {
    case "dealing":
      return `${what}: ${qualified.length} of ${dealersNeeded} deals count`;
    case "opening":
      return `${what}: ${ready.length} of ${readyNeeded} new members are ready`;
    case "handover":
      return `${what}: ${handover?.signed.length ?? 0} of ${handoversNeeded} signed the handover`;
    case "closing":
      return `${what}: the epoch is closing`;
  }
}

function groupKeysOf({ committee }: EpochAnswer): Partial<Record<Suite, Hex>> {
  return Object.fromEntries(SUITES.map((suite) => [suite, committee.keys[suite]?.groupKey]));
}

function notReady(what: string, last: ReconfigurationAnswer | undefined): DevnetError {
  return new DevnetError("notReady", last === undefined ? what : [what, ...explain(last)].join("\n"));
}

/** The commands' own words would mix with the devnet's. */
function silentContext(signal: AbortSignal): CliContext {
  const quiet = (): void => {};
  const output = { isJson: true, result: quiet, line: quiet, note: quiet, progress: quiet, error: quiet };
  return { output, environment: {}, signal, version: "devnet" };
}

/**
 * Latency in message delays, ours and Mahi-Mahi's in one run: the shipping `Consensus` objects make the blocks, under a schedule
 * in virtual time; the baseline's rule reads the very same DAG at the same moments. No ledger, stand-in signatures and coin.
 * Measured: from the step in which an honest author makes a block to its output at an honest member, over all honest blocks of the
 * measured stretch and all honest members; ours up to the certificate as well (certificates.ts).
 */
import type { BlockCodec } from "../../consensus/block.ts";
import { Consensus } from "../../consensus/consensus.ts";
import { COIN_DELAY, DEFAULT_ACTIVITY_WINDOW } from "../../consensus/limits.ts";
import type {
  ConsensusConfig,
  ConsensusEffect,
  ConsensusMessage,
  OutputRound,
  VerifiedBlock,
} from "../../consensus/types.ts";
import type { Hex } from "../../lib/hex.ts";
import { maxFaulty } from "../../lib/math.ts";
import { createRandom, type Random } from "../random.ts";
import { createEventQueue, type EventQueue } from "../simulator/event-queue.ts";
import { UNIT_MS } from "../simulator/network.ts";
import {
  type Attacker,
  createEquivocator,
  createFeeder,
  createHander,
  createWithholder,
  type Sending,
} from "./attacks.ts";
import { Baselines, nameOf } from "./baselines.ts";
import { CERTIFIED, CERTIFIED_BOUND, Certificates, type PartialMessage } from "./certificates.ts";
import { cheapConfig, createSharedCodec, secretOf } from "./cheap.ts";
import type { BaselineRule } from "./mahi-mahi.ts";
import { type RuleLatency, Samples } from "./samples.ts";
import { createSchedule, isUnit, MALICE, type Malice, type ScheduleName, type Sent, type Sight } from "./schedules.ts";
import { createWaiting, type Waiting } from "./waiting.ts";

export interface LatencyOptions {
  readonly n: number;
  readonly schedule: ScheduleName;
  readonly seed: number;
  /** Length of the measured stretch, in delays. */
  readonly delays: number;
  /** Before it; default: until the dead are inactive, with late-gift beyond the first A rounds. */
  readonly warmUpDelays?: number;
  readonly waiting?: Waiting;
  readonly baselines?: readonly BaselineRule[];
  /** Measure certificates, and their bound, too. They change nothing about the blocks. */
  readonly isCertified?: boolean;
  /** A; default: a production committee's. */
  readonly activityWindow?: number;
  /** Whose coins the scheduler learns, and when: of ours with blocks of r + 2, or of waves of 4 or 5 with their last blocks. */
  readonly aim?: "ours" | 4 | 5;
}

export interface LatencyResult {
  readonly rules: readonly RuleLatency[];
  readonly rounds: number;
  /** Of ours: byRound[k] rounds were output by the last honest member when its newest block was k rounds above. */
  readonly byRound: readonly number[];
  /** Rounds of the measured stretch that some honest member had not output when the run ended. */
  readonly open: number;
  /** Coins combined by all honest members together. */
  readonly coins: number;
  /** Two honest members whose orders differ, by rule: always empty, or the run found a fork. */
  readonly forks: readonly string[];
}

const OURS = "ours";
const WARM_UP_DELAYS = 20;
/** What may still be on its way when the stretch ends: on good days, and where an anchor may have to wait for the next. */
const COOL_DOWN_DELAYS = { short: 12, long: 40 };
const TICK_MS = UNIT_MS / 2;

export function measureLatency(options: LatencyOptions): LatencyResult {
  return new Run(options).run();
}

type Event =
  | { readonly kind: "message"; readonly from: number; readonly to: number; readonly message: ConsensusMessage }
  | { readonly kind: "propose" | "tick"; readonly to: number }
  | { readonly kind: "partial"; readonly to: number; readonly message: PartialMessage };

interface Node {
  readonly index: number;
  readonly malice: Malice | undefined;
  readonly consensus: Consensus;
  coins: number;
  readonly send: Sending;
  readonly propose: () => void;
  readonly waitUntil: ReturnType<typeof createWaiting>;
}

class Run {
  readonly #options: LatencyOptions;
  readonly #n: number;
  readonly #events: EventQueue<Event> = createEventQueue();
  readonly #malicious: ReadonlySet<number>;
  readonly #honest: readonly number[];
  readonly #nodes: readonly Node[];
  readonly #lastRounds: number[];
  readonly #delayMs: (sent: Sent, sight: Sight) => number;
  readonly #sight: Sight;
  readonly #baselines: Baselines;
  readonly #samples: Samples;
  readonly #certificates: Certificates | undefined;
  readonly #codec: BlockCodec;
  readonly #salt: number;
  readonly #toMs: number;
  #nowMs = 0;

  constructor(options: LatencyOptions) {
    const { n, schedule, seed, delays, activityWindow = DEFAULT_ACTIVITY_WINDOW } = options;
    const random = createRandom(seed, `latency/${schedule}/${n}`);
    this.#options = options;
    this.#n = n;
    this.#salt = random.uint32();
    this.#baselines = new Baselines(n, options.baselines ?? [], (round, waveLength) =>
      this.#coinLeader(waveLength === 5 ? round : -round),
    );
    this.#lastRounds = new Array<number>(n).fill(0);
    this.#sight = {
      n,
      lastRounds: this.#lastRounds,
      coinLeader: (round) => this.#coinLeader(options.aim === 4 ? -round : round),
      coinDelay: options.aim === undefined || options.aim === "ours" ? COIN_DELAY : options.aim - 1,
      nowMs: () => this.#nowMs,
    };
    this.#delayMs = createSchedule(schedule, random.stream("network"));
    // Drawn apart, so that partials change nothing about the blocks.
    const partialDelayMs = createSchedule(schedule, random.stream("partials"));
    const warmUpDelays = schedule === "late-gift" ? activityWindow + 6 : WARM_UP_DELAYS;
    const fromMs = (options.warmUpDelays ?? warmUpDelays) * UNIT_MS;
    this.#toMs = fromMs + delays * UNIT_MS;
    this.#codec = createSharedCodec(n);
    this.#malicious = this.#draw(random.stream("malice"));
    const indices = Array.from({ length: n }, (_, index) => index);
    this.#honest = indices.filter((index) => this.#maliceOf(index) === undefined);
    this.#samples = new Samples(this.#honest, fromMs, this.#toMs);
    this.#certificates =
      options.isCertified !== true
        ? undefined
        : new Certificates(n, this.#honest, {
            delayMs: (from, to) => partialDelayMs({ from, to, round: 0, linked: [] }, this.#sight),
            deliver: (atMs, to, message) => this.#events.push(atMs, { kind: "partial", to, message }),
            reached: (rule, blocks) => {
              for (const digest of blocks) this.#samples.reached(rule, digest, this.#nowMs);
            },
          });
    this.#nodes = indices.map((index) => this.#node(index));
    for (const node of this.#nodes) {
      if (node.malice === "crashed") continue;
      // Members start within a tenth of a delay of each other.
      this.#events.push(isUnit(schedule) ? 0 : random.below(UNIT_MS / 10), { kind: "propose", to: node.index });
      this.#events.push(TICK_MS, { kind: "tick", to: node.index });
    }
  }

  run(): LatencyResult {
    const isGood = ["unit", "uniform", "crashed", "equivocators"].includes(this.#options.schedule);
    const endMs = this.#toMs + (isGood ? COOL_DOWN_DELAYS.short : COOL_DOWN_DELAYS.long) * UNIT_MS;
    for (;;) {
      const next = this.#events.pop();
      if (next === undefined || next.atMs > endMs) break;
      this.#nowMs = next.atMs;
      this.#handle(next.event);
    }
    const orders = [OURS, ...(this.#options.baselines ?? []).map(nameOf)];
    const rules = this.#certificates === undefined ? orders : [...orders, CERTIFIED, CERTIFIED_BOUND];
    return {
      rules: rules.map((rule) => this.#samples.latency(rule)),
      rounds: Math.max(...this.#lastRounds),
      ...this.#samples.distribution,
      coins: this.#honest.reduce((sum, index) => sum + this.#nodes[index]!.coins, 0),
      forks: orders.filter((rule) => this.#samples.isForked(rule)),
    };
  }

  #draw(random: Random): ReadonlySet<number> {
    const malicious = new Set<number>();
    while (malicious.size < maxFaulty(this.#n)) malicious.add(random.below(this.#n));
    return malicious;
  }

  #maliceOf(index: number): Malice | undefined {
    return this.#malicious.has(index) ? MALICE[this.#options.schedule] : undefined;
  }

  #node(index: number): Node {
    const malice = this.#maliceOf(index);
    const consensus = new Consensus(this.#config(malice === "equivocator" ? undefined : index));
    const waitUntil = createWaiting(this.#options.waiting ?? "adaptive", this.#n, consensus);
    return { index, malice, consensus, waitUntil, coins: 0, ...this.#behaviour(index, malice, consensus) };
  }

  #behaviour(index: number, malice: Malice | undefined, consensus: Consensus): Pick<Node, "send" | "propose"> {
    const attacker: Attacker = {
      index,
      n: this.#n,
      honest: this.#honest,
      consensus,
      post: (to, message, isEarly) => this.#post(index, to, message, isEarly),
    };
    const post: Sending = (to, message) => this.#post(index, to, message);
    const propose = (): void => this.#propose(this.#nodes[index]!);
    const rank = [...this.#malicious].indexOf(index);
    switch (malice) {
      case undefined:
      case "crashed":
        return { send: post, propose };
      case "withholder":
        return { send: createWithholder(attacker), propose };
      case "feeder":
        return { send: createFeeder(attacker, rank), propose };
      case "hander":
        return { send: createHander(attacker, rank), propose };
      case "equivocator": {
        const take = (message: ConsensusMessage): void =>
          this.#apply(this.#nodes[index]!, consensus.receive(index, message, this.#nowMs));
        return { send: post, propose: createEquivocator(attacker, this.#codec, take) };
      }
    }
  }

  #config(self: number | undefined): ConsensusConfig {
    const { activityWindow = DEFAULT_ACTIVITY_WINDOW } = this.#options;
    return cheapConfig({
      codec: this.#codec,
      n: this.#n,
      self,
      activityWindow,
      coinLeader: (round) => this.#coinLeader(round),
    });
  }

  #coinLeader(round: number): number {
    let h = Math.imul(this.#salt ^ Math.imul(round, 0x9e3779b1), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
    return ((h ^ (h >>> 13)) >>> 0) % this.#n;
  }

  #handle(event: Event): void {
    if (event.kind === "partial") {
      this.#certificates?.receive(event.to, event.message, this.#nowMs);
      return;
    }
    const node = this.#nodes[event.to]!;
    if (event.kind === "message") {
      this.#apply(node, node.consensus.receive(event.from, event.message, this.#nowMs));
    } else if (event.kind === "tick") {
      this.#apply(node, node.consensus.tick(this.#nowMs));
      this.#events.push(this.#nowMs + TICK_MS, event);
    }
    node.propose();
  }

  #propose(node: Node): void {
    const proposal = node.consensus.proposal(this.#nowMs);
    if (proposal === undefined) return;
    const untilMs = node.waitUntil(proposal.kind === "wait" ? proposal.untilMs : undefined, this.#nowMs);
    if (untilMs !== undefined && untilMs > this.#nowMs) {
      this.#events.push(untilMs, { kind: "propose", to: node.index });
      return;
    }
    const content = { payload: new Uint8Array(0), partials: this.#certificates?.content(node.index) ?? [] };
    this.#apply(node, node.consensus.propose(content, secretOf(node.index), this.#nowMs));
  }

  #apply(node: Node, effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "accepted") this.#accepted(node, effect.block);
      else if (effect.kind === "coin") node.coins++;
      else if (effect.kind === "send") {
        for (let to = 0; to < this.#n; to++) {
          if (to !== node.index && (effect.to === "all" || effect.to === to)) node.send(to, effect.message);
        }
      } else if (effect.kind === "output" && node.malice === undefined) this.#output(node, effect.output);
    }
    if (node.malice !== undefined || effects.length === 0) return;
    for (const { rule, digest } of this.#baselines.advance(node.index)) this.#show(node, rule, digest);
  }

  #accepted(node: Node, block: VerifiedBlock): void {
    const { digest, round, author, partials } = block;
    if (author === node.index) {
      this.#lastRounds[author] = Math.max(this.#lastRounds[author]!, round);
      if (node.malice === undefined) this.#samples.made(digest, round, this.#nowMs);
    } else this.#certificates?.accepted(node.index, author, partials, this.#nowMs);
    this.#baselines.accepted(node.index, block);
  }

  /** What outputs nothing is no batch. */
  #output(node: Node, { round, commits }: OutputRound): void {
    const digests = commits.flatMap((commit) => commit.blocks.map((block) => block.digest));
    for (const digest of digests) this.#show(node, OURS, digest);
    const last = commits.at(-1);
    if (last !== undefined) this.#certificates?.settle(node.index, last.digest, digests, this.#nowMs);
    this.#samples.roundOutput(round, node.consensus.highestRound);
  }

  #show(node: Node, rule: string, digest: Hex): void {
    this.#samples.output(rule, node.index, digest, node.consensus.highestRound, this.#nowMs);
  }

  #post(from: number, to: number, message: ConsensusMessage, isEarly = false): void {
    if (this.#nodes[to]!.malice === "crashed") return;
    const { consensus } = this.#nodes[from]!;
    const block = message.kind === "block" ? consensus.lastOwnBlock : undefined;
    const held = block === undefined ? undefined : consensus.block(block);
    const round = held?.round ?? 0;
    const linked = (held?.parents ?? []).filter((parent) => parent.round === round - 1).map((parent) => parent.author);
    const delayMs = this.#delayMs({ from, to, round, linked }, this.#sight) - (isEarly ? 1 : 0);
    this.#events.push(this.#nowMs + delayMs, { kind: "message", from, to, message });
  }
}

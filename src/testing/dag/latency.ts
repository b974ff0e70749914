/**
 * Latency in message delays, ours and Mahi-Mahi's in one run: the shipping `Consensus` objects make the blocks, under a schedule
 * in virtual time; the baseline's rule reads the very same DAG at the same moments. No ledger, no certificates, stand-in
 * signatures and coin. Measured: from the step in which an honest author makes a block to its output at an honest member, over
 * all honest blocks of the measured stretch and all honest members.
 */
import { BlockCodec } from "../../consensus/block.ts";
import { Consensus } from "../../consensus/consensus.ts";
import { COIN_DELAY, DEFAULT_ACTIVITY_WINDOW } from "../../consensus/limits.ts";
import { coinShares } from "../../consensus/proposer.ts";
import type {
  BlockRef,
  ConsensusConfig,
  ConsensusEffect,
  ConsensusMessage,
  OutputRound,
  VerifiedBlock,
} from "../../consensus/types.ts";
import type { Hex } from "../../lib/hex.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { createRandom, type Random } from "../random.ts";
import { createEventQueue, type EventQueue } from "../simulator/event-queue.ts";
import { type LatencyReport, summarize } from "../simulator/latency.ts";
import { UNIT_MS } from "../simulator/network.ts";
import { cheapCoin, cheapConfig, cheapSigner, secretOf } from "./cheap.ts";
import { type BaselineRule, MahiMahi, type VotedBlock, VotedBlocks, WaveTally } from "./mahi-mahi.ts";
import { createSchedule, MALICE, type Malice, type ScheduleName, type Sent, type Sight } from "./schedules.ts";

/** adaptive: what ships. never, always: no wait for stragglers, or half a delay for whoever is missing; to compare. */
export type Waiting = "adaptive" | "never" | "always";

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
  /** A; default: a production committee's. */
  readonly activityWindow?: number;
  /** Whose coins the scheduler learns, and when: of ours with blocks of r + 2, or of waves of 4 or 5 with their last blocks. */
  readonly aim?: "ours" | 4 | 5;
}

export interface RuleLatency extends LatencyReport {
  readonly rule: string;
  /** Pairs of an honest block of the measured stretch and an honest member that had not output it when the run ended. */
  readonly missing: number;
  /** How many outputs took so many rounds: rounds[k] came when the member's newest block was k rounds above the block's. */
  readonly rounds: readonly number[];
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

/** Ours, up to the certificate instead of the output. */
export const CERTIFIED = "ours, certified";
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
  /** Somebody's signature of the batch that a round's output is. */
  | { readonly kind: "partial"; readonly to: number; readonly round: number };

interface Node {
  readonly index: number;
  readonly malice: Malice | undefined;
  readonly consensus: Consensus;
  readonly tallies: readonly WaveTally<VotedBlock>[];
  readonly baselines: readonly { readonly rule: string; readonly order: MahiMahi }[];
  /** Leaders' digests of ours; names of the baselines' blocks: to compare orders. */
  readonly orders: Map<string, string[]>;
  coins: number;
  /** By output round: the partials that are here, and the blocks once it is output here, too. */
  readonly batches: Map<number, { partials: number; blocks: readonly Hex[] | undefined }>;
  /** An equivocator's two chains. */
  readonly chains: BlockRef[];
  /** A withholder's blocks not handed out yet. */
  withheld: ConsensusMessage[];
  /** With `always`: the round it may build on, and since when. */
  readySince: { readonly round: number; readonly ms: number } | undefined;
}

class Run {
  readonly #options: LatencyOptions;
  readonly #n: number;
  readonly #events: EventQueue<Event> = createEventQueue();
  readonly #nodes: Node[] = [];
  readonly #lastRounds: number[];
  readonly #delayMs: (sent: Sent, sight: Sight) => number;
  /** Of partial signatures; drawn apart, so that they change nothing about the blocks. */
  readonly #partialDelayMs: (sent: Sent, sight: Sight) => number;
  readonly #sight: Sight;
  readonly #blocks: VotedBlocks<Hex>;
  readonly #madeMs = new Map<Hex, number>();
  readonly #nameOf = new Map<object, Hex>();
  readonly #samples = new Map<string, number[]>();
  readonly #rounds = new Map<string, number[]>();
  /** Newest round that an honest member has made a block of. */
  #newestRound = 0;
  /** Rounds whose first honest block was made in the measured stretch, with how many honest members have output them and the slowest. */
  readonly #measured = new Map<number, { outputs: number; took: number }>();
  readonly #codec: BlockCodec;
  readonly #salt: number;
  readonly #fromMs: number;
  readonly #toMs: number;
  #nowMs = 0;

  constructor(options: LatencyOptions) {
    const { n, schedule, seed, delays, activityWindow = DEFAULT_ACTIVITY_WINDOW } = options;
    const random = createRandom(seed, `latency/${schedule}/${n}`);
    this.#options = options;
    this.#n = n;
    this.#salt = random.uint32();
    this.#blocks = new VotedBlocks(n);
    this.#lastRounds = new Array<number>(n).fill(0);
    this.#sight = {
      n,
      lastRounds: this.#lastRounds,
      coinLeader: (round) => this.#coinLeader(options.aim === 4 ? -round : round),
      coinDelay: options.aim === undefined || options.aim === "ours" ? COIN_DELAY : options.aim - 1,
      nowMs: () => this.#nowMs,
    };
    this.#delayMs = createSchedule(schedule, random.stream("network"));
    this.#partialDelayMs = createSchedule(schedule, random.stream("partials"));
    const warmUpDelays = schedule === "late-gift" ? activityWindow + 6 : WARM_UP_DELAYS;
    this.#fromMs = (options.warmUpDelays ?? warmUpDelays) * UNIT_MS;
    this.#toMs = this.#fromMs + delays * UNIT_MS;
    const malicious = this.#draw(random.stream("malice"));
    for (let index = 0; index < n; index++) {
      this.#nodes.push(this.#node(index, malicious.has(index) ? MALICE[schedule] : undefined));
    }
    this.#codec = new BlockCodec(this.#config(undefined));
    for (const node of this.#nodes) {
      if (node.malice === "crashed") continue;
      // Members start within a tenth of a delay of each other.
      this.#events.push(schedule === "unit" || schedule === "late-gift" ? 0 : random.below(UNIT_MS / 10), {
        kind: "propose",
        to: node.index,
      });
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
    return this.#result();
  }

  #draw(random: Random): ReadonlySet<number> {
    const malicious = new Set<number>();
    while (malicious.size < maxFaulty(this.#n)) malicious.add(random.below(this.#n));
    return malicious;
  }

  #node(index: number, malice: Malice | undefined): Node {
    const { baselines = [] } = this.#options;
    const tallies = ([4, 5] as const)
      .filter((waveLength) => baselines.some((rule) => rule.waveLength === waveLength))
      .map((waveLength) => new WaveTally<VotedBlock>(this.#n, waveLength));
    return {
      index,
      malice,
      consensus: new Consensus(this.#config(malice === "equivocator" ? undefined : index)),
      tallies,
      baselines: baselines.map((rule) => ({
        rule: nameOf(rule),
        // The coin of a wave of five is out when ours is; a wave of four has its own, one round earlier.
        order: new MahiMahi(tallies.find(({ waveLength }) => waveLength === rule.waveLength)!, rule.leaders, (round) =>
          this.#coinLeader(rule.waveLength === 5 ? round : -round),
        ),
      })),
      orders: new Map(),
      coins: 0,
      batches: new Map(),
      chains: [],
      withheld: [],
      readySince: undefined,
    };
  }

  #config(self: number | undefined): ConsensusConfig {
    const { activityWindow = DEFAULT_ACTIVITY_WINDOW } = this.#options;
    return cheapConfig({ n: this.#n, self, activityWindow, coinLeader: (round) => this.#coinLeader(round) });
  }

  #coinLeader(round: number): number {
    let h = Math.imul(this.#salt ^ Math.imul(round, 0x9e3779b1), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
    return ((h ^ (h >>> 13)) >>> 0) % this.#n;
  }

  #handle(event: Event): void {
    const node = this.#nodes[event.to]!;
    if (event.kind === "partial") {
      this.#certify(node, event.round, undefined);
      return;
    }
    if (event.kind === "message") {
      this.#apply(node, node.consensus.receive(event.from, event.message, this.#nowMs));
    } else if (event.kind === "tick") {
      this.#apply(node, node.consensus.tick(this.#nowMs));
      this.#events.push(this.#nowMs + TICK_MS, event);
    }
    if (node.malice === "equivocator") this.#equivocate(node);
    else this.#propose(node);
  }

  #propose(node: Node): void {
    const proposal = node.consensus.proposal(this.#nowMs);
    if (proposal === undefined) return;
    const untilMs = this.#waitUntil(node, proposal.kind === "wait" ? proposal.untilMs : undefined);
    if (untilMs !== undefined && untilMs > this.#nowMs) {
      this.#events.push(untilMs, { kind: "propose", to: node.index });
      return;
    }
    const content = { payload: new Uint8Array(0), partials: [] };
    this.#apply(node, node.consensus.propose(content, secretOf(node.index), this.#nowMs));
  }

  #waitUntil(node: Node, adaptiveMs: number | undefined): number | undefined {
    const { waiting = "adaptive" } = this.#options;
    if (waiting === "never") return undefined;
    if (waiting === "adaptive") return adaptiveMs;
    const round = this.#quorumRound(node);
    if (node.readySince?.round !== round) node.readySince = { round, ms: this.#nowMs };
    const present = new Set(node.consensus.blocksAt(round).map((block) => block.author));
    return present.size === this.#n ? undefined : node.readySince.ms + UNIT_MS / 2;
  }

  #quorumRound(node: Node): number {
    for (let round = node.consensus.highestRound; ; round--) {
      if (round === 0) return 0;
      if (new Set(node.consensus.blocksAt(round).map((block) => block.author)).size >= quorumOf(this.#n)) return round;
    }
  }

  #apply(node: Node, effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "accepted") this.#accepted(node, effect.block);
      else if (effect.kind === "coin") node.coins++;
      else if (effect.kind === "send") {
        for (let to = 0; to < this.#n; to++) {
          if (to !== node.index && (effect.to === "all" || effect.to === to)) this.#send(node, to, effect.message);
        }
      } else if (effect.kind === "output" && node.malice === undefined) {
        for (const commit of effect.output.commits)
          for (const block of commit.blocks) this.#output(node, "ours", block.digest);
        this.#sign(node, effect.output);
        const measured = this.#measured.get(effect.output.round);
        if (measured === undefined) continue;
        measured.outputs++;
        measured.took = Math.max(measured.took, node.consensus.highestRound - effect.output.round);
      }
    }
    if (node.malice !== undefined || effects.length === 0) return;
    for (const { rule, order } of node.baselines) {
      for (const block of order.advance()) this.#output(node, rule, this.#nameOf.get(block)!);
    }
  }

  #accepted(node: Node, block: VerifiedBlock): void {
    const { digest, round, author, parents } = block;
    if (author === node.index) {
      this.#lastRounds[author] = Math.max(this.#lastRounds[author]!, round);
      if (!this.#madeMs.has(digest)) this.#madeMs.set(digest, this.#nowMs);
      if (node.malice === undefined && round > this.#newestRound) {
        // By its first block: a member that is far behind makes one of a round that others have output.
        this.#newestRound = round;
        if (this.#nowMs >= this.#fromMs && this.#nowMs < this.#toMs) this.#measured.set(round, { outputs: 0, took: 0 });
      }
    }
    const voted = this.#blocks.add(
      digest,
      round,
      author,
      parents.map((parent) => parent.digest),
    );
    this.#nameOf.set(voted, digest);
    for (const tally of node.tallies) tally.accept(voted);
  }

  #output(node: Node, rule: string, digest: Hex): void {
    push(node.orders, rule, digest);
    if (!this.#sample(rule, digest)) return;
    const took = node.consensus.highestRound - this.#blocks.get(digest)!.round;
    const rounds = this.#rounds.get(rule) ?? [];
    this.#rounds.set(rule, rounds);
    while (rounds.length <= took) rounds.push(0);
    rounds[took]!++;
  }

  /** False for what is not measured: blocks of the malicious, or made outside the stretch. */
  #sample(rule: string, digest: Hex): boolean {
    const isHonest = this.#nodes[this.#blocks.get(digest)!.author]!.malice === undefined;
    const madeMs = isHonest ? this.#madeMs.get(digest) : undefined;
    if (madeMs === undefined || madeMs < this.#fromMs || madeMs >= this.#toMs) return false;
    push(this.#samples, rule, this.#nowMs - madeMs);
    return true;
  }

  /** Signs the batch that is this round's output, for everybody; what outputs nothing is no batch. */
  #sign(node: Node, { round, commits }: OutputRound): void {
    if (commits.length === 0) return;
    const blocks = commits.flatMap((commit) => commit.blocks.map((block) => block.digest));
    for (let to = 0; to < this.#n; to++) {
      if (to === node.index || this.#nodes[to]!.malice !== undefined) continue;
      const delayMs = this.#partialDelayMs({ from: node.index, to, round: 0, linked: [] }, this.#sight);
      this.#events.push(this.#nowMs + delayMs, { kind: "partial", to, round });
    }
    this.#certify(node, round, blocks);
  }

  /** One more partial, the own one with what it signs: n − f of them are the certificate. The malicious sign nothing. */
  #certify(node: Node, round: number, own: readonly Hex[] | undefined): void {
    const batch = node.batches.get(round) ?? { partials: 0, blocks: undefined };
    node.batches.set(round, batch);
    batch.partials++;
    batch.blocks ??= own;
    if (batch.partials < quorumOf(this.#n) || batch.blocks === undefined) return;
    for (const digest of batch.blocks) this.#sample(CERTIFIED, digest);
    batch.blocks = [];
  }

  #send(node: Node, to: number, message: ConsensusMessage): void {
    if (this.#nodes[to]!.malice === "crashed") return;
    if (node.malice === "withholder" && this.#nodes[to]!.malice === undefined) this.#withhold(node, to, message);
    else this.#post(node.index, to, message);
  }

  #post(from: number, to: number, message: ConsensusMessage): void {
    const block = message.kind === "block" ? this.#nodes[from]!.consensus.lastOwnBlock : undefined;
    const held = block === undefined ? undefined : this.#nodes[from]!.consensus.block(block);
    const round = held?.round ?? 0;
    const linked = (held?.parents ?? []).filter((parent) => parent.round === round - 1).map((parent) => parent.author);
    const delayMs = this.#delayMs({ from, to, round, linked }, this.#sight);
    this.#events.push(this.#nowMs + delayMs, { kind: "message", from, to, message });
  }

  /** Blocks go to the first honest member alone, three rounds at once; answers to fetches to nobody else either. */
  #withhold(node: Node, to: number, message: ConsensusMessage): void {
    const favourite = this.#nodes.findIndex((other) => other.malice === undefined);
    const isBlock = message.kind === "block" || message.kind === "bundle";
    if (!isBlock) {
      if (message.kind !== "fetched" || to === favourite) this.#post(node.index, to, message);
      return;
    }
    if (to !== favourite) return;
    // Of a bundle its own block alone, which comes last.
    node.withheld.push(message.kind === "bundle" ? { kind: "block", bytes: message.blocks.at(-1)! } : message);
    if (node.consensus.lastOwnRound % 3 !== 0) return;
    for (const withheld of node.withheld) this.#post(node.index, favourite, withheld);
    node.withheld = [];
  }

  /** Two blocks in every round, each on a chain of its own, to the even and the odd members. */
  #equivocate(node: Node): void {
    const { consensus, index, chains } = node;
    const isHonest = (block: VerifiedBlock): boolean => this.#nodes[block.author]!.malice === undefined;
    for (let round = consensus.highestRound; round >= (chains[0]?.round ?? 0); round--) {
      const strong =
        round === 0
          ? this.#codec.genesis.filter((ref) => ref.author !== index)
          : consensus.blocksAt(round).filter(isHonest);
      if (strong.length < quorumOf(this.#n)) continue;
      for (const chain of [0, 1]) {
        const previous = chains[chain] ?? this.#codec.genesis[index]!;
        const rest = strong
          .map(({ round, author, digest }) => ({ round, author, digest }))
          .sort((a, b) => a.author - b.author);
        const block = this.#codec.seal(
          {
            author: index,
            round: round + 1,
            parents: [previous, ...rest],
            payload: Uint8Array.of(chain),
            coinShares: coinShares(
              cheapCoin(this.#n, index, () => 0),
              previous.round,
              round + 1,
              -1,
            ),
            partials: [],
          },
          (digest) => cheapSigner.sign(secretOf(index), digest),
        );
        chains[chain] = block;
        const message = { kind: "block", bytes: block.bytes } as const;
        this.#apply(node, consensus.receive(index, message, this.#nowMs));
        for (let to = chain; to < this.#n; to += 2) if (to !== index) this.#post(index, to, message);
      }
      return;
    }
  }

  #result(): LatencyResult {
    const honest = this.#nodes.filter((node) => node.malice === undefined);
    const honestBlocks = [...this.#madeMs].filter(([digest, ms]) => {
      const author = this.#nodes[this.#blocks.get(digest)!.author]!;
      return author.malice === undefined && ms >= this.#fromMs && ms < this.#toMs;
    }).length;
    const done = [...this.#measured.values()].filter(({ outputs }) => outputs === honest.length);
    const names = ["ours", CERTIFIED, ...(this.#options.baselines ?? []).map(nameOf)];
    const forks = names.filter((name) => {
      const orders = honest.map((node) => node.orders.get(name) ?? []);
      const longest = orders.reduce((a, b) => (a.length >= b.length ? a : b), []);
      return orders.some((order) => order.some((digest, i) => digest !== longest[i]));
    });
    return {
      rules: names.map((rule) => {
        const report = summarize(this.#samples.get(rule) ?? [], UNIT_MS);
        const missing = honestBlocks * honest.length - report.samples;
        return { rule, ...report, missing, rounds: this.#rounds.get(rule) ?? [] };
      }),
      rounds: Math.max(...this.#lastRounds),
      byRound: histogram(done.map(({ took }) => took)),
      open: this.#measured.size - done.length,
      coins: honest.reduce((sum, node) => sum + node.coins, 0),
      forks,
    };
  }
}

function histogram(values: readonly number[]): number[] {
  const counts = new Array<number>(Math.max(-1, ...values) + 1).fill(0);
  for (const value of values) counts[value]!++;
  return counts;
}

export function nameOf({ waveLength, leaders }: BaselineRule): string {
  return `mahi-mahi w=${waveLength} l=${leaders}`;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

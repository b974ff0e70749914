/**
 * Twins (arXiv 2004.10617) for this protocol: malicious members run as two honest-looking instances of one identity, and a scenario says,
 * round by round, who can talk to whom. The shipping `Consensus` at every honest member, stand-in signatures and a coin whose leaders the
 * scenario names. Everything in a scenario is a number in [0, its space): scenarios are enumerated without repetition, in an order
 * that a seed decides.
 *
 *   scenario = partition of all instances in round 1, …, in round R; coin leader of the first, second and third anchor of a residue
 *
 * After R rounds everybody hears everybody. Honest members must have made the same commits all along, and decide all R rounds then.
 */
import { BlockCodec } from "../../consensus/block.ts";
import { ANCHOR_DISTANCE } from "../../consensus/committer.ts";
import { Consensus, type CreateRule } from "../../consensus/consensus.ts";
import { coinShares } from "../../consensus/proposer.ts";
import type { BlockRef, ConsensusEffect, ConsensusMessage } from "../../consensus/types.ts";
import type { Hex } from "../../lib/hex.ts";
import { maxFaulty, quorumOf } from "../../lib/math.ts";
import { cheapCoin, cheapConfig, cheapSigner, secretOf } from "../dag/cheap.ts";
import { createRandom } from "../random.ts";

export interface TwinsOptions {
  readonly n: number;
  /** Rounds with partitions. */
  readonly rounds: number;
  /** Identities with two instances; default f. More is a control. */
  readonly twins?: number;
  readonly seed: number;
  /** Instead of the shipping rule: a control. */
  readonly createRule?: CreateRule | undefined;
}

export interface TwinsResult {
  readonly scenarios: number;
  /** How many there are with these options. */
  readonly space: bigint;
  readonly commits: number;
  /** Rounds that some honest member jumped over: shows that partitions bite. */
  readonly jumps: number;
  /** Scenarios in which a twin was exposed. */
  readonly exposed: number;
  readonly failure: { readonly scenario: number; readonly what: string } | undefined;
}

/** Anchors of one residue class whose leaders a scenario names; later ones are the scenario's number modulo n. */
const NAMED_ANCHORS = 3;
/** Rounds in which everybody hears everybody; a coin that keeps naming the same twin cannot hold out longer. */
const MAX_HEALED_ROUNDS = 60;
const ROUND_MS = 1000;
const ACTIVITY_WINDOW = 4;

/** Runs scenarios `first` to `first + count − 1` up to the first failure. */
export function runTwins(options: TwinsOptions, first: number, count: number): TwinsResult {
  const space = spaceOf(options);
  const totals = { scenarios: 0, space: space.size, commits: 0, jumps: 0, exposed: 0 };
  for (let scenario = first; scenario < first + count; scenario++) {
    if (BigInt(scenario) >= space.size) break;
    totals.scenarios++;
    const run = new TwinsRun(options, space.scenario(scenario));
    const what = run.run();
    totals.commits += run.commits;
    totals.jumps += run.jumps;
    if (run.isExposed) totals.exposed++;
    if (what !== undefined) return { ...totals, failure: { scenario, what } };
  }
  return { ...totals, failure: undefined };
}

interface Scenario {
  /** By round, from 1: the set that each instance is in. */
  readonly partitions: readonly (readonly number[])[];
  readonly leader: (round: number) => number;
}

interface Space {
  readonly size: bigint;
  scenario(index: number): Scenario;
}

const identitiesOf = ({ n, twins = maxFaulty(n) }: TwinsOptions): number[] => [
  ...Array.from({ length: n }, (_, i) => i),
  ...Array.from({ length: twins }, (_, i) => i),
];

/**
 * Partitions into at most three sets of which one has Q identities: without one nobody makes a block in that round, which is the same
 * scenario with a round less.
 */
function partitionsOf(options: TwinsOptions): number[][] {
  const identities = identitiesOf(options);
  const quorum = quorumOf(options.n);
  const all: number[][] = [];
  const extend = (sets: number[], used: number): void => {
    if (sets.length === identities.length) {
      const isAlive = Array.from({ length: used }, (_, set) => set).some(
        (set) => new Set(identities.filter((_, i) => sets[i] === set)).size >= quorum,
      );
      if (isAlive) all.push(sets);
      return;
    }
    for (let set = 0; set <= Math.min(used, 2); set++) extend([...sets, set], Math.max(used, set + 1));
  };
  extend([], 0);
  return all;
}

function spaceOf(options: TwinsOptions): Space {
  const { n, rounds, seed } = options;
  const partitions = partitionsOf(options);
  const radixes = [
    ...Array<number>(rounds).fill(partitions.length),
    ...Array<number>(NAMED_ANCHORS * ANCHOR_DISTANCE).fill(n),
  ];
  const size = radixes.reduce((product, radix) => product * BigInt(radix), 1n);
  // x → step · x + start is a permutation of the numbers below `size` when step and size have no common factor.
  const random = createRandom(seed, "twins");
  const draw = (): bigint =>
    BigInt(random.uint32()) * 2n ** 64n + BigInt(random.uint32()) * 2n ** 32n + BigInt(random.uint32());
  const start = draw() % size;
  let step = (draw() * draw()) % size;
  while (greatestDivisor(step, size) !== 1n) step = (step + 1n) % size;
  return {
    size,
    scenario(index) {
      let rest = (step * BigInt(index) + start) % size;
      const digits = radixes.map((radix) => {
        const digit = Number(rest % BigInt(radix));
        rest /= BigInt(radix);
        return digit;
      });
      const leaders = digits.slice(rounds);
      return {
        partitions: digits.slice(0, rounds).map((digit) => partitions[digit]!),
        // The anchors that decide about the rounds with partitions lie above the first of them.
        leader: (round) => leaders[round - rounds] ?? (Math.imul(round + index, 0x9e3779b1) >>> 8) % n,
      };
    },
  };
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

interface Instance {
  readonly identity: number;
  readonly isTwin: boolean;
  /** Of a twin: as a learner, because a member that meets its own name stops proposing. */
  readonly consensus: Consensus;
  /** Of a twin: its own chain. */
  last: BlockRef;
  set: number;
}

interface Letter {
  readonly from: number;
  readonly to: number;
  readonly message: ConsensusMessage;
}

class TwinsRun {
  readonly #n: number;
  readonly #scenario: Scenario;
  readonly #instances: readonly Instance[];
  readonly #codec: BlockCodec;
  readonly #order = new Map<bigint, Hex>();
  readonly #queue: Letter[] = [];
  #nowMs = 0;
  #violation: string | undefined;
  jumps = 0;
  isExposed = false;

  constructor(options: TwinsOptions, scenario: Scenario) {
    const { n, twins = maxFaulty(n), createRule } = options;
    const config = (self: number | undefined) =>
      cheapConfig({ n, self, activityWindow: ACTIVITY_WINDOW, coinLeader: scenario.leader });
    this.#n = n;
    this.#scenario = scenario;
    this.#codec = new BlockCodec(config(undefined));
    this.#instances = identitiesOf(options).map((identity) => {
      const isTwin = identity < twins;
      const own = config(isTwin ? undefined : identity);
      const consensus = createRule === undefined || isTwin ? new Consensus(own) : new Consensus(own, createRule);
      return { identity, isTwin, consensus, last: this.#codec.genesis[identity]!, set: 0 };
    });
  }

  get commits(): number {
    return this.#order.size;
  }

  /** What was violated, if anything was. */
  run(): string | undefined {
    const { partitions } = this.#scenario;
    try {
      for (const partition of partitions) this.#round(partition);
      const together = this.#instances.map(() => 0);
      for (let round = 0; round < MAX_HEALED_ROUNDS && this.#violation === undefined; round++) {
        if (this.#isDone()) return undefined;
        this.#round(together);
      }
    } catch (error) {
      return String(error);
    }
    if (this.#violation !== undefined || this.#isDone()) return this.#violation;
    return `liveness: round ${partitions.length} is open after ${MAX_HEALED_ROUNDS} rounds without partitions`;
  }

  #isDone(): boolean {
    return this.#instances.every(
      ({ consensus, isTwin }) => isTwin || consensus.nextDecision.round > this.#scenario.partitions.length,
    );
  }

  /** Everybody hears what their set says, answers included; then everybody proposes who can. */
  #round(partition: readonly number[]): void {
    this.#nowMs += ROUND_MS;
    for (const [i, instance] of this.#instances.entries()) instance.set = partition[i]!;
    for (const [i, { consensus, isTwin }] of this.#instances.entries()) {
      if (isTwin) this.#proposeTwin(i);
      else {
        const before = consensus.lastOwnRound;
        const isReady = consensus.proposal(this.#nowMs) !== undefined;
        if (isReady) {
          const content = { payload: new Uint8Array(0), partials: [] };
          this.#apply(i, consensus.propose(content, secretOf(i), this.#nowMs));
          if (before > 0 && consensus.lastOwnRound > before + 1) this.jumps++;
        }
      }
    }
    this.#deliver();
    for (const [i, { consensus }] of this.#instances.entries()) this.#apply(i, consensus.tick(this.#nowMs));
    this.#deliver();
  }

  #deliver(): void {
    for (let letter = this.#queue.shift(); letter !== undefined; letter = this.#queue.shift()) {
      const { from, to, message } = letter;
      const { identity } = this.#instances[from]!;
      this.#apply(to, this.#instances[to]!.consensus.receive(identity, message, this.#nowMs));
    }
  }

  #apply(i: number, effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "send") this.#send(i, effect.to, effect.message);
      if (this.#instances[i]!.isTwin) continue;
      if (effect.kind === "exposed") this.#exposed(effect.author);
      if (effect.kind === "punish") this.#violation ??= `member ${i} blames ${effect.member}: ${effect.code}`;
      if (effect.kind !== "output") continue;
      for (const { index, digest } of effect.output.commits) {
        const known = this.#order.get(index);
        this.#order.set(index, known ?? digest);
        if (known !== undefined && known !== digest) this.#violation ??= `agreement: member ${i}, commit ${index}`;
      }
    }
  }

  #exposed(author: number): void {
    this.isExposed = true;
    if (!this.#instances[author]!.isTwin) this.#violation ??= `honest member ${author} exposed`;
  }

  #send(from: number, to: number | "all", message: ConsensusMessage): void {
    const sender = this.#instances[from]!;
    for (const [i, instance] of this.#instances.entries()) {
      if (i === from || instance.set !== sender.set) continue;
      // A twin hears its other self, too: what reaches the identity reaches both.
      if (to === "all" || to === instance.identity) this.#queue.push({ from, to: i, message });
    }
  }

  /** On the newest round with blocks of Q authors that this instance has heard of, on its own chain. */
  #proposeTwin(i: number): void {
    const twin = this.#instances[i]!;
    const { consensus, identity, last } = twin;
    for (let round = consensus.highestRound; round >= last.round; round--) {
      const strong = new Map<number, BlockRef>(last.round === round ? [[identity, last]] : []);
      const known = round === 0 ? this.#codec.genesis : consensus.blocksAt(round);
      for (const { author, digest } of known)
        if (author !== identity && !strong.has(author)) strong.set(author, { round, author, digest });
      if (strong.size < quorumOf(this.#n)) continue;
      const rest = [...strong.values()].filter((ref) => ref.author !== identity).sort((a, b) => a.author - b.author);
      const coin = cheapCoin(this.#n, identity, this.#scenario.leader);
      const block = this.#codec.seal(
        {
          author: identity,
          round: round + 1,
          parents: [last, ...rest],
          // Twins that heard the same still make different blocks, as two honest processes with their own users would.
          payload: Uint8Array.of(i),
          coinShares: coinShares(coin, last.round, round + 1, -1),
          partials: [],
        },
        (digest) => cheapSigner.sign(secretOf(identity), digest),
      );
      twin.last = { round: round + 1, author: identity, digest: block.digest };
      const message = { kind: "block", bytes: block.bytes } as const;
      this.#apply(i, consensus.receive(identity, message, this.#nowMs));
      this.#send(i, "all", message);
      return;
    }
  }
}

/**
 * The decision rule against arbitrary valid DAGs: several causally closed views of each are decided, and no two may disagree on
 * a slot or on the order. For the rule itself the shipping code is run (shipping.ts), fed in a random causal order, and must say
 * what the plain reference says; for a control the reference alone, and it must be caught.
 */
import { InvariantError } from "../../lib/assert.ts";
import { maxFaulty } from "../../lib/math.ts";
import { createRandom, type Random } from "../random.ts";
import { causalOrder, type GeneratedDag, generateDag, generateView } from "./generate.ts";
import {
  coinOf,
  isContradiction,
  type OutputSketch,
  Reference,
  ReferenceView,
  RULES,
  type RuleName,
  RuleStop,
  type Status,
} from "./rule.ts";
import { ShippingView } from "./shipping.ts";
import type { SketchBlock } from "./sketch.ts";

export type FuzzedRule = RuleName | "f-plus-one";

export interface FuzzOptions {
  /** DAG number i of a seed is the same whatever number it is reached from. */
  readonly seed: number;
  readonly dags: number;
  readonly first?: number;
  readonly rule?: FuzzedRule;
  /** Committee sizes, drawn per DAG. */
  readonly sizes?: readonly number[];
  /** Whether the shipping code must say what the reference says; default: where the reference follows the rule itself. */
  readonly comparesShipping?: boolean;
  /** Views of each DAG besides the whole. */
  readonly views?: number;
}

export interface FuzzFailure {
  readonly seed: number;
  readonly dag: number;
  readonly n: number;
  readonly what: string;
}

export interface FuzzResult {
  readonly dags: number;
  readonly views: number;
  readonly blocks: number;
  /** Slots decided over all views, by outcome; those an anchor decided are counted apart, too. */
  readonly commits: number;
  readonly skips: number;
  readonly byAnchor: number;
  /** Rounds output over all views. */
  readonly rounds: number;
  readonly failure: FuzzFailure | undefined;
}

/** What one view says; `stop` where the rule found its own assumption broken. */
interface Said {
  readonly statuses: readonly (readonly Status[])[];
  readonly output: readonly OutputSketch[];
  readonly byAnchor: number;
}

class Found extends Error {}

/** Runs until the first failure. */
export function fuzzDags(options: FuzzOptions): FuzzResult {
  const { seed, dags, first = 0 } = options;
  const totals = { dags: 0, views: 0, blocks: 0, commits: 0, skips: 0, byAnchor: 0, rounds: 0 };
  for (let dag = first; dag < first + dags; dag++) {
    const random = createRandom(seed, `dag/${dag}`);
    const n = random.pick(options.sizes ?? [4, 4, 4, 5, 7]);
    totals.dags++;
    try {
      fuzzOne(random, n, options, totals);
    } catch (error) {
      if (!(error instanceof Found || error instanceof RuleStop)) throw error;
      return { ...totals, failure: { seed, dag, n, what: error.message } };
    }
  }
  return { ...totals, failure: undefined };
}

type Totals = { -readonly [K in keyof Omit<FuzzResult, "failure">]: number };

function fuzzOne(random: Random, n: number, options: FuzzOptions, totals: Totals): void {
  const { rule = "rule", views = 4, comparesShipping = rule === "rule" } = options;
  const parameters = RULES[rule === "f-plus-one" ? "rule" : rule];
  const dag = generateDag(random, {
    n,
    rounds: 7 + random.below(12),
    malicious: maxFaulty(n) + (rule === "f-plus-one" ? 1 : 0),
    quorum: parameters.quorum(n),
  });
  const retainedRounds = random.pick([6, 8, 30]);
  const activityWindow = random.pick([2, 4]);
  const settings = { retainedRounds, activityWindow };
  const reference = new Reference(dag.sketch, parameters);
  const all = dag.sketch.blocks.slice(n);
  totals.blocks += all.length;
  const said: Said[] = [];
  for (let i = 0; i <= views; i++) {
    const blocks = i === 0 ? all : generateView(random, dag.sketch);
    const one = saidByReference(reference, dag, blocks, settings);
    if (comparesShipping) compareWithShipping(random, dag, blocks, settings, one);
    for (const other of said) compare(one, other);
    said.push(one);
    count(one, totals);
  }
}

interface Settings {
  readonly retainedRounds: number;
  readonly activityWindow: number;
}

function saidByReference(
  reference: Reference,
  dag: GeneratedDag,
  blocks: readonly SketchBlock[],
  { retainedRounds, activityWindow }: Settings,
): Said {
  const { n } = dag.sketch;
  const view = new ReferenceView(reference, blocks, coinOf(n, blocks, dag.leader));
  const highest = blocks.reduce((round, block) => Math.max(round, block.round), 0);
  const statuses: Status[][] = [[]];
  let byAnchor = 0;
  for (let round = 1; round <= highest; round++) {
    const row: Status[] = [];
    for (let author = 0; author < n; author++) {
      const status = view.status(round, author);
      if (status.kind !== "undecided" && view.direct(round, author) === undefined) byAnchor++;
      row.push(status);
    }
    statuses.push(row);
  }
  return { statuses, output: view.output(retainedRounds, activityWindow), byAnchor };
}

/** The shipping code on the same view, block by block in another order, deciding in between. */
function compareWithShipping(
  random: Random,
  dag: GeneratedDag,
  blocks: readonly SketchBlock[],
  settings: Settings,
  expected: Said,
): void {
  const { sketch } = dag;
  const known: SketchBlock[] = [];
  let coin = coinOf(sketch.n, known, dag.leader);
  const view = new ShippingView(sketch, { ...settings, coin: (round) => coin(round) });
  const settle = (): void => {
    coin = coinOf(sketch.n, known, dag.leader);
    view.settle();
  };
  try {
    for (const block of causalOrder(random, blocks)) {
      view.add(block);
      known.push(block);
      if (random.chance(150)) settle();
    }
    settle();
  } catch (error) {
    if (error instanceof InvariantError) throw new Found(`the shipping code stops: ${error.message}`);
    throw error;
  }
  if (JSON.stringify(view.output()) !== JSON.stringify(expected.output)) {
    throw new Found("the shipping code's order is not the reference's");
  }
  for (const [round, row] of expected.statuses.entries()) {
    if (round <= view.floor) continue;
    for (const [author, status] of row.entries()) {
      const shipped = view.status(round, author);
      const isSame = shipped.kind === status.kind && !isContradiction(shipped, status);
      if (!isSame) throw new Found(`slot (${round}, ${author}): ${shipped.kind}, by the reference ${status.kind}`);
    }
  }
}

/** Statuses must not contradict each other, and one order must be the beginning of the other. */
function compare(a: Said, b: Said): void {
  for (let round = 1; round < Math.min(a.statuses.length, b.statuses.length); round++) {
    for (const [author, status] of a.statuses[round]!.entries()) {
      const other = b.statuses[round]![author]!;
      if (isContradiction(status, other)) {
        throw new Found(`slot (${round}, ${author}): one view says ${status.kind}, another ${other.kind}`);
      }
    }
  }
  const common = Math.min(a.output.length, b.output.length);
  if (JSON.stringify(a.output.slice(0, common)) !== JSON.stringify(b.output.slice(0, common))) {
    throw new Found("two views output different orders");
  }
}

function count(said: Said, totals: Totals): void {
  totals.views++;
  totals.byAnchor += said.byAnchor;
  totals.rounds += said.output.length;
  for (const status of said.statuses.flat()) {
    if (status.kind === "commit") totals.commits++;
    else if (status.kind === "skip") totals.skips++;
  }
}

/** The lemmas of docs/consensus-proof.md, by name, on arbitrary valid DAGs: what the proof says must be seen on every one. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { Consensus } from "../../src/consensus/consensus.ts";
import { COIN_DELAY } from "../../src/consensus/limits.ts";
import { maxFaulty, quorumOf } from "../../src/lib/math.ts";
import { causalOrder, type GeneratedDag, generateDag, generateView, shuffled } from "../../src/testing/dag/generate.ts";
import { coinOf, isContradiction, Reference, ReferenceView, RULES } from "../../src/testing/dag/rule.ts";
import { closure, type SketchBlock } from "../../src/testing/dag/sketch.ts";
import { createRandom, type Random } from "../../src/testing/random.ts";
import { configOf } from "../consensus/support/network.ts";
import { randomDag } from "../consensus/support/random-dag.ts";
import { seed } from "../seed.ts";

const dags = Math.min(1000, Number(process.env.CLOCKLESS_DAGS ?? 150));

interface Case {
  readonly random: Random;
  readonly dag: GeneratedDag;
  readonly n: number;
  readonly f: number;
  readonly quorum: number;
  readonly blocks: readonly SketchBlock[];
  readonly honest: readonly SketchBlock[];
  readonly reference: Reference;
}

function* cases(name: string, count = dags): IterableIterator<Case> {
  for (let i = 0; i < count; i++) {
    const random = createRandom(seed, `${name}/${i}`);
    const n = random.pick([4, 5, 7, 10]);
    const dag = generateDag(random, { n, rounds: 8 + random.below(6) });
    const blocks = dag.sketch.blocks.slice(n);
    const honest = blocks.filter((block) => !dag.malicious.has(block.author));
    yield {
      random,
      dag,
      n,
      f: maxFaulty(n),
      quorum: quorumOf(n),
      blocks,
      honest,
      reference: new Reference(dag.sketch),
    };
  }
}

/** Every (c, window, L) with cert_v(c, L). */
function* certificates({ blocks, reference, n }: Pick<Case, "blocks" | "reference" | "n">): IterableIterator<{
  c: SketchBlock;
  window: number;
  leader: SketchBlock;
}> {
  for (const c of blocks) {
    for (const window of [1, 2, 3]) {
      for (let author = 0; author < n && c.round - 1 - window >= 1; author++) {
        const leader = reference.certified(c, window, author);
        if (leader !== undefined) yield { c, window, leader };
      }
    }
  }
}

/** Strong cone: over own previous blocks and strong parents only, as support walks it. */
function supports({ reference }: Case, block: SketchBlock, leader: SketchBlock): boolean {
  return reference.support(block, leader.author, leader.round) === leader;
}

const authorsOf = (blocks: Iterable<SketchBlock>): Set<number> => new Set([...blocks].map((block) => block.author));

/** Rounds whose windows are complete: nothing below r + 5 is still to come in this DAG. */
function* finishedRounds({ dag }: Case): IterableIterator<number> {
  for (let round = 1; round + 4 <= dag.sketch.highestRound; round++) yield round;
}

describe(`formal: the lemmas of docs/consensus-proof.md (seed ${seed}, ${dags} DAGs each)`, function () {
  this.timeout(600_000 + 300 * dags);

  it("Sticky: an honest author that supports L in round v supports L in every later round", () => {
    let looked = 0;
    for (const one of cases("sticky")) {
      for (const block of one.honest) {
        const previous = block.parents[0]!;
        for (let round = 1; round <= previous.round; round++) {
          for (let author = 0; author < one.n; author++) {
            const before = one.reference.support(previous, author, round);
            if (before === undefined) continue;
            looked++;
            expect(one.reference.support(block, author, round)).equal(before);
          }
        }
      }
    }
    expect(looked).greaterThan(1000);
  });

  it("Sticky fails when the own previous block comes last", () => {
    const isBroken = [...cases("sticky")].some(({ dag, honest, n }) => {
      const reference = new Reference(dag.sketch, RULES["own-last"]);
      return honest.some((block) =>
        Array.from({ length: n }, (_, author) => author).some((author) => {
          const previous = block.parents[0]!;
          const before = previous.round < 2 ? undefined : reference.support(previous, author, previous.round - 1);
          return before !== undefined && reference.support(block, author, previous.round - 1) !== before;
        }),
      );
    });
    expect(isBroken).equal(true);
  });

  it("OneCertificate: a slot has at most one certified block, in whatever windows and cones", () => {
    let looked = 0;
    for (const one of cases("one-certificate")) {
      const bySlot = new Map<string, SketchBlock>();
      for (const { leader } of certificates(one)) {
        const slot = `${leader.round}/${leader.author}`;
        expect(bySlot.get(slot) ?? leader).equal(leader);
        bySlot.set(slot, leader);
        if (one.dag.sketch.at(leader.round, leader.author).length > 1) looked++;
      }
    }
    expect(looked).greaterThan(100);
  });

  it("OneCertificate fails with f + 1 malicious authors", () => {
    const isBroken = Array.from({ length: 300 }, (_, i) => i).some((i) => {
      const dag = generateDag(createRandom(seed, `too-many/${i}`), { n: 4, rounds: 10, malicious: 2 });
      const certified = new Map<string, SketchBlock>();
      for (const { leader } of certificates({
        blocks: dag.sketch.blocks,
        reference: new Reference(dag.sketch),
        n: 4,
      })) {
        const slot = `${leader.round}/${leader.author}`;
        if ((certified.get(slot) ?? leader) !== leader) return true;
        certified.set(slot, leader);
      }
      return false;
    });
    expect(isBroken).equal(true);
  });

  it("Exclusion: where Q authors support nobody in the last window, no certificate exists anywhere", () => {
    let looked = 0;
    for (const one of cases("exclusion")) {
      const certified = new Set([...certificates(one)].map(({ leader }) => `${leader.round}/${leader.author}`));
      for (const round of finishedRounds(one)) {
        for (let author = 0; author < one.n; author++) {
          const against = one.dag.sketch
            .round(round + 3)
            .filter((block) => one.reference.support(block, author, round) === undefined);
          if (authorsOf(against).size < one.quorum) continue;
          looked++;
          expect(certified.has(`${round}/${author}`)).equal(false);
        }
      }
    }
    expect(looked).greaterThan(50);
  });

  it("Spread: after Q holders of cert_v(L) every block from round v + 2 on has a certificate of L in its cone", () => {
    let looked = 0;
    let isTight = false;
    for (const one of cases("spread")) {
      const held = new Map<string, SketchBlock[]>();
      for (const { c, window, leader } of certificates(one)) {
        const key = `${leader.id}/${window}`;
        held.set(key, [...(held.get(key) ?? []), c]);
      }
      for (const [key, holders] of held) {
        if (authorsOf(holders).size < one.quorum) continue;
        const window = Number(key.split("/")[1]);
        const v = holders[0]!.round - 1;
        for (const block of one.blocks) {
          if (block.round < v + 1) continue;
          const cone = closure([block]);
          const has = holders.some((holder) => cone.has(holder));
          if (block.round >= v + 2) {
            looked++;
            expect(has, `window ${window}`).equal(true);
          } else if (!has) isTight = true;
        }
      }
    }
    expect(looked).greaterThan(1000);
    // At v + 1 it need not: with anchors at r + 4 the last window would come too late.
    expect(isTight).equal(true);
  });

  it("Monotone: what a view decides directly, every larger view decides directly, and alike", () => {
    let looked = 0;
    for (const one of cases("monotone")) {
      const part = generateView(one.random, one.dag.sketch);
      const small = new ReferenceView(one.reference, part, () => undefined);
      const large = new ReferenceView(one.reference, one.blocks, () => undefined);
      for (let round = 1; round <= one.dag.sketch.highestRound; round++) {
        for (let author = 0; author < one.n; author++) {
          const status = small.direct(round, author);
          if (status === undefined) continue;
          looked++;
          expect(large.direct(round, author)).deep.equal(status);
        }
      }
    }
    expect(looked).greaterThan(500);
  });

  it("Agreement: no two views give a slot different statuses, whoever decides it", () => {
    let anchored = 0;
    for (const one of cases("agreement")) {
      const views = [
        one.blocks,
        generateView(one.random, one.dag.sketch),
        generateView(one.random, one.dag.sketch),
      ].map((blocks) => new ReferenceView(one.reference, blocks, coinOf(one.n, blocks, one.dag.leader)));
      for (let round = 1; round <= one.dag.sketch.highestRound; round++) {
        for (let author = 0; author < one.n; author++) {
          const statuses = views.map((view) => view.status(round, author));
          for (const a of statuses) for (const b of statuses) expect(isContradiction(a, b)).equal(false);
          if (statuses[0]!.kind !== "undecided" && views[0]!.direct(round, author) === undefined) anchored++;
        }
      }
    }
    expect(anchored).greaterThan(20);
  });

  it("Order: of two views' outputs one is the beginning of the other", () => {
    let rounds = 0;
    for (const one of cases("order")) {
      const outputs = [one.blocks, generateView(one.random, one.dag.sketch)].map((blocks) =>
        new ReferenceView(one.reference, blocks, coinOf(one.n, blocks, one.dag.leader)).output(8, 3),
      );
      const common = Math.min(...outputs.map((output) => output.length));
      expect(outputs[1]!.slice(0, common)).deep.equal(outputs[0]!.slice(0, common));
      rounds += common;
    }
    expect(rounds).greaterThan(dags / 2);
  });

  it("Core: some honest block of q + 1 is in the strong cone of every block of q + 3; n − 2f honest slots of q commit directly", () => {
    let least = Number.POSITIVE_INFINITY;
    for (const one of cases("core")) {
      const { dag, n, f } = one;
      const view = new ReferenceView(one.reference, one.blocks, () => undefined);
      for (const q of finishedRounds(one)) {
        const above = dag.sketch.round(q + 3);
        const core = dag.sketch
          .round(q + 1)
          .filter((b) => !dag.malicious.has(b.author) && above.every((block) => supports(one, block, b)));
        expect(core.length).greaterThan(0);
        const committed = dag.sketch.round(q).filter((leader) => {
          if (dag.malicious.has(leader.author)) return false;
          return view.direct(q, leader.author)?.kind === "commit";
        });
        expect(committed.length).least(n - 2 * f);
        least = Math.min(least, committed.length - (n - 2 * f));
      }
    }
    // The bound is met exactly somewhere: the property is not vacuous.
    expect(least).equal(0);
  });

  it("Slots: whoever is left out, at least n − 3f honest slots of every round commit directly, so every round outputs something", () => {
    let fewest = Number.POSITIVE_INFINITY;
    let leftOut = 0;
    for (const one of cases("slots")) {
      const { dag, n, f, quorum } = one;
      const whole = new ReferenceView(one.reference, one.blocks, coinOf(n, one.blocks, dag.leader));
      // With the shortest window exclusions pile up.
      const committed = new Map(whole.output(30, 2).map(({ round, commits }) => [round, commits.length]));
      for (const q of finishedRounds(one)) {
        const direct = dag.sketch
          .round(q)
          .filter((l) => !dag.malicious.has(l.author) && whole.direct(q, l.author)?.kind === "commit");
        // The worst choice of Q authors leaves out f of those that commit.
        expect(direct.length - (n - quorum)).least(n - 3 * f);
        fewest = Math.min(fewest, direct.length - (n - quorum) - (n - 3 * f));
        const commits = committed.get(q);
        if (commits === undefined) continue;
        expect(commits).least(n - 3 * f);
        if (commits < direct.length) leftOut++;
      }
    }
    expect(fewest).equal(0);
    expect(leftOut).greaterThan(0);
  });

  it("Bound: once n − 2f honest authors are at q + 2, (n − f)(n − 3f) / (n − 2f) slots of q cannot be kept from committing", () => {
    let looked = 0;
    let isTight = false;
    for (const one of cases("bound")) {
      const { dag, n, f, random } = one;
      for (const q of finishedRounds(one)) {
        const all = dag.sketch.round(q + 2).filter((block) => !dag.malicious.has(block.author));
        expect(all.length).least(n - 2 * f);
        // Any n − 2f of them may have been the first: what was made besides is up to the scheduler.
        const second = shuffled(all, random).slice(0, n - 2 * f);
        const slots = dag.sketch.round(q).filter((block) => !dag.malicious.has(block.author));
        const bound = slots.filter((leader) => second.every((block) => supports(one, block, leader)));
        // Honest authors without a block of q lower the left side and what can be missed; the formula is for all of them.
        const least = Math.min(slots.length, Math.ceil(((n - f) * (n - 3 * f)) / (n - 2 * f)));
        expect(bound.length).least(least);
        if (bound.length < slots.length) isTight = true;
        // And they do commit, whatever came later.
        const view = new ReferenceView(one.reference, one.blocks, () => undefined);
        for (const leader of bound) expect(view.direct(q, leader.author)?.kind).equal("commit");
        looked++;
      }
    }
    expect(looked).greaterThan(dags);
    // Some slots could be avoided: there is something to bind.
    expect(isTight).equal(true);
  });

  it("Reveal: before n − 2f honest shares of q are out, n − 2f honest blocks of q + 2 have bound their slots, in any order of events", () => {
    let looked = 0;
    let wouldBeEarly = 0;
    for (const one of cases("reveal")) {
      const { dag, n, f, random } = one;
      const order = causalOrder(random, one.blocks);
      const view = new ReferenceView(one.reference, one.blocks, () => undefined);
      for (const q of finishedRounds(one)) {
        // What is there when the (n − 2f)th honest author makes its first block of a round ≥ q + delay.
        const madeAt = (delay: number): SketchBlock[] => {
          const released = new Set<number>();
          const last = order.findIndex((block) => {
            if (!dag.malicious.has(block.author) && block.round >= q + delay) released.add(block.author);
            return released.size >= n - 2 * f;
          });
          expect(last).least(0);
          return order.slice(0, last + 1).filter((b) => b.round === q + 2 && !dag.malicious.has(b.author));
        };
        const second = madeAt(COIN_DELAY);
        expect(second.length).least(n - 2 * f);
        if (madeAt(COIN_DELAY - 1).length < n - 2 * f) wouldBeEarly++;
        const slots = dag.sketch.round(q).filter((block) => !dag.malicious.has(block.author));
        const bound = slots.filter((leader) => second.every((block) => supports(one, block, leader)));
        expect(bound.length).least(Math.min(slots.length, Math.ceil(((n - f) * (n - 3 * f)) / (n - 2 * f))));
        expect(bound.length).least(2);
        for (const leader of bound) expect(view.direct(q, leader.author)?.kind).equal("commit");
        looked++;
      }
    }
    expect(looked).greaterThan(dags);
    // One round earlier they need not be there.
    expect(wouldBeEarly).greaterThan(0);
  });

  it("Anchor: a leader drawn by the coin commits at least twice in n times, under any of the schedules tried", () => {
    const tried = new Map<number, { commits: number; anchors: number }>();
    for (const one of cases("anchor")) {
      const view = new ReferenceView(one.reference, one.blocks, () => undefined);
      const counts = tried.get(one.n) ?? { commits: 0, anchors: 0 };
      tried.set(one.n, counts);
      for (const q of finishedRounds(one)) {
        counts.anchors++;
        if (view.direct(q, one.dag.leader(q))?.kind === "commit") counts.commits++;
      }
    }
    expect([...tried.keys()].length).equal(4);
    for (const [n, { commits, anchors }] of tried) expect(commits / anchors, `n = ${n}`).least(2 / n);
  });

  it("Floors: a block that names one that never was is accepted at or below the final floor only, however far the order has gone", () => {
    const ROUNDS = 24;
    let taken = 0;
    let refused = 0;
    for (let i = 0; i < dags; i++) {
      const random = createRandom(seed, `floors/${i}`);
      const n = random.pick([4, 5, 7]);
      const { builder } = randomDag(seed * 1_000 + i, n, ROUNDS);
      const ends = [...Array(n).keys()].filter((author) => builder.at(ROUNDS, author).length > 0);
      if (ends.length < quorumOf(n)) continue;
      builder.fullRounds(ROUNDS + 1, ROUNDS + 4);
      const view = new Consensus(configOf(n, undefined, { retainedRounds: 8, activityWindow: 2 }));
      const final = random.below(ROUNDS);
      view.serveAbove(0, final, 0);
      view.restore(builder.blocks.map(({ bytes }) => ({ kind: "block", bytes })));
      if (view.orderFloor < 1) continue;
      const digest = `0x${"5a".repeat(32)}` as const;
      const never = { round: 1 + random.below(view.orderFloor), author: random.below(n), digest };
      const author = random.below(n);
      const naming = builder.block(author, ROUNDS + 5, { weak: [never] });
      view.receive(author, { kind: "block", bytes: naming.bytes }, 0);
      expect(view.block(naming) !== undefined, `${i}: ${never.round}, final ${final}`).equal(never.round <= final);
      if (never.round <= final) taken++;
      else refused++;
    }
    // By the order's floor alone all of them would have been accepted.
    expect(refused).greaterThan(dags / 20);
    expect(taken).greaterThan(dags / 20);
  });
});

describe("formal: docs/consensus-proof.md", () => {
  const text = readFileSync(new URL("../../docs/consensus-proof.md", import.meta.url), "utf8");
  const tests = readFileSync(new URL(import.meta.url), "utf8");

  it("names a property test for each of its lemmas, and a lemma for each property test", () => {
    const lemmas = [...text.matchAll(/^\*\*(\w+)\.\*\* \*/gm)].map((match) => match[1]);
    const named = [...tests.matchAll(/^\s*it\(\s*"(\w+): /gm)].map((match) => match[1]);
    expect(lemmas.length).greaterThan(8);
    expect([...new Set(lemmas)].sort()).deep.equal([...new Set(named)].sort());
  });

  it("names controls that exist", () => {
    const spin = ["predictable-anchor", "early"];
    const known = [...Object.keys(RULES), "f-plus-one", ...spin];
    const controls = [...text.matchAll(/controls? ((?:`[a-z-]+`(?:,\s|\sand\s)?)+)/g)].flatMap((match) =>
      [...match[1]!.matchAll(/`([a-z-]+)`/g)].map((name) => name[1]),
    );
    expect(controls.length).greaterThan(5);
    expect(known).include.members(controls);
  });
});

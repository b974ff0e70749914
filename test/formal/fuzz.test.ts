import { expect } from "chai";
import { type FuzzedRule, fuzzDags } from "../../src/testing/dag/fuzz.ts";
import { causalOrder, generateDag, generateView } from "../../src/testing/dag/generate.ts";
import { createRandom } from "../../src/testing/random.ts";
import { seed } from "../seed.ts";

const dags = Number(process.env.CLOCKLESS_DAGS ?? 600);
/** Every control has to be found within so many DAGs; with a few seeds tried the rarest needed 1,500. */
const BOUND = 20_000;

describe(`formal: fuzzing DAGs (seed ${seed})`, () => {
  it(`${dags} DAGs with twins, jumps and weak links: no two views disagree, and the shipping code is the reference`, function () {
    this.timeout(600_000 + 100 * dags);
    const result = fuzzDags({ seed, dags });
    expect(result.failure).equal(undefined);
    // It must have looked at something.
    expect(result.views).equal(5 * dags);
    expect(result.commits).greaterThan(50 * dags);
    expect(result.skips).greaterThan(dags);
    expect(result.byAnchor).greaterThan(dags);
    expect(result.rounds).greaterThan(5 * dags);
  });

  const controls: readonly (readonly [FuzzedRule, number])[] = [
    ["last-window-only", 4],
    ["ignore-last-window", 4],
    ["anchor-early", 4],
    ["early-skip", 4],
    ["first-skip", 4],
    ["twin-skip", 4],
    ["own-last", 4],
    ["f-plus-one", 4],
    ["two-f-plus-one", 5],
  ];
  for (const [rule, n] of controls) {
    it(`control ${rule} forks`, () => {
      const { failure } = fuzzDags({ seed, dags: BOUND, rule, sizes: [n] });
      expect(failure, "the control must fail").not.equal(undefined);
      console.info(`      DAG ${failure?.dag} of seed ${seed}: ${failure?.what}`);
    });
  }

  it("control: a reference that follows another rule is told from the shipping code", () => {
    const found = fuzzDags({ seed, dags: 500, rule: "early-skip", comparesShipping: true, views: 0 });
    expect(found.failure?.what).match(/shipping|by the reference|Commit beside Skip/);
  });

  it("a DAG depends on seed and number alone; views are causally closed", () => {
    for (let dag = 0; dag < 20; dag++) {
      const make = () => generateDag(createRandom(seed, `dag/${dag}`), { n: 4, rounds: 10 }).sketch;
      const plain = (blocks: ReturnType<typeof make>["blocks"]) =>
        blocks.map(({ round, author, parents }) => [round, author, ...parents.map((parent) => parent.id)]);
      const sketch = make();
      expect(plain(sketch.blocks)).deep.equal(plain(make().blocks));
      const random = createRandom(seed, "views");
      const view = generateView(random, sketch);
      const order = causalOrder(random, view);
      expect(order.length).equal(view.length);
      const seen = new Set(sketch.blocks.slice(0, 4));
      for (const block of order) {
        expect(block.parents.every((parent) => seen.has(parent))).equal(true);
        seen.add(block);
      }
    }
  });
});

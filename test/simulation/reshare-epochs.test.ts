import { expect } from "chai";
import { headerDigest } from "../../src/batch/header.ts";
import type { BatchHeader, Certificate } from "../../src/batch/types.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { createTestCommitteeWith, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { type Checker, createChecker } from "../../src/testing/simulator/checker.ts";
import type { StoredEpoch } from "../../src/testing/simulator/disk.ts";
import { Epochs } from "../../src/testing/simulator/reshare-epochs.ts";
import { createStandInEngine } from "../../src/testing/stand-in.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";

const word = (byte: string) => `0x${byte.repeat(32)}` as const;
const CLOSING: BatchHeader = {
  sequence: 7n,
  epoch: 0n,
  previous: word("11"),
  history: word("22"),
  outboxes: word("33"),
  state: word("44"),
  commit: word("55"),
};
const OTHER: BatchHeader = { ...CLOSING, state: word("66") };
const PERSON = 3;

interface World {
  readonly test: TestCommittee;
  readonly checker: Checker;
  readonly epochs: Epochs;
}

function createWorld(): World {
  const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
  const test = createTestCommitteeWith(4, createRandom(1n, "epochs"), "stand-in", engines);
  const checker = createChecker(() => true);
  const trace = { add: () => undefined };
  const cluster = {
    checker,
    trace,
    processes: test.committee.members.map(() => ({})),
  } as unknown as ConstructorParameters<typeof Epochs>[0]["cluster"];
  const addresses = test.committee.members.map(({ address }) => address);
  return { test, checker, epochs: new Epochs({ cluster, test, addresses }) };
}

/** By the first `signers` members; the checker is told nothing, as when a malicious member combines what others sent. */
function certify({ test }: World, suite: Suite, header: BatchHeader, signers = 3): Certificate {
  const engine = test.engines[suite];
  const message = hexToBytes(headerDigest(header, test.committee.id));
  const partials = test.secrets
    .slice(0, signers)
    .map(({ shares }, i) => ({ x: i + 1, signature: engine.sign(shares[suite], message) }));
  return { header, suite, signature: bytesToHex(engine.interpolate(partials)) };
}

/** The same people with the same keys, one epoch later. */
function epochFrom({ test }: World, certificates: readonly Certificate[]): StoredEpoch {
  const committee = { ...test.committee, epoch: 1n };
  return { committee, start: { header: CLOSING, certificates, snapshot: new Uint8Array() } };
}

const block = (epoch: bigint) => ({ epoch, round: 1 }) as Parameters<Epochs["took"]>[1][number];

describe("simulator: the epochs of a run", () => {
  it("are begun by who holds the closing batch's certificates, whoever was the first to combine them", () => {
    const world = createWorld();
    world.epochs.entered(
      PERSON,
      epochFrom(
        world,
        SUITES.map((suite) => certify(world, suite, CLOSING)),
      ),
    );
    world.epochs.took(PERSON, [block(1n)]);
    expect(world.checker.violations).to.deep.equal([]);
    expect(world.epochs.newest).to.equal(1n);
  });

  it("are not begun without them: one suite's is missing, too few signed, or they are another batch's", () => {
    const cases: readonly ((world: World) => Certificate[])[] = [
      (world) => [certify(world, "bls12-381", CLOSING)],
      (world) => [certify(world, "bls12-381", CLOSING), certify(world, "bn254", CLOSING, 2)],
      (world) => [certify(world, "bls12-381", CLOSING), certify(world, "bn254", OTHER)],
    ];
    for (const certificatesOf of cases) {
      const world = createWorld();
      world.epochs.entered(PERSON, epochFrom(world, certificatesOf(world)));
      world.epochs.took(PERSON, [block(1n)]);
      expect(
        world.checker.violations.map((text) => text.includes("bn254") || text.includes("took block")),
      ).to.deep.equal([true, true]);
    }
  });

  it("let nobody work in one that nobody has entered", () => {
    const { epochs, checker } = createWorld();
    epochs.took(PERSON, [block(0n)]);
    expect(checker.violations).to.deep.equal([]);
    epochs.took(PERSON, [block(1n)]);
    expect(checker.violations).to.have.length(1);
  });
});

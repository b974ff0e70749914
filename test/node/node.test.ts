import { expect } from "chai";
import type { ApiClient } from "../../src/api/client.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import type { InstructionBody, SignedInstruction } from "../../src/ledger/types.ts";
import { ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { Member } from "../../src/member/member.ts";
import type { Checkpoint } from "../../src/member/types.ts";
import { findCheckpoint } from "../../src/node/checkpoint-catch-up.ts";
import { loadCheckpoint, storedCheckpointOf } from "../../src/node/checkpoint-record.ts";
import type { Node } from "../../src/node/node.ts";
import { silentLogger } from "../../src/telemetry/silent.ts";
import { TEST_ASSET } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { until } from "./support.ts";
import { ACCOUNT, createWorld, forwarding, N, OWNER, OWNER_SECRET, type World } from "./world.ts";

describe("node: four members with stores and a transport in one process", function () {
  this.timeout(60_000);
  let world: World;

  const sign = (nonce: bigint, body: InstructionBody, secret = OWNER_SECRET): SignedInstruction =>
    signInstruction(secret, world.test.committee.id, {
      head: { signer: OWNER, lane: 0n, nonce, namedBatch: 0n },
      body,
    });
  const transfer = (amount: bigint): InstructionBody => ({
    kind: "transfer",
    from: ACCOUNT,
    to: accountIdOf(OWNER, 1n),
    asset: TEST_ASSET,
    amount,
  });
  const receiptOf = (index: number, signed: SignedInstruction): { code: string } | undefined => {
    const stored = world.stores[index]!.receipt(instructionId(signed.instruction));
    return stored === undefined ? undefined : (JSON.parse(stored.json) as { code: string });
  };
  const code = async (index: number, signed: SignedInstruction): Promise<string> =>
    (await world.nodes[index]!.submit([signed]))[0]!.code;

  async function begin(maxQueuedMessages?: number): Promise<void> {
    world = createWorld(maxQueuedMessages === undefined ? {} : { maxQueuedMessages });
    for (let index = 0; index < N; index++) await world.start(index);
    await until("the deposit is certified everywhere", () =>
      world.nodes.every(({ member }) => member.certifiedSequence >= 1n),
    );
  }

  beforeEach(() => begin());
  afterEach(async () => {
    await Promise.all(world.nodes.map((node) => node.stop()));
    expect(world.fatal).to.deep.equal([]);
  });

  it("takes what came together in one go, and the last of it is where something is made", async () => {
    const drains: boolean[][] = [[]];
    const { step } = Member.prototype;
    const [{ member: watched }] = world.nodes as [Node];
    Member.prototype.step = function (input, nowMs, isMore) {
      if (this === watched) {
        drains.at(-1)!.push(isMore === true);
        if (isMore !== true) drains.push([]);
      }
      return step.call(this, input, nowMs, isMore);
    };
    try {
      await until("three messages were there at once", () => {
        for (const peer of [1, 2, 3]) world.transports[peer]!.send(0, new Uint8Array(40).fill(0xee).fill(0, 0, 4));
        return drains.some((flags) => flags.length >= 3);
      });
      await until("a last one came, with which something is made", () => drains.at(-1)!.length === 0);
    } finally {
      Member.prototype.step = step;
    }
  });

  it("counts what a peer says that no honest member says, and stops listening to it for a while", async () => {
    world.transports[1]!.send(0, new Uint8Array(40).fill(0xee).fill(0, 0, 4));
    await until("it is blamed", () => world.nodes[0]!.faultsOf(1) === 1);
    const muted = world.transports[0]!.peers().filter(({ mutedForMs }) => mutedForMs > 0);
    expect(muted.map(({ index }) => index)).to.deep.equal([1]);
    expect([2, 3].map((peer) => world.nodes[0]!.faultsOf(peer))).to.deep.equal([0, 0]);
  });

  it("a restart goes on from the newest checkpoint and signs on", async () => {
    let nonce = 0n;
    const settle = async (): Promise<void> => {
      const signed = sign(nonce++, transfer(1n));
      await code(2, signed);
      await until("settled and certified everywhere", () =>
        world.nodes.every(({ member }, index) => {
          const isSettled = receiptOf(index, signed) !== undefined;
          return isSettled && member.certifiedSequence === member.ledger.sequence;
        }),
      );
    };
    for (let i = 0; i < 4; i++) await settle();
    await until("a checkpoint", () => (world.stores[1]!.checkpoint()?.sequence ?? 0n) > 1n);
    const before = world.nodes[1]!.member;
    await world.nodes[1]!.stop();
    const checkpoint = loadCheckpoint(world.stores[1]!)!;
    const { member } = await world.start(1);
    expect(member.consensus.lastOwnRound).to.be.at.least(before.consensus.lastOwnRound);
    // Whatever came before is not settled again: the ledger's older states are gone, its newest is there.
    expect(member.ledger.account(ACCOUNT, checkpoint.header.sequence - 1n)).to.equal(undefined);
    expect(member.ledger.sequence).to.equal(before.ledger.sequence);
    expect(member.ledger.digest).to.equal(before.ledger.digest);
    await settle();
    await until("own blocks again", () => member.consensus.lastOwnRound > before.consensus.lastOwnRound);
  });

  it("comes back within the epoch after more than K rounds, past servers that lie about every part", async () => {
    // What waits for it in the others' queues would bring it all that it missed.
    await Promise.all(world.nodes.map((node) => node.stop()));
    await begin(8);
    await world.nodes[3]!.stop();
    const away = world.nodes[3]!.member.consensus.lastOwnRound;
    const others = world.nodes.slice(0, 3);
    let nonce = 0n;
    const settle = async (nodes: readonly Node[]): Promise<void> => {
      const signed = sign(nonce++, transfer(1n));
      await code(2, signed);
      await until("settled and certified", () =>
        nodes.every(
          ({ member }) =>
            member.ledger.nextNonce(OWNER, 0n) === nonce && member.certifiedSequence === member.ledger.sequence,
        ),
      );
    };
    for (let i = 0; i < 4; i++) await settle(others);
    const { consensus } = others[0]!.member;
    const missed = consensus.blocksAt(consensus.highestRound)[0]!;
    expect(missed.round).to.be.greaterThan(away + 4);
    // Blocks stay servable until two checkpoints above them are final.
    while (others.some(({ member }) => member.consensus.block(missed) !== undefined)) await settle(others);
    const late = await world.start(3);
    await until("it knows that it is behind", () => world.behind.has(3));

    const honest = (change: (checkpoint: Checkpoint) => Checkpoint = (checkpoint) => checkpoint) => {
      const { header, certificates, snapshot, order } = change(others[0]!.checkpoint()!);
      const client: Pick<ApiClient, "url" | "checkpoint" | "checkpointPart"> = {
        url: "http://member",
        checkpoint: async () => ({ header, certificates }),
        checkpointPart: async (_, part) => (part === "order" ? order : snapshot),
      };
      return client as ApiClient; // CAST: nothing else of it is used
    };
    const flip = (bytes: Uint8Array) => bytes.with(bytes.length - 40, bytes.at(-40)! ^ 1);
    const find = (clients: readonly ApiClient[], after = late.member.ledger.sequence) =>
      findCheckpoint({
        clients,
        committee: world.test.committee,
        start: undefined,
        genesis: world.genesis,
        engines: world.test.engines,
        rules: { retainedRounds: 64, activityWindow: 32 },
        after,
        logger: silentLogger(),
        hedgeMs: 20,
        signal: new AbortController().signal,
      });
    const liars = [
      honest((whole) => ({ ...whole, header: { ...whole.header, sequence: whole.header.sequence + 1n } })),
      honest((whole) => ({ ...whole, certificates: whole.certificates.slice(1) })),
      honest((whole) => ({ ...whole, snapshot: flip(whole.snapshot) })),
      honest((whole) => ({ ...whole, order: flip(whole.order) })),
      honest((whole) => ({ ...whole, order: new Uint8Array(0) })),
    ];
    for (const liar of liars) expect(await find([liar])).to.equal(undefined);
    expect(await find([honest()], others[0]!.member.ledger.sequence)).to.equal(undefined);
    const found = await find([...liars, honest()]);
    expect(found).to.deep.equal(others[0]!.checkpoint());
    // Whoever says it has the newest and then sends nothing holds up nobody, and what was newest when all were asked may be gone by then.
    const silent: ApiClient = { ...honest(), checkpointPart: () => new Promise(() => {}) };
    let asked = 0;
    const moving: ApiClient = {
      ...honest(),
      checkpoint: async (options) => {
        const head = await honest().checkpoint(options);
        return asked++ > 0 ? head : { ...head, header: { ...head.header, sequence: head.header.sequence - 1n } };
      },
    };
    expect(await find([silent, moving])).to.deep.equal(found);

    await late.stop();
    world.stores[3]!.write({ checkpoint: storedCheckpointOf(found!) });
    const back = await world.start(3);
    await settle(world.nodes);
    await until("it signs again, rounds that it never signed", () => back.member.consensus.lastOwnRound > away);
    expect(back.member.ledger.digest).to.equal(world.nodes[0]!.member.ledger.digest);
  });

  it("credits a deposit that members saw, settles an instruction and certifies both in every suite", async () => {
    const signed = sign(0n, transfer(400n));
    expect(await code(2, signed)).to.equal("accepted");
    await until("a receipt at everybody", () =>
      world.stores.every((_, index) => receiptOf(index, signed) !== undefined),
    );
    expect(world.stores.map((_, index) => receiptOf(index, signed)?.code)).to.deep.equal([
      "applied",
      "applied",
      "applied",
      "applied",
    ]);
    await until("certified", () =>
      world.nodes.every(({ member }) => member.certifiedSequence === member.ledger.sequence),
    );
    for (const { member } of world.nodes) expect(member.ledger.account(ACCOUNT)?.cash[0]?.amount).to.equal(600n);
    for (const suite of ["bls12-381", "bn254"] as const)
      expect(world.stores[0]!.certificate(2n, suite)).to.not.equal(undefined);
  });

  it("answers bad input with a code, loses nothing and stops nobody", async () => {
    const stranger = createRandom(5, "stranger").bytes(32);
    expect(await code(0, sign(0n, transfer(1n), stranger))).to.equal("badSignature");
    expect(await code(0, sign(0n, { ...transfer(1n), asset: ZERO_BYTES32 } as InstructionBody))).to.equal(
      "unknownAsset",
    );
    const fills: InstructionBody = {
      kind: "fills",
      fills: [{ instrument: ZERO_BYTES32, buyer: ACCOUNT, seller: accountIdOf(OWNER, 1n), quantity: 1n, price: 1n }],
    };
    expect(await code(0, sign(0n, fills))).to.equal("unknownInstrument");
    const overdraft = sign(0n, transfer(5_000n));
    expect(await code(0, overdraft)).to.equal("accepted");
    await until("the overdraft has its receipt", () =>
      [0, 1].every((index) => receiptOf(index, overdraft) !== undefined),
    );
    expect(receiptOf(0, overdraft)?.code).to.equal("overdraft");
    expect(await code(1, overdraft)).to.equal("repeated");
    expect(await code(1, sign(0n, transfer(7n)))).to.equal("nonceUsed");
    const good = sign(1n, transfer(10n));
    expect(await code(1, good)).to.equal("accepted");
    await until("the next one is applied", () => receiptOf(3, good)?.code === "applied");
  });

  it("mutes a peer that sends nonsense and goes on", async () => {
    await world.nodes[3]!.stop();
    const impostor = world.hub.endpoint(3);
    await impostor.start({ onMessage: () => {}, onPeer: () => {} });
    for (let peer = 0; peer < 3; peer++) impostor.send(peer, Uint8Array.of(250, 1, 2, 3));
    await until("it is muted", () =>
      [0, 1, 2].every((index) => (world.transports[index]!.peers()[2]?.mutedForMs ?? 0) > 0),
    );
    const signed = sign(0n, transfer(1n));
    expect(await code(0, signed)).to.equal("accepted");
    await until("three members settle without the fourth", () =>
      [0, 1, 2].every((index) => receiptOf(index, signed)?.code === "applied"),
    );
  });

  it("comes back from its store with the same ledger, signs nothing twice, and takes part again", async () => {
    const before = sign(0n, transfer(100n));
    await code(0, before);
    await until("settled", () => world.stores.every((_, index) => receiptOf(index, before) !== undefined));
    await world.nodes[1]!.stop();
    const away = sign(1n, transfer(50n));
    await code(0, away);
    await until("settled without it", () => receiptOf(0, away) !== undefined && receiptOf(2, away) !== undefined);
    const reborn = await world.start(1);
    expect(reborn.member.ledger.sequence).to.be.at.least(2n);
    await until("it caught up", () => reborn.member.certifiedSequence >= world.nodes[0]!.member.ledger.sequence);
    expect(reborn.member.ledger.digest).to.equal(world.nodes[0]!.member.ledger.digest);
    const after = sign(2n, transfer(25n));
    expect(await code(1, after)).to.equal("accepted");
    await until("and its own user's instruction settles", () => receiptOf(3, after)?.code === "applied");
  });
});

describe("node: fail-stop", function () {
  this.timeout(30_000);

  it("stops for good when its store cannot write, and sends nothing of that step", async () => {
    const world = createWorld();
    const failing = world.stores[0]!;
    let isBroken = false;
    world.stores[0] = {
      ...forwarding(failing),
      close: () => {},
      write(batch) {
        if (isBroken) throw new Error("disk");
        failing.write(batch);
      },
    };
    for (let index = 0; index < N; index++) await world.start(index);
    await until("the committee works", () => world.nodes[0]!.member.ledger.sequence >= 1n);
    isBroken = true;
    await until("it stopped", () => world.fatal.length > 0);
    expect(world.nodes[0]!.isHealthy).to.equal(false);
    const round = world.nodes[1]!.member.consensus.highestRound;
    await until("the others go on", () => world.nodes[1]!.member.consensus.highestRound > round + 5);
    // The step that could not be written never left: nobody has a block of it that its own disk does not have.
    const own = [...failing.log()].length;
    expect(own).to.be.greaterThan(0);
    await Promise.all(world.nodes.slice(1).map((node) => node.stop()));
  });
});

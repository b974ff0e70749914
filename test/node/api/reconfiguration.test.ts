import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { createApiClient } from "../../../src/api/client.ts";
import { dealsAnswer, RECONFIGURATION_LIMITS } from "../../../src/api/reconfiguration.ts";
import { createHandover } from "../../../src/batch/handover.ts";
import type { BatchHeader, Certificate } from "../../../src/batch/types.ts";
import type {
  AttemptPhase,
  AttemptView,
  EpochsView,
  Proposal,
  ProposedMember,
  SignedHandover,
} from "../../../src/ledger/reconfiguration/types.ts";
import { bigintToBytes } from "../../../src/lib/bytes.ts";
import { addressOf } from "../../../src/lib/ecdsa.ts";
import { bytesToHex, type Hex } from "../../../src/lib/hex.ts";
import { createDealsEncoder } from "../../../src/node/api/deals.ts";
import { DEFAULT_ROUNDS, type DealContext } from "../../../src/threshold/associated-data.ts";
import { createNobleEngine } from "../../../src/threshold/engine-noble.ts";
import type { Suite, ThresholdKey } from "../../../src/threshold/types.ts";
import { errorOf, start, stopAll } from "../../api/server.ts";
import { createWorld, hash } from "../../api/world.ts";

const engines = { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };
const OLD = [0, 1, 2, 3].map((index) => addressOf(bigintToBytes(BigInt(index + 1), 32)));
const NEW = [...OLD, addressOf(bigintToBytes(77n, 32))];

function keyOf(suite: Suite, secret: bigint): Hex {
  return bytesToHex(engines[suite].publicKey(bigintToBytes(secret, 32)));
}

function thresholdKey(suite: Suite, secret: bigint, n: number): ThresholdKey {
  const publicShares = Array.from({ length: n }, (_, i) => keyOf(suite, secret + BigInt(i) + 1n));
  return { suite, threshold: n - 1, groupKey: keyOf(suite, secret), publicShares };
}

const KEYS = { "bls12-381": thresholdKey("bls12-381", 500n, 4), bn254: thresholdKey("bn254", 500n, 4) };
const NEW_KEYS = { "bls12-381": thresholdKey("bls12-381", 900n, 5), bn254: thresholdKey("bn254", 900n, 5) };

function proposed(address: Hex, index: number): ProposedMember {
  return {
    address,
    publicKey: `0x02${hash(index).slice(2)}`,
    multiaddrs: [`/ip4/192.0.2.${index}/tcp/4000`],
    encryptionKey: hash(100 + index),
    proof: `0x${"aa".repeat(64)}`,
    signature: `0x${"bb".repeat(65)}`,
  };
}

const PROPOSAL: Proposal = { epoch: 1n, attempt: 3n, members: NEW.map(proposed) };

function contextOf(suite: Suite): DealContext {
  return {
    domain: hash(1001),
    epoch: 1n,
    attempt: 3n,
    suite,
    kind: "reshare",
    dealers: OLD,
    oldKey: KEYS[suite],
    recipients: NEW.map((address, i) => ({ address, encryptionKey: hash(100 + i) })),
    threshold: 4,
    rounds: DEFAULT_ROUNDS,
  };
}

const CONTEXTS = { "bls12-381": contextOf("bls12-381"), bn254: contextOf("bn254") };

function bundle(dealer: number, size = 40) {
  return { dealer, deals: { "bls12-381": new Uint8Array(size).fill(dealer), bn254: new Uint8Array(size).fill(0xf0) } };
}

/** An attempt as it stands in a phase: deals of 0, 1 and 3 count, 2 was caught, READYs of 0 and 4. */
function attemptIn(phase: AttemptPhase): AttemptView {
  const isOpen = phase !== "dealing";
  const statement = createHandover(
    1n,
    { "bls12-381": KEYS["bls12-381"].groupKey, bn254: KEYS.bn254.groupKey },
    { "bls12-381": NEW_KEYS["bls12-381"].groupKey, bn254: NEW_KEYS.bn254.groupKey },
  );
  return {
    proposal: PROPOSAL,
    digest: hash(7),
    kind: "generation",
    phase,
    contexts: CONTEXTS,
    qualified: (isOpen ? [0, 1, 3] : [0, 1]).map((dealer) => bundle(dealer)),
    dealt: isOpen ? OLD : OLD.slice(0, 3),
    dealersNeeded: 3,
    keys: isOpen ? NEW_KEYS : undefined,
    readyDigest: isOpen ? hash(8) : undefined,
    ready: isOpen ? [NEW[0]!, NEW[4]!] : [],
    readyNeeded: 4,
    handover:
      phase === "handover" || phase === "closing" ? { statement, digest: hash(9), signed: [OLD[2]!] } : undefined,
    handoversNeeded: 3,
    closesIn: phase === "closing" ? 5 : undefined,
    faults: [{ member: OLD[2]!, code: "wrongSecret", suite: "bn254" }],
  };
}

function epochsWith(changes: Partial<EpochsView>): EpochsView {
  return {
    committee: {
      id: hash(1001),
      epoch: 0n,
      members: OLD.map((address) => ({ address })),
      keys: KEYS,
      requiredSuites: ["bn254"],
    },
    peers: [],
    open: [],
    attempt: undefined,
    handovers: [],
    dealt: undefined,
    ...changes,
  };
}

describe("the API about changes of the committee", () => {
  afterEach(stopAll);

  it("explains an idle committee, an open proposal, and whom each phase of an attempt waits for", async () => {
    const world = createWorld();
    const { client } = await start(world);
    expect(await client.reconfiguration()).to.deep.equal({
      committeeId: world.committeeId,
      epoch: 0n,
      members: OLD,
      peers: [],
      open: [],
    });

    const open = [{ proposal: PROPOSAL, digest: hash(6), approvals: [OLD[1]!], approvalsNeeded: 3 }];
    world.epochs.view = epochsWith({ open });
    const { open: told } = await client.reconfiguration();
    expect(told).to.deep.equal([{ ...open[0], waitingFor: [OLD[0], OLD[2], OLD[3]] }]);

    const stands = async (phase: AttemptPhase) => {
      world.epochs.view = epochsWith({ attempt: attemptIn(phase) });
      return (await client.reconfiguration()).attempt!;
    };
    const dealing = await stands("dealing");
    expect(dealing).to.deep.include({ waitingFor: [OLD[3]], needed: 1, dealt: OLD.slice(0, 3) });
    expect(dealing.qualified).to.deep.equal([OLD[0], OLD[1]]);
    expect(dealing.keys).to.equal(undefined);
    expect(dealing.faults).to.deep.equal([{ member: OLD[2], code: "wrongSecret", suite: "bn254" }]);
    expect(dealing.proposal).to.deep.equal(PROPOSAL);

    const opening = await stands("opening");
    expect(opening).to.deep.include({ waitingFor: NEW.slice(1, 4), needed: 2, ready: [NEW[0], NEW[4]] });
    const { groupKey, publicShares } = NEW_KEYS.bn254;
    expect(opening.keys?.bn254).to.deep.equal({ groupKey, publicShares });

    const handover = await stands("handover");
    expect(handover).to.deep.include({ waitingFor: [OLD[0], OLD[1], OLD[3]], needed: 2 });
    expect(handover.handover).to.deep.equal(attemptIn("handover").handover);

    expect(await stands("closing")).to.deep.include({ waitingFor: [], needed: 0, closesIn: 5 });
  });

  it("serves deals in answers of bounded size, the running attempt's before the epoch's", async () => {
    const world = createWorld();
    const { client } = await start(world);
    expect((await errorOf(client.reconfigurationDeals())).code).to.equal("unknownDeals");

    const dealt = { contexts: CONTEXTS, qualified: [bundle(2)] };
    world.epochs.view = epochsWith({ dealt });
    expect(await client.reconfigurationDeals()).to.deep.equal({ of: "epoch", ...dealt, from: 0, total: 1 });

    const perDeal = RECONFIGURATION_LIMITS.maxTransactionBytes;
    const large = attemptIn("opening");
    const fitting = [0, 1].map((dealer) => bundle(dealer, perDeal));
    world.epochs.view = epochsWith({ dealt, attempt: { ...large, qualified: fitting } });
    const whole = await client.reconfigurationDeals();
    expect(whole).to.deep.include({ of: "attempt", from: 0, total: 2 });
    expect(whole.qualified).to.deep.equal(fitting);

    // Two suites of a MiB each: two bundles fit into an answer.
    const many = Array.from({ length: 7 }, (_, i) => bundle(i % 4, perDeal));
    world.epochs.view = epochsWith({ attempt: { ...large, qualified: many } });
    const got: unknown[] = [];
    const sizes: number[] = [];
    while (got.length < many.length) {
      const { qualified, from, total } = await client.reconfigurationDeals({ from: got.length });
      expect([from, total]).to.deep.equal([got.length, 7]);
      sizes.push(qualified.length);
      got.push(...qualified);
    }
    expect(sizes).to.deep.equal([2, 2, 2, 1]);
    expect(got).to.deep.equal(many);
    expect((await errorOf(client.reconfigurationDeals({ from: 7 }))).code).to.equal("unknownDeals");
  });

  it("tells the same text of deals as its schema, encoded once for everybody, and anew when they count for something else", () => {
    const encode = createDealsEncoder();
    const answer = { of: "attempt", contexts: CONTEXTS, from: 0, total: 3, qualified: [bundle(0), bundle(3)] } as const;
    const bytes = encode(answer);
    expect(JSON.parse(Buffer.from(bytes).toString())).to.deep.equal(dealsAnswer.encode(answer));
    expect(encode({ ...answer, qualified: [...answer.qualified] })).to.equal(bytes);
    const later = { ...answer, of: "epoch" } as const;
    expect(JSON.parse(Buffer.from(encode(later)).toString())).to.have.property("of", "epoch");
    expect(encode({ ...later, total: 2 })).not.to.equal(encode(later));
    const none = { ...answer, total: 0, qualified: [] };
    expect(JSON.parse(Buffer.from(encode(none)).toString())).to.deep.equal(dealsAnswer.encode(none));
  });

  it("takes transactions one by one: what is no bytes stops no other", async () => {
    const world = createWorld();
    const { client, url } = await start(world);
    const good = Uint8Array.of(1, 2, 3);
    const bad = Uint8Array.of(0xff);
    expect(await client.submitTransactions([good, bad])).to.deep.equal([{ code: "accepted" }, { code: "malformed" }]);
    expect(world.epochs.transactions).to.deep.equal([good, bad]);

    const post = async (transactions: unknown): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(`${url}/v1/reconfiguration/transactions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ transactions }),
      });
      return { status: response.status, body: await response.json() };
    };
    const malformed = "malformedTransaction";
    const { status, body } = await post(["0x01", "0x0", "0x0G", "0xAB", "01", 7, null, { "0x": "" }, "0x02"]);
    expect(status).to.equal(202);
    expect(body).to.deep.equal({
      results: ["accepted", ...new Array<string>(7).fill(malformed), "accepted"].map((code) => ({ code })),
    });
    for (const wrong of [[], undefined, "0x01", new Array<string>(65).fill("0x01")])
      expect((await post(wrong)).status, JSON.stringify(wrong)).to.equal(400);
    expect((await post(new Array<string>(64).fill("0x01"))).status).to.equal(202);
    world.epochs.transactions.length = 0;
    const tooLong = `0x${"00".repeat(RECONFIGURATION_LIMITS.maxTransactionBytes + 1)}`;
    expect((await post([tooLong])).body).to.deep.equal({ results: [{ code: malformed }] });
    expect(world.epochs.transactions).to.have.length(0);
  });

  it("takes the largest transaction although its body passes the general limit, and splits what is too much for one body", async () => {
    const world = createWorld();
    const { client, url } = await start(world);
    const largest = new Uint8Array(RECONFIGURATION_LIMITS.maxTransactionBytes).fill(5);
    const small = Array.from({ length: 70 }, (_, i) => Uint8Array.of(i));
    const sent = [...small, largest, largest, ...small];
    expect(await client.submitTransactions(sent)).to.deep.equal(sent.map(() => ({ code: "accepted" })));
    expect(world.epochs.transactions).to.deep.equal(sent);

    const body = JSON.stringify({ transactions: [`0x${"00".repeat(RECONFIGURATION_LIMITS.maxBodyBytes / 2)}`] });
    const headers = { "content-type": "application/json" };
    for (const path of ["/v1/reconfiguration/transactions", "/v1/instructions"]) {
      const response = await fetch(`${url}${path}`, { method: "POST", headers, body });
      expect(response.status, path).to.equal(413);
    }
  });

  it("charges every transaction like a request: checking one takes as long as answering one", async () => {
    const world = createWorld();
    const { client } = await start(world, { rateLimit: { perSecond: 0.001, burst: 10 } });
    const send = (count: number) => client.submitTransactions(Array.from({ length: count }, () => Uint8Array.of(1)));
    expect(await send(5)).to.have.length(5);
    const error = await errorOf(send(5));
    expect(error.code).to.equal("rateLimited");
    expect(error.details.retryAfterMs).to.be.above(1_000);
    expect(world.epochs.transactions).to.have.length(5);
    expect(await send(1)).to.have.length(1);
  });

  it("has one budget for all large bodies that arrive: senders beyond it are told to come back", async () => {
    const world = createWorld();
    const { client, port } = await start(world, { maxLargeBodyBytes: 1000 });
    const sockets: Socket[] = [];
    const head = "POST /v1/reconfiguration/transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(`${head}content-length: 5000\r\n\r\n${" ".repeat(900)}`, () => resolve());
      });
      sockets.push(socket);
    });
    // Its bytes have to arrive before the budget is spent.
    let refused = "none";
    while (refused !== "unavailable") {
      const result = await client.submitTransactions([new Uint8Array(100)]).catch((error: { code: string }) => error);
      refused = "code" in result ? result.code : "taken";
      if (refused === "taken") await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const socket of sockets) socket.destroy();
    let taken: readonly unknown[] = [];
    while (taken.length === 0) {
      taken = await client.submitTransactions([new Uint8Array(100)]).catch(() => []);
      if (taken.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(taken).to.deep.equal([{ code: "accepted" }]);
  });

  it("answers epochs by number and by `latest`, and handovers", async () => {
    const world = createWorld();
    const { client, url } = await start(world);
    const first = { committee: world.committee(), peers: [], certificates: [] };
    expect(await client.epoch(0n)).to.deep.equal(first);
    expect(await client.epoch("latest")).to.deep.equal(first);
    expect((await errorOf(client.epoch(5n))).code).to.equal("unknownEpoch");
    for (const wrong of ["newest", "-1", "01", "1e3", "18446744073709551616"]) {
      const response = await fetch(`${url}/v1/epochs/${wrong}`);
      expect(response.status, wrong).to.equal(400);
    }

    expect(await client.handovers()).to.deep.equal({ handovers: [] });
    const handover: SignedHandover = {
      statement: attemptIn("handover").handover!.statement,
      signatures: { "bls12-381": `0x${"01".repeat(48)}`, bn254: `0x${"02".repeat(64)}` },
      epoch: 4n,
      groupKeys: { "bls12-381": NEW_KEYS["bls12-381"].groupKey, bn254: NEW_KEYS.bn254.groupKey },
    };
    world.epochs.handovers = [handover];
    expect(await client.handovers()).to.deep.equal({ handovers: [handover] });
    const json = (await (await fetch(`${url}/v1/handovers`)).json()) as { handovers: { epoch: unknown }[] };
    expect(json.handovers[0]?.epoch).to.equal("4");
  });

  it("gives the newest checkpoint of the epoch, and the parts of those that are held", async () => {
    const world = createWorld();
    const { client, url } = await start(world);
    expect((await errorOf(client.checkpoint())).code).to.equal("unknownCheckpoint");
    const checkpoints = [3n, 9n].map((sequence) => {
      const header: BatchHeader = {
        sequence,
        epoch: 0n,
        previous: `0x${"01".repeat(32)}`,
        history: `0x${"02".repeat(32)}`,
        outboxes: `0x${"03".repeat(32)}`,
        state: `0x${"04".repeat(32)}`,
        commit: `0x${"05".repeat(32)}`,
      };
      const certificates: Certificate[] = [{ header, suite: "bn254", signature: `0x${"06".repeat(64)}` }];
      return { header, certificates, snapshot: Uint8Array.of(Number(sequence), 1), order: Uint8Array.of(2) };
    });
    world.epochs.checkpoints = checkpoints;
    const { header, certificates } = checkpoints[1]!;
    expect(await client.checkpoint()).to.deep.equal({ header, certificates });
    expect(await client.checkpointPart(9n, "snapshot")).to.deep.equal(Uint8Array.of(9, 1));
    expect(await client.checkpointPart(3n, "snapshot")).to.deep.equal(Uint8Array.of(3, 1));
    expect(await client.checkpointPart(3n, "order")).to.deep.equal(Uint8Array.of(2));
    expect((await errorOf(client.checkpointPart(4n, "order"))).code).to.equal("unknownCheckpoint");
    expect((await fetch(`${url}/v1/checkpoints/latest/snapshot`)).status).to.equal(400);
  });

  it("sends snapshots whole and cacheable, up to the size that the client takes", async () => {
    const world = createWorld();
    const { client, url } = await start(world);
    const snapshot = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 31) & 255);
    world.epochs.snapshots.set(2n, snapshot).set(3n, new Uint8Array(0));
    expect(await client.snapshot(2n)).to.deep.equal(snapshot);
    expect(await client.snapshot(3n)).to.have.length(0);
    expect((await errorOf(client.snapshot(2n, { maxBytes: 300_000 }))).code).to.equal("answerTooLarge");
    expect((await errorOf(client.snapshot(1n))).code).to.equal("unknownEpoch");
    const response = await fetch(`${url}/v1/epochs/2/snapshot`);
    expect(response.headers.get("cache-control")).to.include("immutable");
    expect(response.headers.get("content-type")).to.equal("application/octet-stream");
    expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(snapshot);
    expect((await fetch(`${url}/v1/epochs/latest/snapshot`)).status).to.equal(400);
    const head = await fetch(`${url}/v1/epochs/2/snapshot`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).to.deep.equal([200, "300001"]);
  });

  it("sends a snapshot no faster than it is read, drops who does not read, and serves so many at once", async () => {
    const world = createWorld();
    const { port, url } = await start(world, { streamStallMs: 3_000, maxDownloads: 1 });
    // Far more than sockets hold on both sides.
    world.epochs.snapshots.set(1n, new Uint8Array(64 << 20));
    const socket = connect(port, "127.0.0.1", () =>
      socket.write("GET /v1/epochs/1/snapshot HTTP/1.1\r\nhost: x\r\n\r\n"),
    );
    // It reads a first piece, and no more.
    await new Promise<void>((resolve) => socket.once("data", () => resolve()));
    socket.pause();
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    const client = createApiClient({ url });
    const untilCode = async (code: string): Promise<void> => {
      for (;;) {
        if ((await errorOf(client.snapshot(1n, { maxBytes: 1 }))).code === code) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await untilCode("unavailable");
    // Its place is free again: the server gave up. What is read now is what was in flight, and only that.
    await untilCode("answerTooLarge");
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.resume();
    await closed;
    expect(received).to.be.below(32 << 20);
  });
});

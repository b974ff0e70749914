/** The parts of bench:consensus that its figures hang on. */
import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import { encodeFrame, FRAME, readFrames } from "../../scripts/bench/consensus/frames.ts";
import { REGIONS, regionOf, roundTripMs, startProxy } from "../../scripts/bench/consensus/network.ts";
import {
  type BatchContent,
  keyOf,
  OpaqueSettlement,
  splitInstructions,
  stateAfter,
} from "../../scripts/bench/consensus/opaque.ts";
import { percentilesOf, Samples, slopeOf } from "../../scripts/bench/consensus/statistics.ts";
import { verifyCertificate } from "../../src/batch/certificate.ts";
import { headerDigest } from "../../src/batch/header.ts";
import type { Commit, OutputRound, VerifiedBlock } from "../../src/consensus/types.ts";
import { assemblePayload } from "../../src/ledger/codec.ts";
import { keccak256 } from "../../src/lib/hash.ts";
import { bytesToHex, type Hex, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../src/member/limits.ts";
import { Member } from "../../src/member/member.ts";
import type { MemberEffect, MemberInput } from "../../src/member/types.ts";
import { createTestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { freePorts } from "../lib/free-ports.ts";
import { memberConfig } from "../member/support.ts";

const COMMITTEE: Hex = `0x${"c0".repeat(32)}`;
const EMPTY = new Uint8Array(0);

describe("scripts/bench/consensus: statistics", () => {
  it("percentiles are values of the sample: the smallest that the share does not exceed", () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect(percentilesOf(values)).to.deep.equal({ mean: 100.5, p50: 100, p90: 180, p99: 198, max: 200 });
    expect(percentilesOf([7])).to.deep.equal({ mean: 7, p50: 7, p90: 7, p99: 7, max: 7 });
    expect(percentilesOf([]).p50).to.be.NaN;
    const samples = new Samples();
    for (let i = 0; i < 5_000; i++) samples.add(i);
    expect(samples.length).to.equal(5_000);
    expect(percentilesOf(samples.values).max).to.equal(4_999);
  });

  it("slopes are least squares", () => {
    expect(slopeOf([1, 2, 3, 4].map((x) => [x, 5 - 2 * x]))).to.be.closeTo(-2, 1e-12);
    expect(
      slopeOf([
        [1, 1],
        [2, 3],
        [3, 2],
      ]),
    ).to.be.closeTo(0.5, 1e-12);
    expect(slopeOf([[1, 1]])).to.be.NaN;
  });
});

describe("scripts/bench/consensus: network", () => {
  it("has a round trip between any two regions, the same both ways", () => {
    for (let a = 0; a < REGIONS.length; a++) {
      for (let b = 0; b < REGIONS.length; b++) {
        expect(roundTripMs(a, b)).to.equal(roundTripMs(b, a)).and.to.be.within(1, 273);
      }
    }
    const inRegion = Array.from({ length: 10 }, (_, member) => regionOf(member));
    for (let region = 0; region < REGIONS.length; region++)
      expect(inRegion.filter((other) => other === region).length).to.equal(2);
  });

  it("the proxy hands on every byte in order, both ways, and none before its time", async () => {
    const oneWayMs = 40;
    const [target, port] = (await freePorts(2)) as [number, number];
    // What arrives goes back, with the time at which it arrived.
    const echo = createServer((socket) => socket.on("data", (chunk) => socket.write(chunk)));
    await new Promise<void>((resolve) => echo.listen(target, "127.0.0.1", resolve));
    const proxy = await startProxy([{ port, target, oneWayMs }]);
    const client = new Socket().connect(port, "127.0.0.1");
    try {
      await once(client, "connect");
      const sent = createRandom(5, "proxy").bytes(300_000);
      const got: Buffer[] = [];
      let size = 0;
      const sentMs = performance.now();
      let firstMs: number | undefined;
      const done = new Promise<void>((resolve) => {
        client.on("data", (chunk: Buffer) => {
          firstMs ??= performance.now();
          got.push(chunk);
          size += chunk.length;
          if (size === sent.length) resolve();
        });
      });
      for (let at = 0; at < sent.length; at += 7_000) client.write(sent.subarray(at, at + 7_000));
      await done;
      expect(Buffer.concat(got).equals(sent)).to.equal(true);
      // Timers may be a millisecond early, each way.
      expect(firstMs! - sentMs).to.be.at.least(2 * oneWayMs - 4);
    } finally {
      client.destroy();
      proxy.close();
      echo.close();
    }
  });

  it("frames come out whole, however they are cut", () => {
    const frames = fc.array(fc.record({ kind: fc.nat(3), body: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 5 });
    const property = fc.property(frames, fc.integer({ min: 1, max: 50 }), (sent, cut) => {
      const bytes = Buffer.concat(sent.map(({ kind, body }) => encodeFrame(kind, body)));
      const socket = new Socket();
      const got: { kind: number; body: Uint8Array }[] = [];
      readFrames(socket, (kind, body) => got.push({ kind, body: Uint8Array.from(body) }));
      for (let at = 0; at < bytes.length; at += cut) socket.emit("data", bytes.subarray(at, at + cut));
      socket.destroy();
      expect(got).to.deep.equal(sent);
    });
    fc.assert(property, { numRuns: 100 });
    expect(new Set(Object.values(FRAME)).size).to.equal(3);
  });
});

describe("scripts/bench/consensus: opaque content", () => {
  function create(committeeId = COMMITTEE): { readonly opaque: OpaqueSettlement; readonly batches: BatchContent[] } {
    const batches: BatchContent[] = [];
    const opaque = new OpaqueSettlement({
      committeeId,
      epoch: 0n,
      members: 4,
      patience: 32,
      limits: DEFAULT_MEMBER_LIMITS,
      onBatch: (batch) => batches.push(batch),
    });
    return { opaque, batches };
  }

  const instruction = (value: number): Uint8Array => Uint8Array.of(value, value >> 8, 1, 2, 3);
  const payloadOf = (...values: number[]): Uint8Array =>
    assemblePayload({ instructions: values.map(instruction), observations: EMPTY, transactions: [] });
  const output = (round: number, ...payloads: (readonly [author: number, payload: Uint8Array])[]): OutputRound => {
    const blocks = payloads.map(([author, payload]): VerifiedBlock => {
      const content = { payload, parents: [], coinShares: [], partials: [], signature: "0x", bytes: EMPTY } as const;
      return { epoch: 0n, round, author, digest: bytesToHex(keccak256(payload)), ...content };
    });
    const digest: Hex = `0x${round.toString(16).padStart(64, "0")}`;
    const commit: Commit = {
      ...{ index: BigInt(round), leader: { round, author: 0, digest }, previous: digest, past: digest },
      ...{ digest, blocks },
    };
    return { round, commits: [commit] };
  };

  it("settles the same order to the same headers at every member, whatever each of them holds", () => {
    const [a, b] = [create(), create()];
    for (let value = 0; value < 50; value++) a.opaque.submit(instruction(value), 1);
    const rounds = [
      output(1, [0, payloadOf(1, 2, 3)], [2, payloadOf(4)]),
      output(2, [1, EMPTY], [3, payloadOf(3, 5)]),
      output(3, [1, EMPTY]),
      output(4, [0, payloadOf(1, 2)]),
    ];
    for (const round of rounds) {
      const [one, other] = [a.opaque.settle(round), b.opaque.settle(round)];
      expect(one).to.deep.equal(other);
    }
    // Round 3 brought nothing and round 4 nothing new.
    expect(a.batches.map(({ header }) => header.sequence)).to.deep.equal([1n, 2n]);
    expect([a.opaque.settled, a.opaque.repeated, a.opaque.malformed]).to.deep.equal([5, 3, 0]);
    expect(a.opaque.pending).to.equal(45);
    const [first, second] = a.batches;
    expect(second!.header.previous).to.equal(first!.digest);
    expect(first!.digest).to.equal(headerDigest(first!.header, COMMITTEE));
    // As a client recomputes it.
    const blocks = second!.blocks.map(({ author, ids }) => ({ author, count: ids.length / 32, root: keccak256(ids) }));
    expect(stateAfter(first!.header.state, blocks)).to.equal(second!.header.state);
    expect(first!.before).to.equal(ZERO_BYTES32);
    expect(keyOf(second!.blocks[0]!.ids, 0)).to.equal(keyOf(keccak256(instruction(5)), 0));
  });

  it("another order, another author or another instruction is another state", () => {
    const states = [
      [output(1, [0, payloadOf(1, 2)])],
      [output(1, [0, payloadOf(2, 1)])],
      [output(1, [1, payloadOf(1, 2)])],
      [output(1, [0, payloadOf(1)], [0, payloadOf(2)])],
      [output(1, [0, payloadOf(1)]), output(2, [0, payloadOf(2)])],
    ].map((rounds) => {
      const { opaque } = create();
      for (const round of rounds) opaque.settle(round);
      return opaque.state;
    });
    expect(new Set(states).size).to.equal(states.length);
  });

  it("takes payloads apart as they were put together, and nothing that is none", () => {
    const instructions = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(instructions, fc.nat(), fc.nat(255), (parts, at, to) => {
        const payload = assemblePayload({ instructions: parts, observations: EMPTY, transactions: [] });
        expect(splitInstructions(payload)?.map((part) => Uint8Array.from(part))).to.deep.equal(parts);
        const changed = payload.slice();
        changed[at % changed.length] = to;
        const split = splitInstructions(changed);
        if (split === undefined) return;
        const again = assemblePayload({ instructions: split, observations: EMPTY, transactions: [] });
        expect(again).to.deep.equal(changed);
      }),
    );
  });

  it("four members order and certify it, and an instruction that two of them were given counts once", async () => {
    const test = await createTestCommittee(4, createRandom(3n), "stand-in");
    const members = test.committee.members.map((_, self) => {
      const content = create(test.committee.id);
      const pacing = { busyIntervalMs: 0, idleIntervalMs: 1_000, retryMs: 500 };
      const config = memberConfig(test, self, { opaque: content.opaque, pacing });
      return { ...content, member: new Member(config), certified: new Set<bigint>() };
    });
    const queue: { to: number; input: MemberInput }[] = [];
    const perform = (from: number, effects: readonly MemberEffect[]): void => {
      for (const effect of effects) {
        if (effect.kind === "send") {
          const peers = effect.to === "all" ? [0, 1, 2, 3] : [effect.to];
          for (const to of peers)
            if (to !== from) queue.push({ to, input: { kind: "message", epoch: 0n, from, bytes: effect.bytes } });
        }
        if (effect.kind !== "certificate") continue;
        const { certificate } = effect;
        const groupKey = test.committee.keys[certificate.suite].groupKey;
        expect(verifyCertificate(test.engines[certificate.suite], groupKey, test.committee.id, certificate)).to.equal(
          true,
        );
        members[from]!.certified.add(certificate.header.sequence);
      }
    };
    for (let value = 0; value < 40; value++) members[value % 4]!.opaque.submit(instruction(value), 1);
    members[1]!.opaque.submit(instruction(0), 1);
    for (const [self, { member }] of members.entries()) perform(self, member.step({ kind: "tick" }, 0));
    for (let steps = 0; queue.length > 0 && steps < 20_000; steps++) {
      const { to, input } = queue.shift()!;
      perform(to, members[to]!.member.step(input, steps / 100));
      if (members.every(({ opaque }) => opaque.settled === 40 && opaque.pending === 0) && queue.length === 0) break;
    }
    // Whatever is left to a step of its own.
    for (const [self, { member }] of members.entries()) perform(self, member.step({ kind: "tick" }, 400));
    for (const { opaque, batches, certified, member } of members) {
      expect([opaque.settled, opaque.repeated, opaque.pending]).to.deep.equal([40, 1, 0]);
      expect(batches.map(({ digest }) => digest)).to.deep.equal(members[0]!.batches.map(({ digest }) => digest));
      expect(member.certifiedSequence).to.equal(opaque.sequence);
      expect(certified.size).to.equal(batches.length);
    }
  });
});

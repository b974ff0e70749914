/** One member among scripted peers. */

import { assert, expect } from "chai";
import { decodePayload } from "../../src/ledger/codec.ts";
import { accountIdOf, instructionDigest, instructionId } from "../../src/ledger/instruction.ts";
import type { SignedInstruction } from "../../src/ledger/types.ts";
import { Member } from "../../src/member/member.ts";
import type { MemberEffect } from "../../src/member/types.ts";
import { decodeMessage, encodeMessage, MAX_INSTRUCTIONS } from "../../src/member/wire.ts";
import { createTestCommittee, TEST_ASSET, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { standInAddress } from "../../src/testing/stand-in.ts";
import { cpuMs } from "../lib/cpu-time.ts";
import { memberConfig } from "./support.ts";

describe("member", () => {
  let test: TestCommittee;
  before(async () => {
    test = await createTestCommittee(4, createRandom(1n), "stand-in");
  });

  function create(self: number): Member {
    return new Member(memberConfig(test, self));
  }

  /** A transfer by a signer of its own, naming a batch. */
  function signed(user: number, namedBatch: bigint): SignedInstruction {
    const secret = new Uint8Array(32).fill(1);
    new DataView(secret.buffer).setUint32(0, user);
    const signer = standInAddress(secret);
    const from = accountIdOf(signer);
    const instruction = {
      head: { signer, lane: 0n, nonce: 0n, namedBatch },
      body: { kind: "transfer", from, to: accountIdOf(signer, 1n), asset: TEST_ASSET, amount: 1n },
    } as const;
    const digest = instructionDigest(test.committee.id, instruction);
    return { instruction, signature: test.identities.sign(secret, digest) };
  }

  const codes = (effects: readonly MemberEffect[]) =>
    effects.flatMap((effect) => (effect.kind === "punish" ? [effect.code] : []));

  it("gossips however much its users submit at once in messages that its peers can read", () => {
    const instructions = Array.from({ length: MAX_INSTRUCTIONS + 500 }, (_, user) => signed(user, 0n));
    const effects = create(0).step({ kind: "submit", instructions }, 0);
    const gossiped = effects.flatMap((effect) => {
      if (effect.kind !== "send" || effect.bytes[4] !== 4) return [];
      const message = decodeMessage(effect.bytes);
      assert(message.kind === "instructions");
      return [message.instructions.length];
    });
    expect(gossiped.reduce((sum, length) => sum + length, 0)).to.equal(instructions.length);
    expect(gossiped.length).to.be.greaterThan(1);
  });

  it("gossips within a budget; what is beyond goes out when no block of ours leaves", () => {
    const member = create(0);
    const instructions = Array.from({ length: 10_000 }, (_, user) => signed(user, 0n));
    const gossiped: string[] = [];
    const hear = (effects: readonly MemberEffect[]): void => {
      for (const effect of effects) {
        if (effect.kind !== "send" || effect.bytes[4] !== 4) continue;
        const message = decodeMessage(effect.bytes);
        assert(message.kind === "instructions");
        gossiped.push(...message.instructions.map(({ instruction }) => instructionId(instruction)));
      }
    };
    hear(member.step({ kind: "submit", instructions }, 0));
    expect(gossiped.length).to.be.within(1_000, 9_000);
    // Alone, the member makes one block and waits for the others'.
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 1_000) hear(member.step({ kind: "tick" }, nowMs));
    expect(new Set(gossiped).size).to.equal(gossiped.length);
    const [own] = member.consensus.blocksAt(1);
    const carried = decodePayload(own!.payload).instructions.map(({ instruction }) => instructionId(instruction));
    expect(carried.length).to.be.greaterThan(1_000);
    expect(new Set([...gossiped, ...carried]).size).to.equal(10_000);
  });

  it("holds what a faster member gossips although it names a batch that is not settled here, within reason", () => {
    const member = create(0);
    const [next, far] = [signed(1, 2n), signed(2, 10_000n)];
    const gossip = encodeMessage(0n, { kind: "instructions", instructions: [next, far] });
    const effects = member.step({ kind: "message", epoch: 0n, from: 1, bytes: gossip }, 0);
    expect(codes(effects)).to.deep.equal([]);
    expect(member.isPending(instructionId(next.instruction))).to.equal(true);
    expect(member.isPending(instructionId(far.instruction))).to.equal(false);
    // Its own user is told instead: nothing is lost, and the next batch is moments away.
    const own = member.step({ kind: "submit", instructions: [signed(3, 2n)] }, 0);
    expect(own.flatMap((effect) => (effect.kind === "verdict" ? [effect.verdict.code] : []))).to.deep.equal(["early"]);
  });

  it("proposes nothing in an epoch in which its register has a block that its log has not", () => {
    const signedRounds = (signedRound: number) => {
      const member = create(0);
      member.restore({ log: [], certificates: [], registered: () => undefined, signedRound }, () => {});
      const effects = member.step({ kind: "tick" }, 1000);
      return effects.flatMap((effect) =>
        effect.kind === "persist" ? effect.write.blocks.map(({ round }) => round) : [],
      );
    };
    expect(signedRounds(0)).to.deep.equal([1]);
    expect(signedRounds(1)).to.deep.equal([]);
    expect(signedRounds(7)).to.deep.equal([]);
  });

  it("proposes nothing in an epoch after it met a block in its name that it never made, not after a restart either", () => {
    const first = (self: number) => {
      const [effect] = create(self).step({ kind: "tick" }, 0);
      assert(effect?.kind === "persist");
      return { kind: "block", bytes: effect.write.blocks[0]!.bytes } as const;
    };
    const log = [0, 1, 2, 3].map(first);
    const proposed = (signedRound: number) => {
      const member = create(0);
      member.restore({ log, certificates: [], registered: () => undefined, signedRound }, () => {});
      const effects = member.step({ kind: "tick" }, 1000);
      return effects.flatMap((effect) =>
        effect.kind === "persist" ? effect.write.blocks.map(({ round }) => round) : [],
      );
    };
    expect(proposed(1)).to.deep.equal([2]);
    expect(proposed(0)).to.deep.equal([]);
  });

  it("writes what it signs before anything leaves, and shows nothing before that", () => {
    const effects = create(0).step({ kind: "tick" }, 0);
    const kinds = effects.map((effect) => effect.kind);
    expect(kinds.indexOf("persist")).to.equal(0);
    expect(kinds.lastIndexOf("persist")).to.equal(0);
    assert(effects[0]?.kind === "persist");
    expect(effects[0].write.register.map(({ kind, position }) => [kind, position])).to.deep.equal([["block", 1n]]);
    expect(kinds.includes("send")).to.equal(true);
  });

  it("survives nonsense of every kind from a peer, and blames that peer alone", () => {
    const member = create(0);
    const random = createRandom(7n);
    for (let i = 0; i < 3000; i++) {
      const bytes = random.bytes(1 + random.below(200));
      // Valid epochs and tags get further.
      if (random.chance(900)) bytes.fill(0, 0, 4);
      if (bytes.length > 4) bytes[4] = random.below(7);
      if (bytes.length > 5) bytes[5] = random.below(9);
      for (const effect of member.step({ kind: "message", epoch: 0n, from: 2, bytes }, i)) {
        if (effect.kind === "punish") expect(effect.member).to.equal(2);
      }
    }
    expect(member.pendingInstructions).to.equal(0);
  });

  it("answers a request for all certificates without walking every batch there ever was", () => {
    const member = create(0);
    const startedMs = cpuMs();
    const bytes = encodeMessage(0n, { kind: "certificatesWanted", from: 0n });
    for (let i = 0; i < 1000; i++) member.step({ kind: "message", epoch: 0n, from: 1, bytes }, 0);
    expect(cpuMs() - startedMs).to.be.below(20_000);
  });
});

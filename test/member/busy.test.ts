/** A member that has more to do than it gets to: what came is looked at before anything is made of it. */
import { assert, expect } from "chai";
import { Member } from "../../src/member/member.ts";
import type { MemberEffect, MemberInput } from "../../src/member/types.ts";
import { TAGS } from "../../src/member/wire.ts";
import { createTestCommittee, type TestCommittee } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { memberConfig } from "./support.ts";

describe("member: several inputs at once", () => {
  let test: TestCommittee;
  before(async () => {
    test = await createTestCommittee(4, createRandom(1n), "stand-in");
  });

  const isBlock = (effect: MemberEffect) => effect.kind === "send" && effect.bytes[4] === TAGS.consensus;

  /** A member with its block of round 1 made, and the others' blocks of that round as messages. */
  function atRoundTwo(): { readonly member: Member; readonly messages: readonly MemberInput[] } {
    const [member, ...others] = Array.from({ length: 4 }, (_, self) => new Member(memberConfig(test, self)));
    assert(member !== undefined);
    member.step({ kind: "tick" }, 0);
    const messages = others.map((other, i): MemberInput => {
      const sent = other.step({ kind: "tick" }, 0).find((effect) => isBlock(effect));
      assert(sent?.kind === "send");
      return { kind: "message", epoch: test.committee.epoch, from: i + 1, bytes: sent.bytes };
    });
    return { member, messages };
  }

  const parentsOf = (member: Member): number =>
    member.consensus.blocksAt(2).find(({ author }) => author === member.self)?.parents.length ?? 0;

  it("a block has everybody among its parents whose block was there when its quorum was", () => {
    const { member, messages } = atRoundTwo();
    const made = messages.map((message, i) => member.step(message, 1, i + 1 < messages.length).some(isBlock));
    expect(made).deep.equal([false, false, true]);
    expect(parentsOf(member)).equal(4);
  });

  it("one by one, it is made with the quorum", () => {
    const { member, messages } = atRoundTwo();
    const made = messages.map((message) => member.step(message, 1).some(isBlock));
    expect(made).deep.equal([false, true, false]);
    expect(parentsOf(member)).equal(3);
  });

  it("the last step makes what the ones before it allowed, whatever it brings itself", () => {
    const { member, messages } = atRoundTwo();
    for (const message of messages) expect(member.step(message, 1, true).some(isBlock)).equal(false);
    expect(member.step({ kind: "tick" }, 1).some(isBlock)).equal(true);
  });
});

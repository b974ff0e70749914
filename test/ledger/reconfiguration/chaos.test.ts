import { expect } from "chai";
import fc from "fast-check";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { encodeTransaction } from "../../../src/ledger/reconfiguration/codec.ts";
import type { ReconfigurationEvent, SettledBatch } from "../../../src/ledger/types.ts";
import type { Address, Hex } from "../../../src/lib/hex.ts";
import { maxFaulty, quorumOf } from "../../../src/lib/math.ts";
import { seed } from "../../seed.ts";
import { type Person, people, person, World } from "./world.ts";

const everybody = people("abcdefgh");
const committees = ["abcd", "abcde", "cdefg", "efgh"].map(people);

type Act =
  | { readonly kind: "approve"; readonly who: number; readonly to: number; readonly attempt: number }
  | { readonly kind: "deal" | "ready" | "handover"; readonly who: number; readonly isBad: boolean }
  | { readonly kind: "again"; readonly back: number; readonly flip: number }
  | { readonly kind: "idle" };

/** One of those whose turn it is; the highest is a stranger to it now and then. */
const who = fc.nat(29);

function pick(who: number, addresses: readonly { readonly address: Address }[]): Person {
  const those = everybody.filter(({ address }) => addresses.some((each) => each.address === address));
  return who === 29 ? everybody[0]! : those[who % those.length]!;
}
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("approve" as const),
      who,
      to: fc.constantFrom(0, 0, 0, 0, 0, 1),
      attempt: fc.constantFrom(1, 1, 1, 2, 3),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("deal" as const, "deal" as const, "ready" as const, "ready" as const, "handover" as const),
      who,
      isBad: fc.constantFrom(false, false, false, false, false, true),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("again" as const), back: fc.nat(40), flip: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.constant({ kind: "idle" as const }) },
);

/** A change from approvals to the closing batch, with a bad deal at first and a later attempt that takes its place. */
const wholeChange: readonly Act[] = [
  ...turns("approve", 1),
  { kind: "deal", who: 0, isBad: true },
  { kind: "deal", who: 0, isBad: false },
  ...turns("approve", 2),
  ...turns("deal"),
  ...turns("deal"),
  ...turns("ready"),
  ...turns("handover"),
  ...turns("ready"),
  { kind: "idle" },
  { kind: "idle" },
];

function turns(kind: "approve" | "deal" | "ready" | "handover", attempt = 1): Act[] {
  return Array.from(
    { length: 8 },
    (_, who): Act => (kind === "approve" ? { kind, who, to: 0, attempt } : { kind, who, isBad: false }),
  );
}

/** Bytes of an act, if it means anything just now. */
function bytesOf(w: World, next: Act, sent: readonly Uint8Array[]): Uint8Array | undefined {
  if (next.kind === "idle") return undefined;
  if (next.kind === "again") {
    const old = sent.at(-1 - next.back)?.slice();
    if (old !== undefined && next.flip === 0) old[old.length - 1]! ^= 1;
    return old;
  }
  const { attempt, committee } = w.epochs;
  if (next.kind === "approve") {
    const to = committees[(next.to + next.attempt + Number(committee.epoch)) % committees.length]!;
    return encodeTransaction(w.approve(w.proposal(to, BigInt(next.attempt)), pick(next.who, committee.members)));
  }
  if (attempt === undefined) return undefined;
  const one = pick(next.who, next.kind === "ready" ? attempt.proposal.members : committee.members);
  const isOld = w.epochs.committee.members.some(({ address }) => address === one.address);
  const isNew = attempt.proposal.members.some(({ address }) => address === one.address);
  const other = person("stranger");
  if (next.kind === "deal" && isOld) {
    const deal = w.deal(one, next.isBad ? "another" : "");
    return encodeTransaction(next.isBad && w.random.chance(500) ? { ...deal, dealer: other.address } : deal);
  }
  if (next.kind === "ready" && isNew && attempt.keys !== undefined) {
    const shares = w.open(one);
    const swapped = { "bls12-381": shares.bn254, bn254: shares["bls12-381"] };
    return encodeTransaction(w.ready(one, next.isBad ? swapped : shares));
  }
  if (next.kind === "handover" && isOld && attempt.handover !== undefined) {
    const partial = w.handover(one);
    return encodeTransaction(next.isBad ? { ...partial, member: everybody[0]!.address } : partial);
  }
  return undefined;
}

/** What must hold of every step, from the steps alone. */
class Rules {
  approved = new Map<Hex, Set<Address>>();
  counts = { dealt: 0, ready: 0, signed: 0 };
  tookEffect = 0n;
  isBound = false;
  seen = new Set<string>();

  check({ step, proposal, member, attempt }: ReconfigurationEvent, n: number, next: number): void {
    this.seen.add(step);
    if (step === "proposed" || step === "approved") {
      expect(this.isBound).equal(false);
      const approvals = this.approved.get(proposal) ?? new Set();
      this.approved.set(proposal, approvals.add(member!));
    }
    if (step === "tookEffect") {
      expect(this.approved.get(proposal)!.size).least(quorumOf(n));
      expect(attempt > this.tookEffect && !this.isBound).equal(true);
      this.tookEffect = attempt;
      this.counts = { dealt: 0, ready: 0, signed: 0 };
    }
    if (step === "dealt") this.counts.dealt++;
    if (step === "ready") this.counts.ready++;
    if (step === "handoverSigned") this.counts.signed++;
    if (step === "keysMade") expect(this.counts.dealt).least(maxFaulty(n) + 1);
    if (step === "handedOver") expect(this.counts.signed).equal(quorumOf(n));
    if (step === "handover" || step === "closing") {
      expect(this.counts.ready).least(quorumOf(next));
      this.isBound = true;
    }
    if (step === "closed") Object.assign(this, { approved: new Map(), tookEffect: 0n, isBound: false });
  }
}

describe(`a change under everything that can be sent (CLOCKLESS_SEED=${seed})`, () => {
  it("obeys its rules step by step, and goes alike on every ledger, restored ones too", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(act, { minLength: 40, maxLength: 300 }), fc.nat(), (acts, cutAt) => {
        const w = new World(committees[0]!);
        const rules = new Rules();
        const sent: Uint8Array[] = [];
        const taken: { batch: SettledBatch; snapshot: Uint8Array; inputs: number }[] = [];
        let opened = new Map<Address, ReturnType<World["open"]>>();
        for (const next of acts) {
          const bytes = bytesOf(w, next, sent);
          if (bytes !== undefined) sent.push(bytes);
          const { committee, attempt } = w.epochs;
          const n = committee.members.length;
          const transactions = bytes === undefined ? [] : [bytes];
          const batch = w.apply([{ author: w.inputs.length % n, instructions: [], observations: [], transactions }]);
          const proposed = w.epochs.attempt?.proposal.members.length ?? attempt?.proposal.members.length ?? 0;
          for (const event of batch?.events ?? []) {
            if (event.kind === "reconfiguration") rules.check(event, n, proposed);
          }
          if (w.epochs.attempt?.phase === "closing" && opened.size === 0) {
            const { members } = w.attempt.proposal;
            const joining = everybody.filter(({ address }) => members.some((member) => member.address === address));
            opened = new Map(joining.map((one) => [one.address, w.open(one)]));
          }
          if (batch?.closes !== undefined) {
            expect(w.ledger.epoch).equal(committee.epoch + 1n);
            const isSame = batch.closes.committee.keys.bn254.groupKey === committee.keys.bn254.groupKey;
            expect(isSame).equal(attempt?.kind === "reshare");
            w.shares = opened;
            opened = new Map();
          }
          if (batch !== undefined) taken.push({ batch, snapshot: w.ledger.snapshot(), inputs: w.inputs.length });
        }
        for (const step of rules.seen) seen.add(step);
        const cut = taken[cutAt % Math.max(1, taken.length)];
        if (cut === undefined) return;
        const options = { verify: () => true, reshare: w.scheme };
        const restored = Ledger.restore(w.genesis, cut.batch.header, cut.snapshot, options);
        const other = new Ledger(w.genesis, { ...options, committee: w.first });
        for (const [i, input] of w.inputs.entries()) {
          other.apply(input);
          if (i >= cut.inputs) restored.apply(input);
        }
        expect(restored.header).deep.equal(w.ledger.header);
        expect(other.header).deep.equal(w.ledger.header);
        expect(restored.epochs?.attempt).deep.equal(w.epochs.attempt);
      }),
      { seed, numRuns: 60, examples: [[[...wholeChange, ...wholeChange, ...wholeChange, ...wholeChange], 1]] },
    );
    // The streams must reach what they are meant to reach.
    const all =
      "proposed approved tookEffect superseded dealt blamed keysMade ready closing closed handover handoverSigned";
    expect([...seen]).include.members([...all.split(" "), "handedOver"]);
  });
});

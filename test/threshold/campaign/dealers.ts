/**
 * Everything that a malicious dealer of a reshare does in the campaign.
 *
 * The campaign deals few rounds, which a dealer could beat by luck. No verdict here depends on it: what is tampered with is
 * caught with certainty, because every byte of a deal enters its hash; what depends on the challenge (spoilt rounds) is
 * dealt again until the challenge falls as the kind says, revealed or chosen. With 141 rounds a dealer has the same choices,
 * except that spoiling *all* chosen rounds unseen takes 2^128 tries; that is left out here and has its own test ("luck").
 */
import { concatBytes } from "../../../src/lib/bytes.ts";
import { bytesToHex } from "../../../src/lib/hex.ts";
import type { Random } from "../../../src/testing/random.ts";
import { type DealContext, dealInstance } from "../../../src/threshold/associated-data.ts";
import { makeDeal } from "../../../src/threshold/deal.ts";
import { type Deal, decodeDeal, encodeDeal } from "../../../src/threshold/deal-codec.ts";
import type { DealEngine, GroupElement } from "../../../src/threshold/deal-engine.ts";
import type { DealBundle, DealerFault } from "../../../src/threshold/deal-select.ts";
import type { ExpandedRound } from "../../../src/threshold/deal-transcript.ts";
import type { KeyAgreement } from "../../../src/threshold/key-agreement.ts";
import { reduceWide } from "../../../src/threshold/scalar.ts";
import { scalarFromBytes, scalarsFromBytes, writeScalar } from "../../../src/threshold/scalar-bytes.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";
import { type Deviation, dishonestDeal } from "../deal-support.ts";
import { flipBit, offSubgroup } from "../support.ts";

export type Deals = Record<Suite, Uint8Array>;

/** What a dealer can use. */
export interface Dealing {
  readonly random: Random;
  readonly engines: Record<Suite, DealEngine>;
  readonly agreement: KeyAgreement;
  readonly contexts: Record<Suite, DealContext>;
  readonly dealer: number;
  /** Its own share. */
  readonly share: (suite: Suite) => Uint8Array;
  /** What an honest dealer of this index sends. */
  readonly honest: (dealer: number) => Deals;
}

export interface Sent {
  readonly bundles: readonly DealBundle[];
  /** The fault that names it; absent: what it sent is valid, or nothing. */
  readonly fault?: DealerFault["code"] | undefined;
  /** Counts as a dealer: its first bundle is valid. */
  readonly counts?: boolean;
}

type Kind = (dealing: Dealing) => Sent;

const SUITE_MASKS = [
  [true, true],
  [true, false],
  [false, true],
] as const;

/** The honest bundle, changed in one suite or both. */
function changed(
  dealing: Dealing,
  fault: DealerFault["code"],
  change: (bytes: Uint8Array, suite: Suite) => Uint8Array,
) {
  const { dealer, honest, random } = dealing;
  const mask = random.pick(SUITE_MASKS);
  const original = honest(dealer);
  const deals = Object.fromEntries(
    SUITES.map((suite, i) => [suite, mask[i] ? change(original[suite], suite) : original[suite]]),
  );
  return { bundles: [{ dealer, deals }], fault };
}

/** The same, with the parts of the deal in hand. */
function edited(dealing: Dealing, fault: DealerFault["code"], edit: (deal: Deal) => Deal): Sent {
  return changed(dealing, fault, (bytes, suite) =>
    encodeDeal(edit(decodeDeal(dealInstance(dealing.contexts[suite], dealing.dealer), bytes))),
  );
}

/** Dealt by the protocol, but for another context. */
function misplaced(
  dealing: Dealing,
  fault: DealerFault["code"],
  elsewhere: (context: DealContext) => DealContext,
): Sent {
  const { dealer, engines, agreement, contexts, share, random } = dealing;
  return changed(dealing, fault, (_, suite) => {
    const instance = dealInstance(elsewhere(contexts[suite]), dealer);
    return makeDeal(engines[suite], agreement, { ...instance, expected: undefined }, share(suite), random.bytes(32));
  });
}

/** Another secret than its share, dealt by the protocol. */
function otherSecret(dealing: Dealing, secretOf: (share: bigint, order: bigint) => bigint): Sent {
  const { dealer, engines, agreement, contexts, share, random } = dealing;
  return changed(dealing, "wrongSecret", (_, suite) => {
    const secret = new Uint8Array(32);
    writeScalar(secret, 0, secretOf(scalarFromBytes(share(suite)), engines[suite].order));
    const instance = { ...dealInstance(contexts[suite], dealer), expected: undefined };
    return makeDeal(engines[suite], agreement, instance, secret, random.bytes(32));
  });
}

/** Dealt from its real share with a hash that fits, except where it deviates; again until `isWanted` likes the challenge. */
function deviating(
  dealing: Dealing,
  outcome: Pick<Sent, "fault" | "counts">,
  deviate: (suite: Suite, polynomial: readonly bigint[]) => Deviation,
  isWanted: (isChosen: readonly boolean[]) => boolean = () => true,
): Sent {
  const { dealer, engines, contexts, share, random } = dealing;
  const { bundles } = changed(dealing, "wrongTranscript", (_, suite) => {
    const engine = engines[suite];
    const context = contexts[suite];
    const polynomial = [
      scalarFromBytes(share(suite)),
      ...Array.from({ length: context.threshold - 1 }, () => reduceWide(random.bytes(48), engine.order)),
    ];
    const deviation = deviate(suite, polynomial);
    for (;;) {
      const made = dishonestDeal(
        engine,
        dealInstance(context, dealer),
        deviation,
        bytesToHex(random.bytes(16)),
        dealing.agreement,
      );
      if (isWanted(made.isChosen)) return made.bytes;
    }
  });
  return { bundles, ...outcome };
}

const NAMED = { fault: "wrongTranscript" } as const;
const anyBit = (random: Random, bytes: Uint8Array): Uint8Array => flipBit(bytes, random.below(8 * bytes.length));
/** Of the lower half of a scalar: a high bit could make it non-canonical, which is another fault. */
const lowBit = (random: Random, bytes: Uint8Array): Uint8Array =>
  flipBit(bytes, 256 * random.below(bytes.length / 32) + 128 + random.below(128));
const at = <T>(items: readonly T[], index: number, to: (item: T) => T): T[] =>
  items.map((item, i) => (i === index ? to(item) : item));
const spoilt = (recipient: number) => (k: number, round: ExpandedRound) =>
  k === 0 ? { ...round, pads: flipBit(round.pads, 256 * recipient + 100) } : round;

export const DEALER_KINDS: Readonly<Record<string, Kind>> = {
  "dies before it deals": () => ({ bundles: [] }),
  "dies while it sends": (dealing) =>
    changed(dealing, "wrongLength", (bytes) => bytes.subarray(0, dealing.random.below(bytes.length))),
  "dies after one suite": ({ dealer, honest, random }) => {
    const suite = random.pick(SUITES);
    return { bundles: [{ dealer, deals: { [suite]: honest(dealer)[suite] } }], fault: "wrongSuites" };
  },
  "dies after it dealt": ({ dealer, honest }) => ({ bundles: [{ dealer, deals: honest(dealer) }], counts: true }),
  "sends too much": (dealing) =>
    changed(dealing, "wrongLength", (bytes) => concatBytes(bytes, dealing.random.bytes(1 + dealing.random.below(64)))),
  "sends noise": (dealing) =>
    // The first thing that is compared is the dealer's public share.
    changed(dealing, "wrongSecret", (bytes) => dealing.random.bytes(bytes.length)),
  "swaps the suites": ({ dealer, honest }) => {
    const { "bls12-381": a, bn254: b } = honest(dealer);
    return { bundles: [{ dealer, deals: { "bls12-381": b, bn254: a } }], fault: "wrongLength" };
  },

  "replays from another epoch": (dealing) =>
    misplaced(dealing, "wrongTranscript", (context) => ({ ...context, epoch: context.epoch + 1n })),
  "replays from another attempt": (dealing) =>
    misplaced(dealing, "wrongTranscript", (context) => ({ ...context, attempt: context.attempt + 1n })),
  "replays from another committee": (dealing) => {
    const domain = bytesToHex(dealing.random.bytes(32));
    return misplaced(dealing, "wrongTranscript", (context) => ({ ...context, domain }));
  },
  "deals to recipients in another order": (dealing) =>
    misplaced(dealing, "wrongTranscript", (context) => ({ ...context, recipients: [...context.recipients].reverse() })),
  "copies another dealer's deal": ({ dealer, honest, contexts }) => {
    const other = (dealer + 1) % contexts.bn254.dealers.length;
    return { bundles: [{ dealer, deals: honest(other) }], fault: "wrongSecret" };
  },

  "deals another secret": (dealing) =>
    otherSecret(dealing, (_, order) => 1n + (reduceWide(dealing.random.bytes(48), order) % (order - 1n))),
  // Two of this kind: what one adds the other takes away.
  "deals its share + Δ": (dealing) => otherSecret(dealing, (share, order) => (share + 99n) % order),
  "deals its share − Δ": (dealing) => otherSecret(dealing, (share, order) => (share + order - 99n) % order),
  "commits to its share and deals another secret": (dealing) =>
    deviating(dealing, NAMED, (_, polynomial) => ({
      polynomial: [polynomial[0]! + 1n, ...polynomial.slice(1)],
      commitment: (j, engine) => (j === 0 ? engine.commit(polynomial[0]!) : undefined),
    })),
  "deals a lower degree": (dealing) =>
    deviating(dealing, { fault: "invalidCommitment" }, (_, polynomial) => ({
      polynomial: [...polynomial.slice(0, -1), 0n],
    })),
  "commits outside the subgroup": (dealing) =>
    changed(dealing, "invalidCommitment", (bytes, suite) => {
      const out = Uint8Array.from(bytes);
      const strange = offSubgroup(suite, "G2")!;
      out.set(strange, (dealing.contexts[suite].threshold - 1) * strange.length);
      return out;
    }),
  // Its hash fits: only the canonical form is missing.
  "writes a scalar a second way": (dealing) =>
    deviating(dealing, { fault: "nonCanonicalScalar" }, (suite, polynomial) => ({
      polynomial,
      response: (_, bytes) => {
        const response = Uint8Array.from(bytes);
        writeScalar(response, 0, scalarsFromBytes(bytes)[0]! + dealing.engines[suite].order);
        return response;
      },
    })),

  "tampers with a response": (dealing) =>
    edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      chosen: at(deal.chosen, 1, (round) => ({ ...round, response: lowBit(dealing.random, round.response) })),
    })),
  "tampers with an encryption": (dealing) =>
    edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      chosen: at(deal.chosen, 0, (round) => ({ ...round, pads: anyBit(dealing.random, round.pads) })),
    })),
  "tampers with an ephemeral key": (dealing) =>
    edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      chosen: at(deal.chosen, 0, (round) => ({ ...round, ephemeral: anyBit(dealing.random, round.ephemeral) })),
    })),
  "tampers with what an unopened round hides": (dealing) =>
    edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      chosen: at(deal.chosen, 1, (round) => ({
        ...round,
        seedCommitment: anyBit(dealing.random, round.seedCommitment),
      })),
    })),
  "tampers with a revealed seed": (dealing) =>
    edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      revealed: at(deal.revealed, 0, (round) => ({ ...round, seed: anyBit(dealing.random, round.seed) })),
    })),
  "tampers with a revealed round's response": (dealing) =>
    edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      revealed: at(deal.revealed, 1, (round) => ({
        ...round,
        responseCommitment: anyBit(dealing.random, round.responseCommitment),
      })),
    })),

  "spoils a round for one recipient, and is seen": (dealing) =>
    deviating(
      dealing,
      NAMED,
      (_, polynomial) => ({
        polynomial,
        round: spoilt(dealing.random.below(dealing.contexts.bn254.recipients.length)),
      }),
      (isChosen) => !isChosen[0],
    ),
  // Valid: the other chosen round opens for everybody.
  "spoils a round for one recipient, and is lucky": (dealing) =>
    deviating(
      dealing,
      { counts: true },
      (_, polynomial) => ({
        polynomial,
        round: spoilt(dealing.random.below(dealing.contexts.bn254.recipients.length)),
      }),
      (isChosen) => isChosen[0]!,
    ),
  "sends a zero ephemeral key, and is seen": (dealing) =>
    deviating(
      dealing,
      NAMED,
      (_, polynomial) => ({
        polynomial,
        round: (k, round) => (k === 0 ? { ...round, ephemeral: new Uint8Array(32) } : round),
      }),
      (isChosen) => !isChosen[0],
    ),
  "sends a zero ephemeral key, and is lucky": (dealing) =>
    deviating(
      dealing,
      { counts: true },
      (_, polynomial) => ({
        polynomial,
        round: (k, round) => (k === 0 ? { ...round, ephemeral: new Uint8Array(32) } : round),
      }),
      (isChosen) => isChosen[0]!,
    ),
  "responds with another polynomial": (dealing) =>
    deviating(dealing, NAMED, (suite, polynomial) => ({
      polynomial,
      // Moved by (X − 1)·7: equal for recipient 0, different for everybody else.
      response: (_, bytes) => {
        const { order } = dealing.engines[suite];
        const [a, b] = scalarsFromBytes(bytes);
        const out = Uint8Array.from(bytes);
        writeScalar(out, 0, (a! + order - 7n) % order);
        writeScalar(out, 32, (b! + 7n) % order);
        return out;
      },
    })),

  "deals well, then another polynomial": ({ dealer, honest, engines, agreement, contexts, share, random }) => {
    const again = (suite: Suite): Uint8Array =>
      makeDeal(engines[suite], agreement, dealInstance(contexts[suite], dealer), share(suite), random.bytes(32));
    const second = { "bls12-381": honest(dealer)["bls12-381"], bn254: again("bn254") };
    return {
      bundles: [
        { dealer, deals: honest(dealer) },
        { dealer, deals: second },
      ],
      fault: "dealtTwice",
      counts: true,
    };
  },
  "deals badly, then well": (dealing) => {
    const { bundles, fault } = edited(dealing, "wrongTranscript", (deal) => ({
      ...deal,
      transcript: anyBit(dealing.random, deal.transcript),
    }));
    return { bundles: [...bundles, { dealer: dealing.dealer, deals: dealing.honest(dealing.dealer) }], fault };
  },
};

/** For a control: an engine that forgot to refuse the identity. */
export function takesIdentity(engine: DealEngine): DealEngine {
  const element: GroupElement = engine.commitPublic(0n);
  const identity = bytesToHex(engine.encode(element));
  return { ...engine, decode: (bytes) => (bytesToHex(bytes) === identity ? element : engine.decode(bytes)) };
}

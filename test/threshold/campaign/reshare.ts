/**
 * One simulated reshare: f of the old members deal as they like, deals arrive in any order, f′ of the new members do what
 * they like with what they opened, and everything that must hold is checked. A function of its seed.
 *
 * Ten seeds in a row share committees, attempt and honest deals (as one attempt's messages reach different members in
 * different orders); who is malicious, how, and every order is drawn for each. What an honest dealer sent is verified once
 * per ten seeds, by the same memory of verdicts by content that members have; what a malicious one sent, always.
 */
import { createNativeKeyAgreement } from "../../../src/keys/native-agreement.ts";
import { bytesToHex, hexToBytes } from "../../../src/lib/hex.ts";
import { maxFaulty, quorumOf } from "../../../src/lib/math.ts";
import { createRandom, type Random } from "../../../src/testing/random.ts";
import { aggregateKey, openShare } from "../../../src/threshold/aggregate.ts";
import { type DealContext, dealInstance, type Recipient, type Rounds } from "../../../src/threshold/associated-data.ts";
import { combinePartials } from "../../../src/threshold/combine.ts";
import { makeDeal } from "../../../src/threshold/deal.ts";
import type { DealEngine } from "../../../src/threshold/deal-engine.ts";
import { type DealBundle, type DealerFault, selectDeals } from "../../../src/threshold/deal-select.ts";
import { type DEAL_CHECKS, type DealFault, faultOfDeal } from "../../../src/threshold/deal-verify.ts";
import { dealInsecure, type InsecureDeal, insecureDealRandomnessLength } from "../../../src/threshold/dealer.ts";
import { type Engine, SUITES, type Suite, type ThresholdKey } from "../../../src/threshold/types.ts";
import { addressFor, RELAXED_CHECKS } from "../deal-support.ts";
import { seeded } from "../support.ts";
import { DEALER_KINDS, type Deals, type Sent } from "./dealers.ts";
import { HOLDER_KINDS } from "./holders.ts";

/** See `dealers.ts` on why so few are enough here. */
const ROUNDS: Rounds = { total: 4, chosen: 2 };
const SEEDS_PER_ATTEMPT = 10;

export interface CampaignTools {
  readonly deals: Record<Suite, DealEngine>;
  readonly signing: Record<Suite, Engine>;
  readonly checks?: typeof DEAL_CHECKS;
  /** Malice that is drawn from; all of it by default. */
  readonly dealerKinds?: readonly string[];
}

export interface Outcome {
  /** "(4,3) → (7,5)". */
  readonly shape: string;
  readonly dealerKinds: readonly string[];
  readonly holderKinds: readonly string[];
  /** What did not hold; empty when all is well. */
  readonly violations: readonly string[];
}

interface Verdict {
  readonly suite: Suite;
  readonly dealer: number;
  readonly fault: DealFault | undefined;
}

interface Attempt {
  readonly old: Record<Suite, InsecureDeal>;
  readonly contexts: Record<Suite, DealContext>;
  readonly secrets: readonly Uint8Array[];
  readonly honest: (dealer: number) => Deals;
  /** Verdicts by the very bytes, which only honest deals share between seeds. */
  readonly verdicts: WeakMap<Uint8Array, Verdict>;
  /** Signature of the group over `message`, which every epoch's shares must give. */
  readonly signatures: Record<Suite, string>;
}

const agreement = createNativeKeyAgreement();
const message = seeded("ready");
const bySuite = <T>(make: (suite: Suite) => T): Record<Suite, T> => ({
  "bls12-381": make("bls12-381"),
  bn254: make("bn254"),
});

/** Mostly small committees: what can go wrong does not depend on n. */
function shapeOf(group: number): readonly [number, number] {
  const from = group % 20 === 19 ? 10 : group % 10 === 4 ? 7 : 4;
  return [from, [4, 5, 4, 7, 4, 4, 5, 4, 4, 10][group % 10]!];
}

function makeAttempt({ deals, signing }: CampaignTools, group: number): Attempt {
  const [n, to] = shapeOf(group);
  const label = `attempt ${group}`;
  const old = bySuite((suite) =>
    dealInsecure(
      signing[suite],
      n,
      quorumOf(n),
      seeded(`${label} ${suite}`, insecureDealRandomnessLength(quorumOf(n))),
    ),
  );
  const secrets = Array.from({ length: to }, (_, i) => seeded(`encryption ${label} ${i}`));
  const recipients: Recipient[] = secrets.map((secret, i) => ({
    address: addressFor(`new ${i}`),
    encryptionKey: bytesToHex(agreement.publicKey(secret)),
  }));
  const contexts = bySuite(
    (suite): DealContext => ({
      suite,
      kind: "reshare",
      domain: bytesToHex(seeded("campaign")),
      epoch: BigInt(1 + group),
      attempt: 1n,
      dealers: old[suite].shares.map((_, i) => addressFor(`old ${i}`)),
      oldKey: old[suite].key,
      recipients,
      threshold: quorumOf(to),
      rounds: ROUNDS,
    }),
  );
  const dealt = new Map<number, Deals>();
  const honest = (dealer: number): Deals => {
    const known = dealt.get(dealer);
    if (known !== undefined) return known;
    const made = bySuite((suite) =>
      makeDeal(
        deals[suite],
        agreement,
        dealInstance(contexts[suite], dealer),
        old[suite].shares[dealer]!,
        seeded(`${label} dealer ${dealer}`),
      ),
    );
    dealt.set(dealer, made);
    return made;
  };
  const signatures = bySuite((suite) => {
    const partials = new Map(old[suite].shares.map((share, i) => [i, signing[suite].sign(share, message)]));
    return bytesToHex(combinePartials(signing[suite], old[suite].key, message, partials).signature!);
  });
  return { old, contexts, secrets, honest, verdicts: new WeakMap(), signatures };
}

/** Runs seeds in any order; consecutive ones are cheap. */
export function createCampaign(tools: CampaignTools): (seed: number) => Outcome {
  let current: { readonly group: number; readonly attempt: Attempt } | undefined;
  return (seed) => {
    const group = Math.floor(seed / SEEDS_PER_ATTEMPT);
    if (current?.group !== group) current = { group, attempt: makeAttempt(tools, group) };
    return runReshare(tools, current.attempt, createRandom(seed, "reshare"));
  };
}

function runReshare(tools: CampaignTools, attempt: Attempt, random: Random): Outcome {
  const { contexts, old, honest, secrets } = attempt;
  const n = contexts.bn254.dealers.length;
  const to = secrets.length;
  const violations: string[] = [];
  const require = (isRight: boolean, what: string): void => {
    if (!isRight) violations.push(what);
  };

  const malicious = choose(random, n, maxFaulty(n));
  const dealerKinds = malicious.map(() => random.pick(tools.dealerKinds ?? Object.keys(DEALER_KINDS)));
  const sent = new Map<number, Sent>(
    malicious.map((dealer, k) => [
      dealer,
      DEALER_KINDS[dealerKinds[k]!]!({
        random: random.stream(`dealer ${dealer}`),
        engines: tools.deals,
        agreement,
        contexts,
        dealer,
        share: (suite) => old[suite].shares[dealer]!,
        honest,
      }),
    ]),
  );
  for (let dealer = 0; dealer < n; dealer++) {
    if (sent.has(dealer)) continue;
    const bundle = { dealer, deals: honest(dealer) };
    // Now and then an honest dealer restarts and sends the same again.
    sent.set(dealer, { bundles: random.chance(100) ? [bundle, bundle] : [bundle], counts: true });
  }
  const order = interleave(
    random,
    [...sent.values()].map(({ bundles }) => bundles),
  );
  const expected = expectedSelection(order, sent, quorumOf(n));
  const selection = selectDeals(contexts, order, (suite, dealer, bytes) =>
    verdict(tools, attempt, suite, dealer, bytes),
  );

  require(selection.isComplete, "honest deals were not enough");
  const named = selection.faults.map(({ dealer, code }) => `${dealer} ${code}`).sort();
  require(named.join() === expected.faults.join(), `named [${named}], not [${expected.faults}]`);
  for (const { dealer } of selection.faults) require(malicious.includes(dealer), `honest dealer ${dealer} blamed`);
  const dealers = selection.qualified.map(({ dealer }) => dealer);
  require(dealers.join() === expected.qualified.join(), `qualified [${dealers}], not [${expected.qualified}]`);
  const outcome = { shape: `(${n},${quorumOf(n)}) → (${to},${quorumOf(to)})`, dealerKinds };
  if (violations.length > 0) return { ...outcome, holderKinds: [], violations };

  const keys = bySuite((suite) => aggregateKey(tools.deals[suite], contexts[suite], selection.qualified));
  for (const suite of SUITES) {
    require(keys[suite].groupKey === old[suite].key.groupKey, `another ${suite} group key`);
    require(keys[suite].threshold === quorumOf(to), `another ${suite} threshold`);
  }
  const shares = bySuite((suite) =>
    secrets.map((secret, i) =>
      openShare(tools.deals[suite], agreement, contexts[suite], selection.qualified, keys[suite], i, secret),
    ),
  );
  const holderKinds = checkReadies(tools, attempt, keys, shares, random, require);
  return { ...outcome, holderKinds, violations };
}

/** READY: f′ of the new members answer as they like; the others' partials make the old group's signature, in both suites. */
function checkReadies(
  { signing }: CampaignTools,
  { old, signatures }: Attempt,
  keys: Record<Suite, ThresholdKey>,
  shares: Record<Suite, readonly Uint8Array[]>,
  random: Random,
  require: (isRight: boolean, what: string) => void,
): string[] {
  const n = shares.bn254.length;
  const traitors = choose(random, n, maxFaulty(n));
  const kinds = traitors.map(() => random.pick(Object.keys(HOLDER_KINDS)));
  for (const suite of SUITES) {
    const engine = signing[suite];
    const partials = new Map<number, Uint8Array>();
    for (let i = 0; i < n; i++) {
      const kind = kinds[traitors.indexOf(i)];
      const oldShare = old[suite].shares[i % old[suite].shares.length]!;
      const share = shares[suite][i]!;
      const next = shares[suite][(i + 1) % n]!;
      const partial =
        kind === undefined
          ? engine.sign(share, message)
          : HOLDER_KINDS[kind]!({ engine, message, share, next, oldShare, random });
      if (partial !== undefined) partials.set(i, partial);
    }
    const { signature, bad } = combinePartials(engine, keys[suite], message, partials);
    require(signature !== undefined &&
      bytesToHex(signature) === signatures[suite], `no ${suite} signature of the group`);
    for (const i of bad) require(traitors.includes(i), `honest member ${i} blamed in ${suite}`);
    // Old shares in place of new ones: t − 1 of one epoch and one of the other are worth nothing.
    if (!random.chance(100)) continue;
    const mixed = shares[suite].slice(0, keys[suite].threshold).map((share, i) => ({
      x: i + 1,
      signature: engine.sign(i === 0 ? old[suite].shares[0]! : share, message),
    }));
    const isForged = engine.verify(hexToBytes(keys[suite].groupKey), message, engine.interpolate(mixed));
    require(!isForged, `a mixture of epochs signs in ${suite}`);
  }
  return kinds;
}

function verdict(
  { deals, checks = RELAXED_CHECKS }: CampaignTools,
  { contexts, verdicts }: Attempt,
  suite: Suite,
  dealer: number,
  bytes: Uint8Array,
): DealFault | undefined {
  const known = verdicts.get(bytes);
  // Copied or swapped deals are the same bytes in another place.
  if (known?.dealer === dealer && known.suite === suite) return known.fault;
  const fault = faultOfDeal(deals[suite], agreement, dealInstance(contexts[suite], dealer), bytes, checks);
  if (known === undefined) verdicts.set(bytes, { suite, dealer, fault });
  return fault;
}

/** What has to come out, from what each dealer did and the order alone; written apart from `selectDeals`. */
function expectedSelection(order: readonly DealBundle[], sent: ReadonlyMap<number, Sent>, enough: number) {
  const qualified: number[] = [];
  const faults = new Map<number, DealerFault["code"]>();
  const seen = new Map<number, DealBundle>();
  for (const bundle of order) {
    const { dealer } = bundle;
    const { fault, counts } = sent.get(dealer)!;
    const earlier = seen.get(dealer);
    if (earlier === undefined) {
      seen.set(dealer, bundle);
      // What comes when enough count is not looked at.
      if (qualified.length === enough) continue;
      if (counts) qualified.push(dealer);
      else if (fault !== undefined) faults.set(dealer, fault);
    } else if (earlier !== bundle && !faults.has(dealer)) faults.set(dealer, "dealtTwice");
  }
  return { qualified, faults: [...faults].map(([dealer, code]) => `${dealer} ${code}`).sort() };
}

/** `count` of 0 … n − 1. */
function choose(random: Random, n: number, count: number): number[] {
  const left = Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0]!);
}

/** A random order in which each sender's bundles keep theirs. */
function interleave(random: Random, senders: readonly (readonly DealBundle[])[]): DealBundle[] {
  const queues = senders.map((bundles) => [...bundles]).filter((queue) => queue.length > 0);
  const order: DealBundle[] = [];
  while (queues.length > 0) {
    const k = random.below(queues.length);
    order.push(queues[k]!.shift()!);
    if (queues[k]!.length === 0) queues.splice(k, 1);
  }
  return order;
}

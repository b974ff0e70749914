/**
 * Reshares one after the other exactly as members run them: full rounds, every check, the fast engines. Only as many
 * dealers deal as count, because what comes later is not looked at.
 */
import { expect } from "chai";
import { createNativeKeyAgreement } from "../../src/keys/native-agreement.ts";
import { bytesToHex, hexToBytes } from "../../src/lib/hex.ts";
import { quorumOf } from "../../src/lib/math.ts";
import { aggregateKey, openShare } from "../../src/threshold/aggregate.ts";
import { DEFAULT_ROUNDS, type DealContext, dealInstance } from "../../src/threshold/associated-data.ts";
import { combinePartials } from "../../src/threshold/combine.ts";
import { makeDeal } from "../../src/threshold/deal.ts";
import { type AttemptContexts, type DealBundle, dealersNeeded, selectDeals } from "../../src/threshold/deal-select.ts";
import { faultOfDeal } from "../../src/threshold/deal-verify.ts";
import { isShareOf } from "../../src/threshold/key.ts";
import { SUITES, type Suite, type ThresholdKey } from "../../src/threshold/types.ts";
import { addressFor, dealEngines, domain, makeRecipients, secretOf } from "./deal-support.ts";
import { engines, seeded } from "./support.ts";

interface Epoch {
  readonly number: number;
  readonly keys: Record<Suite, ThresholdKey>;
  readonly shares: Record<Suite, readonly Uint8Array[]>;
}

const agreement = createNativeKeyAgreement();
const message = seeded("chain");
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const LONG = process.env.CLOCKLESS_LONG !== undefined;

/** The epoch after `old`, or the first one. */
async function next(old: Epoch | undefined, n: number): Promise<Epoch> {
  const number = old === undefined ? 0 : old.number + 1;
  const { recipients, secrets } = makeRecipients(`epoch ${number}`, n);
  const deals = await dealEngines();
  const context = (suite: Suite): DealContext => ({
    suite,
    kind: old === undefined ? "ceremony" : "reshare",
    domain,
    epoch: BigInt(number),
    attempt: 0n,
    dealers:
      old === undefined
        ? recipients.map(({ address }) => address)
        : old.shares[suite].map((_, i) => addressFor(`epoch ${old.number} ${i}`)),
    ...(old === undefined ? {} : { oldKey: old.keys[suite] }),
    recipients,
    threshold: quorumOf(n),
    rounds: DEFAULT_ROUNDS,
  });
  const contexts = { "bls12-381": context("bls12-381"), bn254: context("bn254") } satisfies AttemptContexts;
  const dealers = range(dealersNeeded(contexts.bn254));
  const bundles = dealers.map((dealer): DealBundle => {
    const deal = (suite: Suite): Uint8Array =>
      makeDeal(
        deals[suite].mcl,
        agreement,
        dealInstance(contexts[suite], dealer),
        old?.shares[suite][dealer] ?? secretOf(`first ${dealer}`, suite),
        seeded(`epoch ${number} ${dealer}`),
      );
    return { dealer, deals: { "bls12-381": deal("bls12-381"), bn254: deal("bn254") } };
  });
  const { qualified, faults, isComplete } = selectDeals(contexts, bundles, (suite, dealer, bytes) =>
    faultOfDeal(deals[suite].mcl, agreement, dealInstance(contexts[suite], dealer), bytes),
  );
  expect([faults, isComplete]).to.deep.equal([[], true]);
  const key = (suite: Suite) => aggregateKey(deals[suite].mcl, contexts[suite], qualified);
  const keys = { "bls12-381": key("bls12-381"), bn254: key("bn254") };
  const open = (suite: Suite) =>
    secrets.map((secret, i) =>
      openShare(deals[suite].mcl, agreement, contexts[suite], qualified, keys[suite], i, secret),
    );
  return { number, keys, shares: { "bls12-381": open("bls12-381"), bn254: open("bn254") } };
}

const partial = async (suite: Suite, epoch: Epoch, i: number): Promise<Uint8Array> =>
  (await engines())[suite].mcl.sign(epoch.shares[suite][i]!, message);

const partials = async (suite: Suite, epoch: Epoch, indices: readonly number[]) =>
  new Map(await Promise.all(indices.map(async (i) => [i, await partial(suite, epoch, i)] as const)));

/** Everybody's share takes part in one of the combinations, which all give the same bytes. */
async function signatureOf(suite: Suite, epoch: Epoch): Promise<string> {
  const key = epoch.keys[suite];
  const all = range(epoch.shares[suite].length);
  const found = new Set<string>();
  for (const chosen of [all.slice(0, key.threshold), all.slice(-key.threshold)]) {
    const { signature, bad } = combinePartials(
      (await engines())[suite].mcl,
      key,
      message,
      await partials(suite, epoch, chosen),
    );
    expect(bad).to.deep.equal([]);
    found.add(bytesToHex(signature!));
  }
  expect(found.size).to.equal(1);
  return [...found][0]!;
}

async function runChain(sizes: readonly number[]): Promise<Epoch[]> {
  const epochs = [await next(undefined, sizes[0]!)];
  const first = epochs[0]!;
  for (const n of sizes.slice(1)) {
    const old = epochs.at(-1)!;
    const fresh = await next(old, n);
    for (const suite of SUITES) {
      const engine = (await engines())[suite].mcl;
      const key = fresh.keys[suite];
      expect(key.groupKey).to.equal(first.keys[suite].groupKey);
      expect([key.threshold, key.publicShares.length]).to.deep.equal([quorumOf(n), n]);
      expect(await signatureOf(suite, fresh)).to.equal(await signatureOf(suite, first));
      // An old share is nobody's share now, and one in the place of a new one spoils the sum and is named.
      for (const [i, share] of old.shares[suite].entries()) expect(isShareOf(engine, key, i, share)).to.equal(false);
      const mixed = await partials(suite, fresh, range(key.threshold));
      mixed.set(0, await partial(suite, old, 0));
      const { signature, bad } = combinePartials(engine, key, message, mixed);
      expect([signature, bad]).to.deep.equal([undefined, [0]]);
    }
    epochs.push(fresh);
  }
  return epochs;
}

describe("deals: a chain of reshares with full rounds", function () {
  this.timeout(600_000);

  it("(4,3) → (7,5) → (10,7) → (4,3): one key for ever; new shares sign, old ones and mixtures do not", async () => {
    const epochs = await runChain([4, 7, 10, 4]);
    // First and last have the same size and coordinates, three reshares apart: where a mixture is most plausible.
    const [old, fresh] = [epochs[0]!, epochs[3]!];
    for (const suite of SUITES) await expectNoMixtureSigns(suite, old, fresh);
  });

  it("(4,3) → (4,3), the same members: no mixture of any size signs", async () => {
    const old = await next(undefined, 4);
    const fresh = await next(old, 4);
    for (const suite of SUITES) await expectNoMixtureSigns(suite, old, fresh);
  });

  it("(4,3) → (7,5) → (10,7) → (4,3) → (31,21)", async function () {
    if (!LONG) this.skip();
    await runChain([4, 7, 10, 4, 31]);
  });
});

/** Every choice of an old, a new or no partial for each of four members, three of them at least. */
async function expectNoMixtureSigns(suite: Suite, old: Epoch, fresh: Epoch): Promise<void> {
  const engine = (await engines())[suite].mcl;
  const key = fresh.keys[suite];
  const [before, after] = [await partials(suite, old, range(4)), await partials(suite, fresh, range(4))];
  let mixtures = 0;
  for (let choice = 0; choice < 3 ** 4; choice++) {
    const taken = range(4).map((i) => Math.floor(choice / 3 ** i) % 3);
    const chosen = range(4).filter((i) => taken[i] !== 0);
    if (chosen.length < key.threshold) continue;
    const olds = chosen.filter((i) => taken[i] === 1);
    const shares = chosen.map((i) => ({ x: i + 1, signature: (taken[i] === 1 ? before : after).get(i)! }));
    const isSignature = engine.verify(hexToBytes(key.groupKey), message, engine.interpolate(shares));
    // All of one epoch still make the one key's signature: that is why old shares are erased, and fewer than t ever leak.
    const isPure = olds.length === 0 || olds.length === chosen.length;
    expect(isSignature, `${suite}: old ${olds}, of ${chosen}`).to.equal(isPure);
    if (!isPure) mixtures++;
  }
  // Three of four members: 4·(2³ − 2); all four: 2⁴ − 2.
  expect(mixtures).to.equal(38);
}

/**
 * Reshares by the thousand, with f malicious dealers and f′ malicious new members of every kind: the group key stays, every
 * honest member can sign, the malicious are named, no honest member is blamed; dealers and members die at each step.
 *
 *   CLOCKLESS_RESHARES=0-9999 npx mocha test/threshold/reshare-campaign.test.ts      seeds from and to; 0.13 s of CPU each
 */
import { expect } from "chai";
import { DEAL_CHECKS, type DealFault } from "../../src/threshold/deal-verify.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { DEALER_KINDS, takesIdentity } from "./campaign/dealers.ts";
import { HOLDER_KINDS } from "./campaign/holders.ts";
import { type CampaignTools, createCampaign, type Outcome } from "./campaign/reshare.ts";
import { dealEngines } from "./deal-support.ts";
import { engines } from "./support.ts";

/** `npm run test:long` runs more; a seed that fails is printed as the range to run again. */
const [FROM, TO] = (process.env.CLOCKLESS_RESHARES ?? "0-39").split("-").map(Number) as [number, number]; // CAST: two

/** For each check the malice that only it keeps out. */
const KEPT_OUT: readonly (readonly [DealFault, string])[] = [
  ["wrongLength", "sends too much"],
  ["wrongSecret", "deals another secret"],
  ["nonCanonicalScalar", "writes a scalar a second way"],
  ["invalidCommitment", "deals a lower degree"],
  ["wrongTranscript", "tampers with an encryption"],
];

/** Honest and malicious dealers multiply in variable time here: nobody measures them, and it is a third faster. */
async function createTools(): Promise<CampaignTools> {
  const [deals, signing] = await Promise.all([dealEngines(), engines()]);
  const [bls12381, bn254] = SUITES.map((suite) => ({ ...deals[suite].mcl, commit: deals[suite].mcl.commitPublic }));
  return {
    deals: { "bls12-381": bls12381!, bn254: bn254! },
    signing: { "bls12-381": signing["bls12-381"].mcl, bn254: signing.bn254.mcl },
  };
}

/** An exception is a violation as well. */
function guarded(run: (seed: number) => Outcome, seed: number): readonly string[] {
  try {
    return run(seed).violations;
  } catch (error) {
    return [String(error)];
  }
}

describe("deals: a campaign of reshares", function () {
  this.timeout(24 * 3600 * 1000);

  it("keeps the key, lets every honest member sign, names the malicious and nobody else", async () => {
    const run = createCampaign(await createTools());
    const seeds = Array.from({ length: TO - FROM + 1 }, (_, i) => FROM + i);
    const counts = new Map<string, number>();
    const failed: string[] = [];
    const started = process.cpuUsage();
    for (const seed of seeds) {
      const { shape, dealerKinds, holderKinds, violations } = run(seed);
      for (const name of [shape, ...dealerKinds, ...holderKinds]) counts.set(name, (counts.get(name) ?? 0) + 1);
      if (violations.length === 0) continue;
      failed.push(
        `CLOCKLESS_RESHARES=${seed}-${seed}: ${shape}, dealers: ${dealerKinds.join("; ")}: ${violations.join("; ")}`,
      );
      console.log(`    ${failed.at(-1)}`);
    }
    const { user, system } = process.cpuUsage(started);
    const seconds = Math.round((user + system) / 1e6);
    console.log(`    reshares of seeds ${FROM} to ${TO}: ${failed.length} failed, ${seconds} s of CPU`);
    expect(failed).to.deep.equal([]);
    if (seeds.length < 1000) return;
    for (const name of [...Object.keys(DEALER_KINDS), ...Object.keys(HOLDER_KINDS)]) {
      expect(counts.get(name) ?? 0, name).to.be.above(0);
    }
    for (const [name, count] of [...counts].sort()) console.log(`    ${String(count).padStart(6)} ${name}`);
  });

  it("knows malice of every kind, and has a control for every check", () => {
    expect(Object.keys(DEALER_KINDS).length).to.be.above(28);
    expect(Object.keys(HOLDER_KINDS).length).to.be.above(10);
    const known = DEAL_CHECKS.map(([name]) => name).filter((name) => name !== "unsoundRounds");
    expect(KEPT_OUT.map(([check]) => check).sort()).to.deep.equal(known.sort());
  });

  // Controls: without a check the campaign has to notice. "unsoundRounds" has its own, in deal-attacks.
  for (const [check, kind] of KEPT_OUT) {
    it(`notices a dealer who ${kind} when nobody checks for ${check}`, async () => {
      const tools = { ...(await createTools()), dealerKinds: [kind] };
      const checks = DEAL_CHECKS.filter(([name]) => name !== check && name !== "unsoundRounds");
      const [strict, weak] = [tools, { ...tools, ...weakened(tools, check), checks }].map(createCampaign);
      const seeds = Array.from({ length: 8 }, (_, seed) => seed);
      expect(seeds.map((seed) => guarded(strict!, seed))).to.deep.equal(seeds.map(() => []));
      expect(seeds.filter((seed) => guarded(weak!, seed).length > 0)).not.to.deep.equal([]);
    });
  }
});

/** Points are also refused where they are decoded, which is the check that matters: the control takes that away, too. */
function weakened({ deals }: CampaignTools, check: DealFault): Partial<CampaignTools> {
  if (check !== "invalidCommitment") return {};
  return { deals: { "bls12-381": takesIdentity(deals["bls12-381"]), bn254: takesIdentity(deals.bn254) } };
}

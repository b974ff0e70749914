import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { addressOf, signDigest } from "../../src/lib/ecdsa.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { compareText, quorumOf } from "../../src/lib/math.ts";
import {
  type ApprovalFile,
  addApprovals,
  approve,
  faultOfApproval,
  requireFinal,
  waitedFor,
} from "../../src/threshold/ceremony/approval.ts";
import {
  CEREMONY_DEAL_RANDOMNESS,
  type CeremonyDeal,
  type CeremonyTools,
  collectDeals,
  dealVerifier,
  faultOfBundle,
  makeCeremonyDeal,
} from "../../src/threshold/ceremony/deals.ts";
import {
  type CommitteeDefinition,
  committeeIdOf,
  defineCommittee,
  openCeremonyShares,
} from "../../src/threshold/ceremony/definition.ts";
import { type CeremonyFault, refuseFaults } from "../../src/threshold/ceremony/faults.ts";
import {
  encodeAnnouncement,
  encodeCeremonyDeal,
  encodeDefinition,
  parseAnnouncement,
  parseCeremonyDeal,
  parseDefinition,
} from "../../src/threshold/ceremony/json.ts";
import { type Announcement, buildRoster, ceremonyScope, type Roster } from "../../src/threshold/ceremony/roster.ts";
import { createDealEngines } from "../../src/threshold/deal-engines.ts";
import { announceEncryptionKey, encryptionSecret } from "../../src/threshold/encryption-key.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { validateThresholdKey } from "../../src/threshold/key.ts";
import { createKeyAgreement } from "../../src/threshold/key-agreement.ts";
import { recoverSecret } from "../../src/threshold/shamir.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import { seeded } from "./support.ts";

const NAME = "test 1";

interface Person {
  readonly identity: Uint8Array;
  readonly randomness: Uint8Array;
  readonly announcement: Announcement;
  readonly sign: (digest: Hex) => Hex;
}

function person(label: string, ceremony = NAME, key = label): Person {
  const identity = seeded(`ceremony identity ${label}`);
  const sign = (digest: Hex): Hex => signDigest(identity, digest);
  const randomness = seeded(`ceremony encryption ${key}`, 64);
  const announced = announceEncryptionKey(ceremonyScope(ceremony), addressOf(identity), randomness, sign);
  const publicKey = bytesToHex(secp256k1.getPublicKey(identity, true));
  return { identity, randomness, sign, announcement: { ceremony, publicKey, multiaddrs: [], ...announced } };
}

const people = ["a", "b", "c", "d"]
  .map((label) => person(label))
  .sort((a, b) => compareText(a.announcement.member, b.announcement.member));
const invited = people.map(({ announcement }) => announcement.member);
const announcements = people.map(({ announcement }) => announcement);

function codes(faults: readonly CeremonyFault[]): string[] {
  return faults.map(({ verdict, member, reason }) => `${invited.indexOf(member!)} ${verdict} ${reason}`);
}

function altered<T extends string>(hex: T, position = hex.length - 3): T {
  const digit = hex[position] === "0" ? "1" : "0";
  return `${hex.slice(0, position)}${digit}${hex.slice(position + 1)}` as T; // CAST: hex with one other digit
}

describe("threshold/ceremony", function () {
  this.timeout(600_000);
  let tools: CeremonyTools;
  let engines: Awaited<ReturnType<typeof createEngines>>;
  let roster: Roster;
  let deals: CeremonyDeal[];
  let defined: CommitteeDefinition;
  let shares: Record<Suite, Uint8Array>[];
  let approvals: ApprovalFile[];

  const dealOf = (index: number, to: Roster, label = "deal"): CeremonyDeal => {
    const { member } = people[index]!.announcement;
    const dealer = to.announcements.findIndex((announcement) => announcement.member === member);
    const randomness = seeded(`${label} ${index}`, CEREMONY_DEAL_RANDOMNESS);
    return makeCeremonyDeal(tools, to, dealer, randomness, people[index]!.sign);
  };
  const approvalOf = (index: number, definition: CommitteeDefinition): ApprovalFile => {
    const { partials, signature } = approve(engines, definition, index, shares[index]!, people[index]!.sign);
    const { committeeId } = definition;
    return { ceremony: NAME, committeeId, member: invited[index]!, partials, signature };
  };

  before(async () => {
    tools = { engines: await createDealEngines("fast"), agreement: createKeyAgreement() };
    engines = await createEngines("fast");
    roster = buildRoster(NAME, invited, announcements).roster!;
    deals = people.map((_, index) => dealOf(index, roster));
    const { bundles } = collectDeals(roster, deals);
    defined = defineCommittee(tools, roster, bundles);
    shares = people.map(({ randomness }, index) =>
      openCeremonyShares(tools, defined, bundles, index, encryptionSecret(randomness)),
    );
    approvals = people.map((_, index) => approvalOf(index, defined));
  });

  describe("announcements", () => {
    it("make the same roster in whatever order they come, twice or once", () => {
      const again = buildRoster(NAME, [...invited].reverse(), [...announcements, ...announcements].reverse());
      expect(again).to.deep.equal({ roster, faults: [] });
    });

    it("name who is missing", () => {
      expect(codes(buildRoster(NAME, invited, announcements.slice(1)).faults)).to.deep.equal(["0 missing missing"]);
    });

    it("call corrupt what a carrier may have changed, and malicious only what the member signed", () => {
      const with0 = (change: Partial<Announcement>) =>
        codes(buildRoster(NAME, invited, [{ ...announcements[0]!, ...change }, ...announcements.slice(1)]).faults);
      expect(with0({ key: altered(announcements[0]!.key) })).to.deep.equal(["0 corrupt badSignature"]);
      expect(with0({ proof: altered(announcements[0]!.proof) })).to.deep.equal(["0 corrupt badSignature"]);
      expect(with0({ signature: altered(announcements[0]!.signature) })).to.deep.equal(["0 corrupt badSignature"]);
      expect(with0({ publicKey: announcements[1]!.publicKey })).to.deep.equal(["0 corrupt publicKeyMismatch"]);
      expect(with0({ ceremony: "test 2" })).to.deep.equal(["0 foreign otherCeremony"]);
    });

    it("refuse an announcement of another ceremony under this one's name", () => {
      const label = ["a", "b", "c", "d"].find((each) => person(each).announcement.member === invited[0])!;
      const other = { ...person(label, "test 2").announcement, ceremony: NAME };
      expect(codes(buildRoster(NAME, invited, [other, ...announcements.slice(1)]).faults)).to.deep.equal([
        "0 corrupt badSignature",
      ]);
    });

    it("blame a second key, and a key that another member has", () => {
      const label = ["a", "b", "c", "d"].find((each) => person(each).announcement.member === invited[0])!;
      const second = person(label, NAME, "another").announcement;
      expect(codes(buildRoster(NAME, invited, [...announcements, second]).faults)).to.deep.equal([
        "0 malicious announcedTwice",
      ]);
      const shared = { ...people[1]!, ...person(label, NAME, "shared") }.announcement;
      const label1 = ["a", "b", "c", "d"].find((each) => person(each).announcement.member === invited[1])!;
      const same = person(label1, NAME, "shared").announcement;
      expect(codes(buildRoster(NAME, invited, [shared, same, ...announcements.slice(2)]).faults)).to.deep.equal([
        "1 malicious duplicateKey",
      ]);
    });

    it("of the uninvited are foreign, and a committee that cannot be is refused", () => {
      const stranger = person("stranger").announcement;
      const { faults } = buildRoster(NAME, invited, [...announcements, stranger]);
      expect(faults).to.deep.equal([
        { file: "announcement", verdict: "foreign", member: stranger.member, reason: "notAMember" },
      ]);
      const bad = (run: () => unknown) => expect(run).to.throw().with.property("code", "badCeremony");
      bad(() => buildRoster(NAME, invited.slice(1), announcements));
      bad(() => buildRoster(NAME, [...invited, invited[0]!], announcements));
      bad(() => buildRoster(" padded", invited, announcements));
    });

    it("read back as written, and refuse what nobody signed", () => {
      const text = encodeAnnouncement(announcements[0]!);
      expect(parseAnnouncement(text)).to.deep.equal(announcements[0]);
      expect(parseAnnouncement(text.replace("{", '{"extra": 1,'))).to.equal(undefined);
      expect(parseAnnouncement("{")).to.equal(undefined);
    });
  });

  describe("deals", () => {
    it("are the same when the same randomness deals again, and survive their file", () => {
      expect(dealOf(0, roster)).to.deep.equal(deals[0]);
      expect(parseCeremonyDeal(encodeCeremonyDeal(deals[0]!))).to.deep.equal(deals[0]);
    });

    it("verify for everybody, and every byte of them is signed", () => {
      const verify = dealVerifier(tools, roster);
      const { bundles, faults } = collectDeals(roster, deals);
      expect(faults).to.deep.equal([]);
      expect(bundles.map(({ dealer }) => dealer)).to.deep.equal([0, 1, 2, 3]);
      expect(faultOfBundle(roster, bundles[0]!, verify)).to.equal(undefined);
      for (const suite of SUITES) {
        const bytes = Uint8Array.from(deals[2]!.deals[suite]);
        bytes[bytes.length >> 1]! ^= 1;
        const changed = { ...deals[2]!, deals: { ...deals[2]!.deals, [suite]: bytes } };
        expect(codes(collectDeals(roster, [deals[0]!, deals[1]!, changed, deals[3]!]).faults)).to.deep.equal([
          "2 corrupt badSignature",
        ]);
      }
    });

    it("that a member signed and that do not verify are malicious, in whichever suite", () => {
      const verify = dealVerifier(tools, roster);
      for (const suite of SUITES) {
        // Another member's valid deal, signed as one's own.
        const stolen = { dealer: 1, deals: { ...deals[1]!.deals, [suite]: deals[0]!.deals[suite] } };
        const fault = faultOfBundle(roster, stolen, verify);
        expect(fault).to.deep.include({ verdict: "malicious", member: invited[1] });
        expect(fault!.reason).to.equal(`wrongTranscript in ${suite}`);
      }
    });

    it("name who is missing and who dealt twice; the same file twice is no fault", () => {
      expect(codes(collectDeals(roster, deals.slice(0, 3)).faults)).to.deep.equal(["3 missing missing"]);
      expect(collectDeals(roster, [...deals, deals[1]!]).faults).to.deep.equal([]);
      const second = dealOf(1, roster, "second");
      expect(codes(collectDeals(roster, [...deals, second]).faults)).to.deep.equal(["1 malicious dealtTwice"]);
    });

    it("made for other members, or of another ceremony, are foreign: nobody is blamed for them", () => {
      const stranger = person("stranger");
      const others = [...invited.slice(0, 3), stranger.announcement.member];
      const other = buildRoster(NAME, others, [...announcements.slice(0, 3), stranger.announcement]).roster!;
      const foreign = dealOf(0, other);
      expect(codes(collectDeals(roster, [foreign, ...deals.slice(1)]).faults)).to.deep.equal([
        "0 foreign otherMembers",
      ]);
      // Its statement changed to look like ours, it is not signed any more.
      const disguised = { ...foreign, members: deals[0]!.members };
      expect(codes(collectDeals(roster, [disguised, ...deals.slice(1)]).faults)).to.deep.equal([
        "0 corrupt badSignature",
      ]);
      const renamed = { ...deals[0]!, ceremony: "test 2" };
      expect(codes(collectDeals(roster, [renamed, ...deals.slice(1)]).faults)).to.deep.equal([
        "0 foreign otherCeremony",
      ]);
    });

    it("make a key from f + 1 dealers, and none from fewer", () => {
      const { bundles } = collectDeals(roster, deals);
      expect(defineCommittee(tools, roster, bundles.slice(1, 3)).deals.map(({ dealer }) => dealer)).to.deep.equal([
        1, 2,
      ]);
      expect(() => defineCommittee(tools, roster, bundles.slice(0, 1)))
        .to.throw()
        .with.property("code", "tooFewDeals");
    });
  });

  describe("the definition", () => {
    it("has keys that any t shares make and that the public shares belong to", () => {
      const t = quorumOf(people.length);
      for (const suite of SUITES) {
        validateThresholdKey(defined.keys[suite]);
        for (const without of people.keys()) {
          const some = shares
            .map((share, index) => ({ x: index + 1, secret: share[suite] }))
            .filter((_, index) => index !== without);
          expect(some).to.have.length(t);
          const secret = recoverSecret(some, engines[suite].order);
          expect(bytesToHex(engines[suite].publicKey(secret))).to.equal(defined.keys[suite].groupKey);
        }
      }
    });

    it("has an id that depends on every part of it", () => {
      const reference = committeeIdOf(defined);
      expect(reference).to.equal(defined.committeeId);
      const { keys, deals: records } = defined;
      const moved = roster.announcements.map((each, i) => (i === 0 ? { ...each, multiaddrs: ["/ip4/1.2.3.4"] } : each));
      const variants: Parameters<typeof committeeIdOf>[0][] = [
        { ...defined, roster: { ...roster, ceremony: "test 2" } },
        { ...defined, roster: { ...roster, digest: altered(roster.digest) } },
        { ...defined, roster: { ...roster, announcements: moved } },
        { ...defined, deals: records.slice(1) },
        { ...defined, keys: { ...keys, bn254: { ...keys.bn254, groupKey: keys.bn254.publicShares[0]! } } },
        {
          ...defined,
          keys: {
            ...keys,
            "bls12-381": { ...keys["bls12-381"], publicShares: [...keys["bls12-381"].publicShares].reverse() },
          },
        },
      ];
      const ids = variants.map(committeeIdOf);
      expect(new Set([reference, ...ids]).size).to.equal(variants.length + 1);
    });

    it("reads back as written, and any digit of it changed is refused", () => {
      const final = addApprovals(engines, defined, approvals).definition;
      const text = encodeDefinition(final);
      expect(parseDefinition(text)).to.deep.equal(final);
      const body = text.slice(0, text.indexOf('"approvals"'));
      const digits = [...body.matchAll(/[0-9a-f]{24,}/g)];
      expect(digits.length).to.be.above(30);
      for (const { index } of digits) {
        const changed = altered(text, index + 11);
        expect(() => parseDefinition(changed), body.slice(index - 20, index))
          .to.throw()
          .with.property("code", "malformedDefinition");
      }
    });
  });

  describe("approvals", () => {
    it("make the definition final with n − f of them, and not before", () => {
      const two = addApprovals(engines, defined, approvals.slice(0, 2)).definition;
      expect(() => requireFinal(engines, two))
        .to.throw()
        .with.property("code", "notFinal");
      expect(waitedFor(two)).to.deep.equal(invited.slice(2));
      const three = addApprovals(engines, two, approvals.slice(1, 3)).definition;
      requireFinal(engines, three);
      expect(three.approvals.map(({ member }) => member)).to.deep.equal([0, 1, 2]);
    });

    it("are corrupt when a carrier changed them, malicious when the member signed a wrong partial", () => {
      for (const suite of SUITES) {
        const wrong = { ...approvals[0]!.partials, [suite]: approvals[1]!.partials[suite] };
        const carried = { ...approvals[0]!, partials: wrong };
        expect(codes(addApprovals(engines, defined, [carried]).faults)).to.deep.equal(["0 corrupt badSignature"]);
        const mixed = { ...shares[0]!, [suite]: shares[1]![suite] };
        const signed = approve(engines, defined, 0, mixed, people[0]!.sign);
        expect(faultOfApproval(engines, defined, signed)).to.deep.include({
          verdict: "malicious",
          reason: `wrongPartial in ${suite}`,
        });
        // Nor does a definition that somebody put them into become final.
        const rest = addApprovals(engines, defined, approvals.slice(1, 3)).definition;
        expect(() => requireFinal(engines, { ...rest, approvals: [signed, ...rest.approvals] }))
          .to.throw()
          .with.property("code", "maliciousFile");
      }
    });

    it("of another committee count for nothing, and two by one member are blamed", () => {
      const { bundles } = collectDeals(roster, deals);
      const other = defineCommittee(tools, roster, bundles.slice(1));
      const foreign = approvalOf(0, other);
      expect(codes(addApprovals(engines, defined, [foreign]).faults)).to.deep.equal(["0 foreign otherCommittee"]);
      expect(codes(addApprovals(engines, defined, [foreign, approvals[0]!]).faults)).to.deep.equal([
        "0 malicious approvedTwice",
      ]);
      const replayed = { ...foreign, committeeId: defined.committeeId };
      expect(codes(addApprovals(engines, defined, [replayed]).faults)).to.deep.equal(["0 corrupt badSignature"]);
    });

    it("are partials that make one signature of each group key", () => {
      const digests = new Set(approvals.map(({ partials }) => partials.bn254));
      expect(digests.size).to.equal(approvals.length);
      for (const suite of SUITES) {
        const length = engines[suite].signatureLength;
        for (const { partials } of approvals) expect(hexToBytes(partials[suite])).to.have.length(length);
      }
    });
  });

  it("refuses with the worst of several faults, and tells all of them", () => {
    const fault = (verdict: CeremonyFault["verdict"]): CeremonyFault => ({ file: "deal", verdict, reason: verdict });
    try {
      refuseFaults([fault("missing"), fault("malicious"), fault("corrupt")]);
      expect.fail("no fault");
    } catch (error) {
      expect(error).to.have.property("code", "maliciousFile");
      expect(error).to.have.nested.property("details.faults").with.length(3);
    }
    refuseFaults([]);
  });
});

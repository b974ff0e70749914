import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { createCeremonyTools, verifyDeals } from "../../src/cli/ceremony/tools.ts";
import { openVerdicts } from "../../src/cli/ceremony/verdicts.ts";
import type { CliContext } from "../../src/cli/context.ts";
import { KeyError } from "../../src/keys/port.ts";
import { addressOf, signDigest } from "../../src/lib/ecdsa.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { createRandom } from "../../src/testing/random.ts";
import {
  CEREMONY_DEAL_RANDOMNESS,
  type CeremonyDeal,
  contextsOf,
  makeCeremonyDeal,
} from "../../src/threshold/ceremony/deals.ts";
import { buildRoster, ceremonyScope, type Roster } from "../../src/threshold/ceremony/roster.ts";
import { announceEncryptionKey, ENCRYPTION_KEY_RANDOMNESS } from "../../src/threshold/encryption-key.ts";

/** Enough for threads. */
const N = 10;
const CEREMONY = "verdicts";
const SILENT: CliContext = {
  output: { isJson: true, result() {}, line() {}, note() {}, progress() {}, error() {} },
  environment: {},
  signal: new AbortController().signal,
  version: "test",
};

describe("verifying a ceremony's deals", () => {
  let folder: string;
  let roster: Roster;
  let deals: CeremonyDeal["deals"][];

  before(async () => {
    const random = createRandom(31n);
    const persons = Array.from({ length: N }, () => Uint8Array.from(secp256k1.utils.randomSecretKey(random.bytes(48))));
    const announcements = persons.map((identity) => ({
      ceremony: CEREMONY,
      publicKey: bytesToHex(secp256k1.getPublicKey(identity, true)),
      multiaddrs: [],
      ...announceEncryptionKey(
        ceremonyScope(CEREMONY),
        addressOf(identity),
        random.bytes(ENCRYPTION_KEY_RANDOMNESS),
        (digest) => signDigest(identity, digest),
      ),
    }));
    roster = buildRoster(CEREMONY, persons.map(addressOf), announcements).roster!;
    const tools = await createCeremonyTools();
    deals = [0, 1].map(
      (dealer) =>
        makeCeremonyDeal(tools, roster, dealer, random.bytes(CEREMONY_DEAL_RANDOMNESS), (digest) =>
          signDigest(persons[0]!, digest),
        ).deals,
    );
  });
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), "clockless-verdicts-")), "verified");
  });
  afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

  const spoilt = (): CeremonyDeal["deals"] => {
    const bn254 = Uint8Array.from(deals[1]!.bn254);
    bn254[bn254.length - 1] = bn254[bn254.length - 1]! ^ 1;
    return { ...deals[1]!, bn254 };
  };

  it("on threads names who dealt badly, remembers what is valid, and nothing else", async () => {
    const tools = await createCeremonyTools();
    const verdicts = openVerdicts(folder);
    const bundles = [
      { dealer: 0, deals: deals[0]! },
      { dealer: 1, deals: spoilt() },
    ];
    const blame = {
      file: "deal",
      verdict: "malicious",
      member: roster.announcements[1]!.member,
      reason: "wrongTranscript in bn254",
    };
    expect(await verifyDeals(tools, roster, bundles, SILENT, verdicts)).to.deep.equal([blame]);
    expect(readdirSync(folder)).to.have.length(3);
    expect(await verifyDeals(tools, roster, bundles, SILENT, verdicts)).to.deep.equal([blame]);
    const contexts = contextsOf(roster);
    expect(verdicts.isValid(contexts.bn254, 0, deals[0]!.bn254)).to.equal(true);
    // Control: what is remembered is believed, which is why nobody else may write there.
    verdicts.setValid(contexts.bn254, 1, spoilt().bn254);
    expect(await verifyDeals(tools, roster, bundles, SILENT, verdicts)).to.deep.equal([]);
    chmodSync(folder, 0o777);
    const error: unknown = await verifyDeals(tools, roster, bundles, SILENT, verdicts).catch(
      (caught: unknown) => caught,
    );
    expect(error).to.be.instanceOf(KeyError).with.property("code", "keyFilePermissions");
  });

  it("remembers a deal for its dealer, suite and attempt, and byte for byte", () => {
    const verdicts = openVerdicts(folder);
    const { bn254 } = contextsOf(roster);
    const bytes = deals[0]!.bn254;
    verdicts.setValid(bn254, 0, bytes);
    expect(verdicts.isValid(bn254, 0, bytes)).to.equal(true);
    expect(verdicts.isValid(bn254, 1, bytes)).to.equal(false);
    expect(verdicts.isValid({ ...bn254, attempt: 1n }, 0, bytes)).to.equal(false);
    expect(verdicts.isValid({ ...bn254, rounds: { total: 142, chosen: 50 } }, 0, bytes)).to.equal(false);
    expect(verdicts.isValid(bn254, 0, spoilt().bn254)).to.equal(false);
    expect(openVerdicts(undefined).isValid(bn254, 0, bytes)).to.equal(false);
  });

  it("stops when it is told to", async () => {
    const controller = new AbortController();
    const bundles = [{ dealer: 0, deals: deals[0]! }];
    const running = verifyDeals(await createCeremonyTools(), roster, bundles, { ...SILENT, signal: controller.signal });
    controller.abort(new Error("enough"));
    const error: unknown = await running.catch((caught: unknown) => caught);
    expect(String(error)).to.equal("Error: enough");
  });
});

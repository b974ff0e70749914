import { expect } from "chai";
import { certificateToJson, encodeCertificate } from "../../src/batch/certificate.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { SUITES } from "../../src/threshold/types.ts";
import { clockless, json } from "./support/command.ts";
import { createFixture, type Fixture } from "./support/fixture.ts";

/** One hexadecimal digit changed. */
function altered(hex: string, position: number): Hex {
  const digit = hex[position] === "0" ? "1" : "0";
  return `${hex.slice(0, position)}${digit}${hex.slice(position + 1)}` as Hex; // CAST: hex with one other digit
}

describe("clockless certificate", () => {
  let fixture: Fixture;
  const verify = (...args: string[]) =>
    clockless(["certificate", "verify", "--committee", fixture.committeeFile, ...args, "--json"]);

  before(async () => {
    fixture = await createFixture(11n);
  });
  after(() => fixture.remove());

  for (const suite of SUITES) {
    it(`verifies a ${suite} certificate against the committee file and names the batch`, async () => {
      const outcome = await verify("--file", fixture.files[suite]);
      expect(outcome.status, outcome.stderr).to.equal(0);
      expect(json(outcome)).to.include({ valid: true, suite, sequence: "1", committeeId: fixture.test.committee.id });
    });
  }

  it("reads JSON, hex and bytes, from files and from stdin", async () => {
    const certificate = fixture.certificates.bn254;
    const bytes = encodeCertificate(certificate);
    for (const input of [JSON.stringify(certificateToJson(certificate)), `${bytesToHex(bytes)}\n`, bytes]) {
      const args = ["certificate", "verify", "--committee", fixture.committeeFile, "--file", "-"];
      const outcome = await clockless(args, { input });
      expect(outcome.status, outcome.stderr).to.equal(0);
    }
  });

  it("verifies against an explicit key, and refuses the key of another suite", async () => {
    const { id, keys } = fixture.test.committee;
    const base = ["certificate", "verify", "--committee-id", id, "--file", fixture.files.bn254, "--json"];
    const right = await clockless([...base, "--suite", "bn254", "--group-key", keys.bn254.groupKey]);
    expect(right.status, right.stderr).to.equal(0);
    const other = await clockless([...base, "--suite", "bls12-381", "--group-key", keys["bls12-381"].groupKey]);
    expect(other).to.include({ status: 6, code: "wrongSuite", stdout: "" });
    const swapped = await clockless([...base, "--suite", "bls12-381", "--group-key", keys.bn254.groupKey]);
    expect(swapped).to.include({ status: 3, code: "badCommittee" });
  });

  it("exits with 6 and a typed error for one byte changed, wherever it is", async () => {
    const { header, suite, signature } = certificateToJson(fixture.certificates.bn254);
    const lies = [
      { header, suite, signature: altered(signature, 70) },
      { header: { ...header, state: altered(header.state, 40) }, suite, signature },
      { header: { ...header, epoch: "1" }, suite, signature },
    ];
    for (const [k, lie] of lies.entries()) {
      const outcome = await verify("--file", fixture.write(`lie-${k}.json`, JSON.stringify(lie)));
      expect(outcome, JSON.stringify(lie)).to.include({ status: 6, code: "badSignature", stdout: "" });
    }
  });

  it("exits with 6 for a valid certificate of another batch than the one asked for", async () => {
    expect((await verify("--file", fixture.files.bn254, "--sequence", "1")).status).to.equal(0);
    const other = await verify("--file", fixture.files.bn254, "--sequence", "2");
    expect(other).to.include({ status: 6, code: "contradiction", stdout: "" });
  });

  it("exits with 6 for what is no certificate at all", async () => {
    const outcome = await verify("--file", fixture.write("nothing.json", '{"header":{}}'));
    expect(outcome).to.include({ status: 6, code: "malformedCertificate" });
  });

  it("asks for a source and for whom to trust", async () => {
    expect(await verify()).to.include({ status: 2, code: "missingOption" });
    const nobody = await clockless(["certificate", "verify", "--file", fixture.files.bn254, "--json"]);
    expect(nobody).to.include({ status: 2, code: "missingOption" });
    expect(await verify("--file", "does-not-exist")).to.include({ status: 2, code: "unreadableInput" });
    const lost = ["certificate", "verify", "--committee", "does-not-exist", "--file", fixture.files.bn254, "--json"];
    expect(await clockless(lost)).to.include({ status: 3, code: "unreadableConfig" });
    const malformed = fixture.write("bad-committee.json", "{}");
    const args = ["certificate", "verify", "--committee", malformed, "--file", fixture.files.bn254, "--json"];
    expect(await clockless(args)).to.include({ status: 3, code: "malformedCommitteeFile" });
  });

  it("exits with 4 when the API does not answer", async () => {
    expect(await verify("--api", "http://127.0.0.1:9")).to.include({ status: 4, code: "networkFailure" });
  });

  it("decodes without calling it verified", async () => {
    const outcome = await clockless(["certificate", "decode", "--file", fixture.files.bn254, "--json"]);
    expect(outcome.status).to.equal(0);
    expect(json(outcome)).to.deep.include({ verified: false, ...certificateToJson(fixture.certificates.bn254) });
  });
});

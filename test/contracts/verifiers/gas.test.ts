import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { network } from "hardhat";
import { GAS_LIMITS, measureVerifier } from "../../../scripts/bench/verifier-gas.ts";
import { SUITES } from "../../../src/threshold/types.ts";

/**
 * Committed figures for fixed digests: a change in cost is a line in a diff that somebody has to want.
 * CLOCKLESS_UPDATE_SNAPSHOT=1 writes them anew.
 */
const SNAPSHOT = new URL("./gas.snapshot.json", import.meta.url);
const update = process.env.CLOCKLESS_UPDATE_SNAPSHOT === "1";

describe("The cost of verification", () => {
  it("is what the snapshot says, and within what is promised", async () => {
    const connection = await network.create({ network: "default", chainType: "l1" });
    const measured: Record<string, unknown> = {};
    for (const suite of SUITES) {
      const { verify } = await measureVerifier(connection, suite, 64, "snapshot");
      expect(verify.mean, suite).to.be.at.most(GAS_LIMITS[suite].mean);
      expect(verify.worst, suite).to.be.at.most(GAS_LIMITS[suite].worst);
      measured[suite] = verify;
    }
    await connection.close();
    if (update) writeFileSync(SNAPSHOT, `${JSON.stringify(measured, undefined, 2)}\n`);
    expect(measured).to.deep.equal(JSON.parse(readFileSync(SNAPSHOT, "utf8")));
  });
});

import { expect } from "chai";
import { ceremonyCommittee } from "../../src/cli/devnet/ceremony.ts";
import { checkMemberKeys } from "../../src/keys/member-keys.ts";
import { encodeCommitteeFile, parseCommitteeFile } from "../../src/node/committee-file.ts";
import { createTestGenesis } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { createEngines } from "../../src/threshold/engines.ts";
import { validateThresholdKey } from "../../src/threshold/key.ts";
import { SUITES } from "../../src/threshold/types.ts";

describe("a ceremony in one process", () => {
  it("makes a committee whose members hold its shares, and the same from the same randomness", async () => {
    const make = () => {
      const random = createRandom(5n);
      return ceremonyCommittee(4, { random: (length) => random.bytes(length), dealers: 2 });
    };
    const { committee, members, definition } = await make();
    expect(definition.deals.map(({ dealer }) => dealer)).to.deep.equal([0, 1]);
    const engines = await createEngines("fast");
    for (const [index, keys] of members.entries()) checkMemberKeys(keys, { committee, index, engines });
    for (const suite of SUITES) validateThresholdKey(committee.keys[suite]);
    expect((await make()).definition).to.deep.equal(definition);

    const genesis = createTestGenesis(committee);
    expect(parseCommitteeFile(encodeCommitteeFile(committee, genesis, definition))).to.deep.equal({
      committee,
      genesis,
      definition,
    });
    const dealt = encodeCommitteeFile(committee, genesis);
    expect(JSON.parse(dealt)).to.have.property("insecure");
    expect(parseCommitteeFile(dealt).definition).to.equal(undefined);
  });
});

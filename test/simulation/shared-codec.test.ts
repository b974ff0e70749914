import { expect } from "chai";
import { BlockCodec } from "../../src/consensus/block.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { createTestCommitteeWith } from "../../src/testing/committee.ts";
import { createRandom } from "../../src/testing/random.ts";
import { shareCodecs } from "../../src/testing/simulator/shared-codec.ts";
import { createStandInEngine } from "../../src/testing/stand-in.ts";

const engines = { "bls12-381": createStandInEngine("bls12-381"), bn254: createStandInEngine("bn254") };
const { committee, identities, secrets } = createTestCommitteeWith(4, createRandom(1), "stand-in", engines);
const rules = {
  committeeId: committee.id,
  epoch: 0n,
  genesisHash: `0x${"11".repeat(32)}`,
  members: committee.members.map(({ address }) => address),
  limits: DEFAULT_CONSENSUS_LIMITS,
} as const;

describe("simulator: members of a run share what they decode", () => {
  const own = new BlockCodec(rules);
  const [first, ...rest] = own.genesis;
  const content = { author: 0, round: 1, parents: [first!, ...rest], payload: Uint8Array.of(1, 2, 3) };
  const sealed = own.seal({ ...content, coinShares: [], partials: [] }, (digest) =>
    identities.sign(secrets[0]!.identity, digest),
  );

  it("gives what the shipping codec gives, once for equal bytes, and frozen", () => {
    const create = shareCodecs();
    const [a, b] = [create(rules), create({ ...rules })];
    const block = a.decode(sealed.bytes);
    expect(block).to.deep.equal(own.decode(sealed.bytes));
    expect(b.decode(sealed.bytes.slice())).to.equal(block);
    for (const part of [block, block.parents, block.parents[0], block.coinShares, block.partials])
      expect(Object.isFrozen(part)).to.equal(true);
  });

  it("nothing that whoever sent the bytes changes later, and nothing between runs or committees", () => {
    const create = shareCodecs();
    const bytes = sealed.bytes.slice();
    const block = create(rules).decode(bytes);
    bytes.fill(0);
    expect(block).to.deep.equal(own.decode(sealed.bytes));
    expect(shareCodecs()(rules).decode(sealed.bytes)).to.not.equal(block);
    const other = create({ ...rules, genesisHash: `0x${"22".repeat(32)}` });
    expect(() => other.decode(sealed.bytes)).to.throw(ConsensusError);
  });

  it("refuses what is no block every time", () => {
    const codec = shareCodecs()(rules);
    for (let time = 0; time < 2; time++) expect(() => codec.decode(sealed.bytes.subarray(1))).to.throw(ConsensusError);
  });
});

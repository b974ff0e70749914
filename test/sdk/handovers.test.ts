import { expect } from "chai";
import fc from "fast-check";
import type { ApiClient } from "../../src/api/client.ts";
import { groupKeyFromVerifier } from "../../src/batch/key-chain.ts";
import type { SignedHandover } from "../../src/ledger/reconfiguration/types.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../src/lib/hex.ts";
import { createClockless } from "../../src/sdk/client.ts";
import { createCommittee, type TrustedCommittee } from "../../src/sdk/committee.ts";
import { followHandovers } from "../../src/sdk/handovers.ts";
import { encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import { errorOf, start, stopAll } from "../api/server.ts";
import {
  ALICE,
  ALICE_ACCOUNT,
  BOB_ACCOUNT,
  CHAIN_ID,
  createWorld,
  groupKeysOf,
  handoverBetween,
  hash,
  USDC,
  type World,
} from "../api/world.ts";
import { seed } from "../seed.ts";

const ID = hash(4711);
/** Key k is that of seed k. */
const CHAIN: readonly SignedHandover[] = [1, 2, 3, 4].map((number) => handoverBetween(ID, number, number - 1, number));
const STRANGER: readonly SignedHandover[] = [1, 2, 3].map((number) =>
  handoverBetween(ID, number, 50 + number - 1, 50 + number),
);

type Pinned = "bn254" | "bls12-381" | "both";

function pin(key: number, suites: Pinned = "both", handovers?: bigint): TrustedCommittee {
  const keys = groupKeysOf(key);
  const groupKeys = suites === "both" ? keys : { [suites]: keys[suites] };
  return createCommittee({ committeeId: ID, groupKeys, members: 4, ...(handovers === undefined ? {} : { handovers }) });
}

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isClocklessError(error, "badHandover")) return String(error.details.reason);
    throw error;
  }
  return "none";
}

const replaced = (at: number, change: (handover: SignedHandover) => SignedHandover): SignedHandover[] =>
  CHAIN.map((handover, k) => (k === at ? change(handover) : handover));

describe("following handovers", () => {
  it("leads from the first key to the newest, in the suites that are pinned, and keeps the former ones", () => {
    for (const suites of ["bn254", "bls12-381", "both"] as const) {
      const end = followHandovers(pin(0, suites), CHAIN);
      expect(end.groupKeys).to.deep.equal(pin(4, suites).groupKeys);
      expect(end.handovers).to.equal(4n);
      expect(end.formerKeys).to.deep.equal([0, 1, 2, 3].map((key) => pin(key, suites).groupKeys));
      expect(end.committeeId).to.equal(ID);
    }
  });

  it("starts at whatever key is pinned, with or without its number", () => {
    for (const key of [1, 2, 3]) {
      expect(followHandovers(pin(key), CHAIN).groupKeys).to.deep.equal(groupKeysOf(4));
      expect(followHandovers(pin(key, "both", BigInt(key)), CHAIN).groupKeys).to.deep.equal(groupKeysOf(4));
    }
  });

  it("is the same whether it is followed at once or step by step, and never goes back", () => {
    const stepwise = [1, 2, 2, 1, 3, 0, 4].reduce((at, length) => followHandovers(at, CHAIN.slice(0, length)), pin(0));
    const atOnce = followHandovers(pin(0), CHAIN);
    expect({ ...stepwise, engine: undefined }).to.deep.equal({ ...atOnce, engine: undefined });
  });

  it("returns the very same committee when nothing follows", () => {
    const end = followHandovers(pin(0), CHAIN);
    for (const list of [[], CHAIN.slice(0, 2), CHAIN]) expect(followHandovers(end, list)).to.equal(end);
    const last = pin(4);
    expect(followHandovers(last, CHAIN)).to.equal(last);
    const first = pin(0);
    expect(followHandovers(first, [])).to.equal(first);
  });

  it("takes keys from what was signed, not from what stands beside it", () => {
    const lie = CHAIN.map((handover) => ({ ...handover, epoch: 99n, groupKeys: groupKeysOf(66) }));
    expect(followHandovers(pin(0), lie).groupKeys).to.deep.equal(groupKeysOf(4));
  });

  it("refuses numbers that do not run on, other keys, and what is not signed, each by its name", () => {
    const first = CHAIN[0]!;
    const zeros = { "bls12-381": `0x${"00".repeat(256)}`, bn254: `0x${"00".repeat(128)}` } as const;
    const same = handoverBetween(ID, 1, 9, 0).statement.newKeys;
    const lists: Record<string, [string, readonly SignedHandover[]]> = {
      "the first left out": ["outOfTurn", CHAIN.slice(1)],
      "one left out": ["outOfTurn", [first, ...CHAIN.slice(2)]],
      "one twice": ["outOfTurn", [first, first, ...CHAIN.slice(1)]],
      "in another order": ["outOfTurn", [...CHAIN].reverse()],
      "number 0": ["outOfTurn", replaced(0, (h) => ({ ...h, statement: { ...h.statement, number: 0n } }))],
      renumbered: ["notSigned", [{ ...handoverBetween(ID, 2, 0, 1), statement: first.statement }]],
      "another committee's": ["notSigned", [handoverBetween(hash(1), 1, 0, 1)]],
      "signed by the new key": ["notSigned", [handoverBetween(ID, 1, 0, 1, 1n, 1)]],
      "to the same key": ["notSigned", [{ ...first, statement: { ...first.statement, newKeys: same } }]],
      "to the identity": ["notSigned", [{ ...first, statement: { ...first.statement, newKeys: zeros } }]],
      "a stranger's": ["anotherKey", STRANGER],
      "a stranger's after ours": ["anotherKey", [first, ...STRANGER.slice(1)]],
      "a fork from an older key": ["anotherKey", [first, handoverBetween(ID, 2, 0, 7)]],
    };
    for (const [what, [reason, list]] of Object.entries(lists)) {
      expect(
        refusalOf(() => followHandovers(pin(0), list)),
        what,
      ).to.equal(reason);
    }
    // Whoever followed further than the lie sees that it is no continuation.
    const ahead = followHandovers(pin(0), CHAIN.slice(0, 2));
    expect(refusalOf(() => followHandovers(ahead, STRANGER))).to.equal("anotherKey");
  });

  it("needs the signature of every pinned suite, and only of those", () => {
    for (const suite of SUITES) {
      const other: Suite = suite === "bn254" ? "bls12-381" : "bn254";
      const half = [{ ...CHAIN[0]!, signatures: { ...STRANGER[0]!.signatures, [suite]: CHAIN[0]!.signatures[suite] } }];
      expect(followHandovers(pin(0, suite), half).groupKeys).to.deep.equal(pin(1, suite).groupKeys);
      expect(refusalOf(() => followHandovers(pin(0, other), half))).to.equal("notSigned");
      expect(refusalOf(() => followHandovers(pin(0), half))).to.equal("notSigned");
    }
  });

  it("follows nothing with any byte changed that a signature covers (property)", () => {
    console.log(`    seed ${seed}`);
    const lists = fc.record({
      at: fc.integer({ min: 0, max: 1 }),
      field: fc.constantFrom("signature", "oldKeyHashes", "newKeys", "number"),
      suite: fc.constantFrom(...SUITES),
      byte: fc.nat(),
      bit: fc.integer({ min: 0, max: 7 }),
    });
    fc.assert(
      fc.property(lists, ({ at, field, suite, byte, bit }) => {
        const list = replaced(at, (handover) => {
          const { statement, signatures } = handover;
          const flip = (hex: Hex): Hex => {
            const bytes = hexToBytes(hex);
            const position = byte % bytes.length;
            bytes[position] = bytes[position]! ^ (1 << bit);
            return bytesToHex(bytes);
          };
          if (field === "signature")
            return { ...handover, signatures: { ...signatures, [suite]: flip(signatures[suite]) } };
          if (field === "number")
            return { ...handover, statement: { ...statement, number: statement.number ^ (1n << BigInt(byte % 64)) } };
          return {
            ...handover,
            statement: { ...statement, [field]: { ...statement[field], [suite]: flip(statement[field][suite]) } },
          };
        }).slice(0, 2);
        expect(refusalOf(() => followHandovers(pin(0), list))).to.be.oneOf(["outOfTurn", "anotherKey", "notSigned"]);
      }),
      { seed, numRuns: 40 },
    );
  });

  it("ends at the same keys from every pin and every split of the chain (property)", () => {
    console.log(`    seed ${seed}`);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
        (key, lengths) => {
          // What a member shows that lags behind the pin is refused or changes nothing; it never leads elsewhere.
          let at = pin(key, "bn254", BigInt(key));
          for (const length of lengths) at = followHandovers(at, CHAIN.slice(0, length));
          const reached = Math.max(key, ...lengths);
          expect(at.groupKeys).to.deep.equal(pin(reached, "bn254").groupKeys);
          expect(at.handovers).to.equal(BigInt(reached));
        },
      ),
      { seed, numRuns: 16 },
    );
  });

  it("reads a key back from its verifier's encoding, and only a key", () => {
    for (const suite of SUITES) {
      const key = groupKeysOf(3)[suite];
      const encoded = bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(key)));
      expect(groupKeyFromVerifier(suite, encoded)).to.equal(key);
      const code = (hex: Hex) => {
        try {
          return groupKeyFromVerifier(suite, hex);
        } catch (error) {
          return isClocklessError(error) ? error.code : error;
        }
      };
      const zeros: Hex = `0x${"00".repeat(encoded.length / 2 - 1)}`;
      const off = `${encoded.slice(0, -2)}${encoded.endsWith("00") ? "01" : "00"}` as Hex; // CAST: hex with another last byte
      const high = `0x${"ff".repeat(encoded.length / 2 - 1)}` as Hex; // CAST: hex
      for (const bad of [zeros, off, high, encoded.slice(0, -2) as Hex, "0x" as Hex]) // CAST: hex
        expect(code(bad), `${suite} ${bad.slice(0, 20)}`).to.equal("malformedHandover");
    }
  });
});

describe("a client of a committee that changes", () => {
  let world: World;
  let honest: ApiClient;
  let committee: TrustedCommittee;
  const request = {
    signer: ALICE,
    body: { kind: "transfer", from: ALICE_ACCOUNT, to: BOB_ACCOUNT, asset: USDC, amount: 3n },
  } as const;
  const liar = (lies: Partial<ApiClient>): ApiClient => ({ ...honest, url: `${honest.url}/liar`, ...lies });

  beforeEach(async () => {
    world = createWorld();
    world.certify(world.settle({ payouts: 1, receipts: [hash(1)] }));
    honest = (await start(world)).client;
    const { committeeId } = world;
    committee = createCommittee({ committeeId, groupKeys: { bn254: groupKeysOf(1).bn254 }, members: 4 });
  });
  afterEach(stopAll);

  function change(times = 1): void {
    for (let k = 0; k < times; k++) {
      world.handOver(20 + world.epochs.handovers.length);
      world.certify(world.settle({ payouts: 1 }));
    }
  }

  it("goes on reading by itself, says which keys it trusts now, and proves what older keys certified", async () => {
    const followed: bigint[] = [];
    const clockless = createClockless({ apis: [honest], committee, onFollow: (now) => followed.push(now.handovers) });
    const before = await clockless.getReceipt(hash(1));
    expect(before.status).to.equal("final");
    change(2);
    expect((await clockless.getHead()).header).to.include({ sequence: 3n, epoch: 2n });
    expect(clockless.committee.groupKeys).to.deep.equal({ bn254: groupKeysOf(21).bn254 });
    expect(followed).to.deep.equal([2n]);
    const receipt = await clockless.getReceipt(hash(1));
    expect(receipt.status === "final" && receipt.at.certificate.header.sequence).to.equal(3n);
    expect((await clockless.getHeader(2n)).certificate.header.sequence).to.equal(3n);
    expect((await clockless.getAccount(ALICE_ACCOUNT)).at.header.sequence).to.equal(3n);
    expect((await clockless.getAcceptance(CHAIN_ID)).destination.outboxSize).to.equal(3n);
    expect((await clockless.getDelivery(CHAIN_ID, { sequence: 2n, indexes: [1n] })).entries).to.have.length(1);
    // Nobody is asked twice about what is known.
    expect(followed).to.deep.equal([2n]);
  });

  it("follows in every kind of read, each on its own", async () => {
    change();
    const reads: Record<string, (client: ReturnType<typeof createClockless>) => Promise<unknown>> = {
      head: (c) => c.getHead(),
      certificate: (c) => c.getCertificate(2n),
      header: (c) => c.getHeader(2n),
      account: (c) => c.getAccount(ALICE_ACCOUNT),
      acceptance: (c) => c.getAcceptance(CHAIN_ID),
      delivery: (c) => c.getDelivery(CHAIN_ID, { indexes: [0n] }),
      handovers: (c) => c.getHandovers(),
      prepare: (c) => c.prepareInstruction(request),
      watch: async (c) => {
        for await (const { header } of c.certificates()) if (header.sequence === 2n) return;
      },
    };
    for (const [what, read] of Object.entries(reads)) {
      const clockless = createClockless({ apis: [honest], committee });
      await read(clockless);
      expect(clockless.committee.handovers, what).to.equal(1n);
    }
  });

  it("lets no member lead it to a key that the old one did not sign", async () => {
    change();
    const { committeeId } = world;
    const forgery = handoverBetween(committeeId, 1, 1, 66, 1n, 66);
    const forged = createWorld({ seed: 66, committeeId });
    forged.certify(forged.settle());
    forged.certify(forged.settle());
    forged.certify(forged.settle());
    const lying = liar({
      latestCertificate: async () => forged.certificate(3n, "bn254")!,
      handovers: async () => ({ handovers: [forgery] }),
    });
    const alone = createClockless({ apis: [lying], committee });
    const error = await errorOf(alone.getHead());
    expect(error.details.failures).to.have.nested.property("[0].code", "badHandover");
    expect(alone.committee).to.equal(committee);
    // Without any handover to show for it, the certificate is what is bad.
    const bare = createClockless({ apis: [liar({ ...lying, handovers: async () => ({ handovers: [] }) })], committee });
    expect((await errorOf(bare.getHead())).details.failures).to.have.nested.property("[0].code", "badCertificate");
    const both = createClockless({ apis: [lying, honest], committee });
    expect((await both.getHead()).header.sequence).to.equal(2n);
    expect(both.committee.groupKeys.bn254).to.equal(groupKeysOf(20).bn254);
  });

  it("counts an old key's word no more once it was handed over, however new it looks", async () => {
    const old = createWorld({ seed: 1, committeeId: world.committeeId });
    for (let k = 0; k < 9; k++) old.certify(old.settle());
    change();
    // Strangers who came by the old shares.
    const thief = liar({ latestCertificate: async () => old.certificate(9n, "bn254")! });
    for (const apis of [
      [thief, honest],
      [honest, thief],
    ]) {
      const clockless = createClockless({ apis, committee });
      expect((await clockless.getHead()).header.sequence).to.equal(2n);
      expect((await clockless.getHead()).header.sequence).to.equal(2n);
    }
  });

  it("does not give up on members that lag behind the handover, or know of none", async () => {
    const oldHead = world.certificate(1n, "bn254")!;
    change();
    const lagging = liar({
      latestCertificate: async () => oldHead,
      handovers: async () => ({ handovers: [] }),
    });
    const clockless = createClockless({ apis: [lagging, honest], committee });
    expect((await clockless.getHead()).header.sequence).to.equal(2n);
    const patient = createClockless({ apis: [lagging], committee });
    expect((await patient.getHead()).header.sequence).to.equal(1n);
    expect((await patient.getHandovers()).length).to.equal(0);
  });

  it("follows no further than to the keys that certify: the next handover is signed before it is in force", async () => {
    change();
    const ahead = [...world.epochs.handovers, handoverBetween(world.committeeId, 2, 20, 21)];
    world.epochs.handovers = ahead;
    const clockless = createClockless({ apis: [honest], committee });
    expect((await clockless.getHead()).header.sequence).to.equal(2n);
    expect(clockless.committee.handovers).to.equal(1n);
    expect((await clockless.getHandovers()).length).to.equal(1);
    // What stands behind the keys that certify does not matter yet, true or not.
    world.epochs.handovers = [ahead[0]!, handoverBetween(world.committeeId, 2, 20, 66, 2n, 66)];
    const other = createClockless({ apis: [honest], committee });
    expect((await other.getHead()).header.sequence).to.equal(2n);
    expect(other.committee.handovers).to.equal(1n);
  });

  it("gives the verified handovers that lead on from the pinned keys, from a member that has them all", async () => {
    change(3);
    const short = liar({ handovers: async () => ({ handovers: world.epochs.handovers.slice(0, 1) }) });
    const clockless = createClockless({ apis: [short, honest], committee });
    expect((await clockless.getHandovers()).map(({ statement }) => statement.number)).to.deep.equal([1n, 2n, 3n]);
    const groupKeys = { bn254: groupKeysOf(20).bn254 };
    const later = createCommittee({ committeeId: world.committeeId, groupKeys, members: 4 });
    const list = await createClockless({ apis: [honest], committee: later }).getHandovers();
    expect(list.map(({ statement }) => statement.number)).to.deep.equal([2n, 3n]);
  });

  it("hears everybody once an epoch came for which it does not know how many members there are", async () => {
    world.reshare();
    const late = world.settle();
    world.certify(late);
    world.certify(world.settle());
    const oldHead = world.certificate(late, "bn254")!;
    const stale = (k: number): ApiClient => ({
      ...liar({ latestCertificate: async () => oldHead }),
      url: `${honest.url}/${k}`,
    });
    const slow = liar({
      latestCertificate: async (options) => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return honest.latestCertificate(options);
      },
    });
    // f + 1 = 2 of four members are not enough any more: there may be seven now, and two that lie.
    const apis = [stale(1), stale(2), slow];
    expect((await createClockless({ apis, committee }).getHead()).header.sequence).to.equal(late + 1n);
    // Told that the four are still four, it waits for two.
    const told = createCommittee({ ...committee, members: 4, epoch: 1n });
    expect((await createClockless({ apis, committee: told }).getHead()).header.sequence).to.equal(late);
  });

  it("asks everybody for the nonce then, and counts as many as answer", async () => {
    world.reshare();
    world.certify(world.settle());
    let asked = 0;
    const lane = (nextNonce: bigint, k: number): ApiClient => ({
      ...liar({
        lane: async (signer, number) => {
          asked++;
          return { signer, lane: number, nextNonce };
        },
      }),
      url: `${honest.url}/${k}`,
    });
    // Two of seven lie upwards; pinned is n = 4, where only one could.
    const apis = [77n, 76n, 5n, 5n, 5n, 5n, 5n].map(lane);
    const { head } = await createClockless({ apis, committee }).prepareInstruction(request);
    expect(head.nonce).to.equal(5n);
    expect(asked).to.be.at.least(7);
  });
});

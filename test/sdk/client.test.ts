import { expect } from "chai";
import { type ApiClient, createApiClient } from "../../src/api/client.ts";
import type { InstructionAnswer } from "../../src/api/schema.ts";
import type { ReceiptProof } from "../../src/batch/receipts.ts";
import type { Certificate } from "../../src/batch/types.ts";
import { instructionDigest, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import type { Instruction, Receipt } from "../../src/ledger/types.ts";
import { signDigest } from "../../src/lib/ecdsa.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { type Clockless, createClockless } from "../../src/sdk/client.ts";
import { createCommittee, type TrustedCommittee } from "../../src/sdk/committee.ts";
import { verifyEntry, verifyReceipt } from "../../src/sdk/verify.ts";
import { errorOf, start, stopAll } from "../api/server.ts";
import {
  ALICE,
  ALICE_ACCOUNT,
  ALICE_DETAILS,
  ALICE_SECRET,
  BOB_ACCOUNT,
  CHAIN_ID,
  createWorld,
  groupKeyOf,
  hash,
  USDC,
  type World,
} from "../api/world.ts";

/** What a user pins: from the world, not from its API. */
function pin(world: World, members = 4): TrustedCommittee {
  const { keys, committeeId } = world.committee();
  return createCommittee({ committeeId, groupKeys: { bn254: keys.bn254!.groupKey }, members });
}

async function member(world: World): Promise<ApiClient> {
  return (await start(world)).client;
}

/** A member that answers like `client` except where it lies. */
function liar(client: ApiClient, lies: Partial<ApiClient>): ApiClient {
  return { ...client, url: `${client.url}/liar`, ...lies };
}

const request = {
  signer: ALICE,
  body: { kind: "transfer", from: ALICE_ACCOUNT, to: BOB_ACCOUNT, asset: USDC, amount: 3n },
} as const;

/** Why the first member's answer was refused. */
async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await errorOf(promise);
  expect(error.code).to.equal("noAnswer");
  // CAST: members.ts documents this detail of noAnswer
  return (error.details.failures as { code: string }[])[0]!.code;
}

function flip(hex: Hex): Hex {
  const last = hex.at(-1) === "0" ? "1" : "0";
  return `${hex.slice(0, -1)}${last}` as Hex; // CAST: hex with another last digit
}

describe("the SDK", () => {
  let world: World;
  let honest: ApiClient;
  let committee: TrustedCommittee;
  const client = (...apis: ApiClient[]): Clockless => createClockless({ apis, committee });

  beforeEach(async () => {
    world = createWorld();
    for (let k = 0; k < 3; k++) world.settle({ payouts: 2, receipts: [hash(100 + k)] });
    world.certify(1n);
    world.certify(3n);
    honest = await member(world);
    committee = pin(world);
  });
  afterEach(stopAll);

  it("reads head, headers, accounts, destinations and outboxes that verify", async () => {
    const clockless = client(honest);
    expect((await clockless.getHead()).header.sequence).to.equal(3n);
    expect((await clockless.getCertificate(1n)).header.sequence).to.equal(1n);
    const second = await clockless.getHeader(2n);
    expect(second.header).to.deep.equal(world.batch(2n)!.header);
    expect(second.certificate.header.sequence).to.equal(3n);
    const account = await clockless.getAccount(ALICE_ACCOUNT.toUpperCase().replace("0X", "0x") as Hex);
    expect(account.balances[0]?.cash).to.equal(1_000n);
    expect(account.at.header.sequence).to.equal(3n);
    expect(account.details).to.deep.equal(ALICE_DETAILS);
    const acceptance = await clockless.getAcceptance(CHAIN_ID);
    expect(acceptance.destination.outboxSize).to.equal(6n);
    const delivery = await clockless.getDelivery(CHAIN_ID, { sequence: 2n, indexes: [0n, 3n] });
    expect(delivery.entries.map(({ index }) => index)).to.deep.equal([0n, 3n]);
    expect(delivery.destination.outboxSize).to.equal(4n);
    const one = await clockless.getDelivery(CHAIN_ID, { indexes: [5n] });
    const inclusion = { index: 5n, size: 6n, siblings: one.proof.siblings };
    expect(verifyEntry(one.destination, one.entries[0]!, inclusion)).to.equal(true);
    expect(verifyEntry({ ...one.destination, hub: ALICE }, one.entries[0]!, inclusion)).to.equal(false);
  });

  it("refuses a certificate with one byte changed, anywhere", async () => {
    const good = world.certificate(3n, "bn254")!;
    const forged: Certificate[] = [
      { ...good, signature: flip(good.signature) },
      { ...good, header: { ...good.header, sequence: 4n } },
      { ...good, header: { ...good.header, epoch: 1n } },
      ...(["previous", "history", "outboxes", "state", "commit"] as const).map((field) => ({
        ...good,
        header: { ...good.header, [field]: flip(good.header[field]) },
      })),
    ];
    for (const certificate of forged) {
      const clockless = client(liar(honest, { latestCertificate: async () => certificate }));
      expect(await failure(clockless.getHead())).to.equal("badCertificate");
    }
  });

  it("refuses another committee's certificates, even for the same header", async () => {
    const other = createWorld({ seed: 2 });
    other.certify(other.settle());
    const clockless = createClockless({ apis: [await member(other)], committee });
    expect(await failure(clockless.getHead())).to.equal("badCertificate");
    const foreign = other.sign(world.batch(3n)!.header, "bn254");
    const mixed = client(liar(honest, { latestCertificate: async () => foreign }));
    expect(await failure(mixed.getHead())).to.equal("badCertificate");
  });

  it("refuses a suite for which no key is pinned", async () => {
    const good = world.certificate(3n, "bn254")!;
    const certificate: Certificate = { ...good, suite: "bls12-381", signature: `0x${"ab".repeat(48)}` };
    const clockless = client(liar(honest, { latestCertificate: async () => certificate }));
    expect(await failure(clockless.getHead())).to.equal("unknownSuite");
  });

  it("finds the suite in which a committee certifies, and takes no other where one is asked for", async () => {
    const both = createCommittee({
      committeeId: world.committeeId,
      groupKeys: { "bls12-381": groupKeyOf(1, "bls12-381"), bn254: groupKeyOf(1, "bn254") },
      members: 4,
    });
    const clockless = createClockless({ apis: [honest], committee: both });
    expect((await clockless.getHead()).suite).to.equal("bn254");
    expect((await clockless.getAccount(ALICE_ACCOUNT)).at.header.sequence).to.equal(3n);
    expect((await errorOf(clockless.getHead({ suite: "bls12-381" }))).code).to.equal("notFound");
    const other = liar(honest, { latestCertificate: async () => world.certificate(3n, "bn254")! });
    const strict = createClockless({ apis: [other], committee: both }).getAcceptance(CHAIN_ID, { suite: "bls12-381" });
    expect((await errorOf(strict)).details.failures).to.have.nested.property("[0].code", "contradiction");
  });

  it("takes the truth from whoever tells it, and the newest of it", async () => {
    const stale = liar(honest, {
      latestCertificate: async () => world.certificate(1n, "bn254")!,
      account: async () => {
        const answer = world.account(ALICE_ACCOUNT, undefined, 3n)!;
        return {
          ...answer,
          proofs: answer.proofs.map((proof) => ({ ...proof, leaf: { ...proof.leaf, cash: 10n ** 9n } })),
        };
      },
    });
    const clockless = client(stale, honest);
    expect((await clockless.getHead()).header.sequence).to.equal(3n);
    expect((await clockless.getAccount(ALICE_ACCOUNT)).balances[0]?.cash).to.equal(1_000n);
  });

  it("refuses a false account, by each way of lying about it", async () => {
    const truth = world.account(ALICE_ACCOUNT, undefined, 3n)!;
    const proof = truth.proofs[0]!;
    const bob = world.account(BOB_ACCOUNT, undefined, 3n)!;
    const answers = {
      cash: { ...truth, proofs: [{ ...proof, leaf: { ...proof.leaf, cash: 5n } }] },
      sibling: { ...truth, proofs: [{ ...proof, siblings: proof.siblings.map((s) => ({ ...s, sum: s.sum + 1n })) }] },
      somebodyElse: { ...bob, view: truth.view },
      none: { ...truth, proofs: [] },
      twice: { ...truth, proofs: [proof, proof] },
      positionGone: { ...truth, view: { ...truth.view, positions: truth.view.positions.slice(1) } },
      positionTwice: {
        ...truth,
        view: { ...truth.view, positions: [...truth.view.positions, truth.view.positions[0]!] },
      },
      quantity: {
        ...truth,
        view: { ...truth.view, positions: truth.view.positions.map((p) => ({ ...p, quantity: 3n })) },
      },
      hugeQuantity: {
        ...truth,
        view: { ...truth.view, positions: truth.view.positions.map((p) => ({ ...p, quantity: 10n ** 78n })) },
      },
      laneGone: { ...truth, view: { ...truth.view, lanes: [] } },
      spent: {
        ...truth,
        view: { ...truth.view, lanes: truth.view.lanes.map((l) => ({ ...l, margin: { limit: 9n, spent: 3n } })) },
      },
    };
    const codes: Record<string, string> = {};
    for (const [lie, answer] of Object.entries(answers)) {
      const error = await errorOf(client(liar(honest, { account: async () => answer })).getAccount(ALICE_ACCOUNT));
      expect(error.code).to.equal("noAnswer");
      codes[lie] = (error.details.failures as { code: string }[])[0]!.code;
    }
    expect(codes).to.deep.equal({
      cash: "badAccountProof",
      sibling: "badAccountProof",
      somebodyElse: "contradiction",
      none: "contradiction",
      twice: "contradiction",
      positionGone: "badAccountProof",
      positionTwice: "badAccountProof",
      quantity: "badAccountProof",
      hugeQuantity: "badAccountProof",
      laneGone: "badAccountProof",
      spent: "badAccountProof",
    });
    const old = client(honest).getAccount(ALICE_ACCOUNT, { minSequence: 4n });
    expect((await errorOf(old)).details.failures).to.have.nested.property("[0].code", "contradiction");
  });

  it("refuses false history, destinations and entries", async () => {
    const header = { ...world.batch(2n)!.header, state: hash(1) };
    const badHistory = liar(honest, { history: async () => ({ ...world.history(2n, 3n)!, header }) });
    expect(await failure(client(badHistory).getHeader(2n))).to.equal("badHeaderProof");
    const other = liar(honest, { history: async () => world.history(1n, 3n)! });
    expect(await failure(client(other).getHeader(2n))).to.equal("contradiction");
    const answer = world.destination(CHAIN_ID, 3n)!;
    const destination = { ...answer.destination, outboxSize: 7n };
    const badDestination = liar(honest, { destination: async () => ({ ...answer, destination }) });
    expect(await failure(client(badDestination).getAcceptance(CHAIN_ID))).to.equal("badDestinationProof");
    const outbox = world.outbox(CHAIN_ID, { kind: "range", from: 0n, limit: 2 }, 6n)!;
    const entries = outbox.entries.map((entry) => ({ ...entry, recipient: `0x${"99".repeat(20)}` as const }));
    const badOutbox = liar(honest, { outbox: async () => ({ ...outbox, entries }) });
    expect(await failure(client(badOutbox).getDelivery(CHAIN_ID, { from: 0n, limit: 2 }))).to.equal("badEntryProof");
    const fewer = liar(honest, { outbox: async () => outbox });
    expect(await failure(client(fewer).getDelivery(CHAIN_ID, { indexes: [0n, 2n] }))).to.equal("contradiction");
  });

  it("settles: prepares against the certified head, signs, submits, waits", async () => {
    const clockless = client(honest);
    const settling = clockless.settle(
      request,
      (typed) => {
        expect(typed.primaryType).to.equal("Transfer");
        expect(typed.message.namedBatch).to.equal(3n);
        const { signer, lane, nonce, namedBatch } = typed.message;
        const instruction: Instruction = { head: { signer, lane, nonce, namedBatch }, body: request.body };
        return signDigest(ALICE_SECRET, instructionDigest(world.committeeId, instruction));
      },
      { pollingIntervalMs: 5 },
    );
    while (world.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const id = instructionId(world.received[0]!.instruction);
    expect((await clockless.getReceipt(id)).status).to.equal("accepted");
    world.settle({ receipts: [id] });
    expect((await clockless.getReceipt(id)).status).to.equal("ordered");
    world.certify(4n);
    const final = await settling;
    expect(final.instructionId).to.equal(id);
    expect(final.receipt.status).to.equal("applied");
    expect(final.at.header.sequence).to.equal(4n);
    expect(verifyReceipt(final.at.header, final.receipt, final.proof)).to.equal(true);
  });

  it("refuses to send what the wallet signed wrongly, and reports the members' refusal", async () => {
    const clockless = client(honest);
    const instruction = await clockless.prepareInstruction(request);
    const wrong = await errorOf(clockless.signInstruction(instruction, () => `0x${"11".repeat(65)}`));
    expect(wrong.code).to.equal("badSignature");
    const otherCommittee = signInstruction(ALICE_SECRET, hash(1), instruction);
    expect((await errorOf(clockless.submit(otherCommittee))).code).to.equal("badSignature");
    expect(world.received).to.have.length(0);
    const gap = { ...instruction, head: { ...instruction.head, nonce: 99n } };
    const refused = await errorOf(clockless.submit(signInstruction(ALICE_SECRET, world.committeeId, gap)));
    expect(refused.code).to.equal("refused");
    expect(refused.details).to.deep.include({ code: "gap", figures: { expected: "0" } });
  });

  it("does not call refused what an earlier try of ours brought to a decision", async () => {
    const clockless = client(honest);
    const instruction = await clockless.prepareInstruction(request);
    const decided = { ...instruction, head: { ...instruction.head, nonce: 98n } };
    const again = signInstruction(ALICE_SECRET, world.committeeId, decided);
    expect((await clockless.submit(again)).instructionId).to.equal(instructionId(again.instruction));
  });

  it("submits to the next member when the first is gone", async () => {
    const dead = createApiClient({ url: "http://127.0.0.1:1", timeoutMs: 500 });
    const clockless = client(dead, honest);
    const signed = signInstruction(ALICE_SECRET, world.committeeId, await clockless.prepareInstruction(request));
    expect((await clockless.submit(signed)).url).to.equal(honest.url);
    const alone = await errorOf(client(dead).submit(signed));
    expect(alone.code).to.equal("noAnswer");
    expect(alone.isTransient).to.equal(true);
  });

  it("takes a receipt as final from one member's proof, and from nobody's word", async () => {
    world.settle({ receipts: [hash(300), hash(301), hash(302)] });
    world.certify(4n);
    const id = hash(300);
    const truth = world.instruction(id)!;
    const { receipt, proof } = truth as { receipt: Receipt; proof: ReceiptProof }; // CAST: it is settled
    const other = world.instruction(hash(301))!;
    const lies: Record<string, InstructionAnswer> = {
      code: { ...truth, receipt: { ...receipt, status: "refused", code: "late" } },
      figures: { ...truth, receipt: { ...receipt, figures: { held: "1" } } },
      position: { ...truth, receipt: { ...receipt, position: 1 } },
      laterBatch: { ...truth, receipt: { ...receipt, sequence: 2n } },
      otherProof: { ...truth, proof: other.proof },
      noProof: { instructionId: id, status: "final", receipt },
      core: { ...truth, proof: { ...proof, core: hash(1) } },
      longer: { ...truth, proof: { ...proof, siblings: [...proof.siblings, hash(1)] } },
    };
    for (const [lie, answer] of Object.entries(lies)) {
      const lying = liar(honest, { instruction: async () => answer });
      expect(await failure(client(lying).getReceipt(id)), lie).to.equal("badReceiptProof");
      expect(await client(lying, honest).getReceipt(id), lie).to.deep.include({ status: "final", receipt });
    }
    const elsewhere = liar(honest, { instruction: async () => other });
    expect(await failure(client(elsewhere).getReceipt(id))).to.equal("contradiction");
    const behind = liar(honest, { instruction: async () => ({ instructionId: id, status: "accepted" }) });
    expect(await client(behind, honest).getReceipt(id)).to.deep.include({ status: "final", receipt });
  });

  it("waits for no silent member once enough others answered", async () => {
    const never = () => new Promise<never>(() => undefined);
    const silent = liar(honest, { instruction: never, latestCertificate: never, lane: never });
    expect((await client(silent, honest).getReceipt(hash(101))).status).to.equal("final");
    const three = client(silent, honest, await member(world), await member(world));
    expect((await three.getHead()).header.sequence).to.equal(3n);
    expect((await three.prepareInstruction(request)).head).to.include({ nonce: 0n, namedBatch: 3n });
  });

  it("lets no single member choose the nonce where enough answer", async () => {
    const lying = liar(honest, { lane: async (signer, lane) => ({ signer, lane, nextNonce: 77n }) });
    const clockless = client(lying, honest, await member(world));
    expect((await clockless.prepareInstruction(request)).head.nonce).to.equal(0n);
  });

  it("never calls final what is not certified, whatever the member says", async () => {
    world.settle({ receipts: [hash(200)] });
    const receipt = world.instruction(hash(200))!.receipt!;
    const eager = liar(honest, { instruction: async () => ({ instructionId: hash(200), status: "final", receipt }) });
    expect((await client(eager).getReceipt(hash(200))).status).to.equal("ordered");
    const other = liar(honest, { instruction: async () => ({ instructionId: hash(200), status: "final", receipt }) });
    expect((await errorOf(client(other).getReceipt(hash(201)))).code).to.equal("noAnswer");
  });

  it("bounds its waits", async () => {
    const clockless = client(honest);
    const late = await errorOf(clockless.waitForFinality(hash(999), { timeoutMs: 60, pollingIntervalMs: 10 }));
    expect(late.code).to.equal("timeout");
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    const aborted = await errorOf(
      clockless.waitForFinality(hash(999), { signal: controller.signal, pollingIntervalMs: 10 }),
    );
    expect(aborted.code).to.equal("aborted");
    const silent = createApiClient({
      url: honest.url,
      timeoutMs: 30,
      fetch: (_, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(new Error("aborted")))),
    });
    expect((await errorOf(client(silent).getHead())).details.failures).to.have.nested.property("[0].code", "timeout");
  });

  it("watches certificates past a liar, in rising order", async () => {
    const good = world.certificate(3n, "bn254")!;
    const forged = { ...good, signature: flip(good.signature) };
    const lying = liar(honest, {
      events: async function* () {
        yield { type: "certificate", id: "", certificate: forged };
      },
    });
    const errors: string[] = [];
    const controller = new AbortController();
    const seen: bigint[] = [];
    const watching = client(lying, honest).certificates({
      signal: controller.signal,
      onError: (error) => errors.push(error.code),
    });
    for await (const certificate of watching) {
      seen.push(certificate.header.sequence);
      if (seen.length === 1) world.certify(world.settle());
      else controller.abort();
    }
    expect(seen).to.deep.equal([3n, 4n]);
    expect(errors).to.deep.equal(["badCertificate"]);
  });

  it("is not held in the past by a member that keeps the stream alive and shows nothing new", async () => {
    const stale = liar(honest, {
      events: async function* ({ signal } = {}) {
        yield { type: "certificate", id: "", certificate: world.certificate(1n, "bn254")! };
        await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
      },
    });
    const controller = new AbortController();
    const seen: bigint[] = [];
    for await (const { header } of client(stale, honest).certificates({ signal: controller.signal, staleMs: 1_000 })) {
      seen.push(header.sequence);
      if (header.sequence === 3n) controller.abort();
    }
    expect(seen).to.deep.equal([1n, 3n]);
  });

  it("calls back with certificates until it is stopped", async () => {
    const seen: bigint[] = [];
    const stop = client(honest).watchCertificates({ onCertificate: ({ header }) => seen.push(header.sequence) });
    const until = async (count: number): Promise<void> => {
      while (seen.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await until(1);
    world.certify(world.settle());
    await until(2);
    stop();
    world.certify(world.settle());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).to.deep.equal([3n, 4n]);
  });

  it("refuses a malformed anchor or client before anything is sent", () => {
    const { keys, committeeId } = world.committee();
    const groupKey = keys.bn254!.groupKey;
    const code = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        if (isClocklessError(error)) return error.code;
        throw error;
      }
      return "none";
    };
    expect(code(() => createCommittee({ committeeId: "0x12", groupKeys: { bn254: groupKey }, members: 4 }))).to.equal(
      "badCommittee",
    );
    expect(code(() => createCommittee({ committeeId, groupKeys: {}, members: 4 }))).to.equal("badCommittee");
    expect(code(() => createCommittee({ committeeId, groupKeys: { bn254: flip(groupKey) }, members: 4 }))).to.equal(
      "badCommittee",
    );
    expect(code(() => createCommittee({ committeeId, groupKeys: { "bls12-381": groupKey }, members: 4 }))).to.equal(
      "badCommittee",
    );
    expect(code(() => createCommittee({ committeeId, groupKeys: { bn254: groupKey }, members: 0 }))).to.equal(
      "badCommittee",
    );
    expect(code(() => createClockless({ apis: [], committee }))).to.equal("badParameters");
    expect(code(() => createClockless({ apis: ["http://a.example", "http://a.example/"], committee }))).to.equal(
      "badParameters",
    );
    expect(code(() => createClockless({ apis: ["ftp://a.example"], committee }))).to.equal("badUrl");
  });
});

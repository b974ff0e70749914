import { expect } from "chai";
import type { ApiClient } from "../../src/api/client.ts";
import { ApiError } from "../../src/api/errors.ts";
import { proveDestination } from "../../src/batch/outbox.ts";
import { createReceiptTree } from "../../src/batch/receipts.ts";
import type { Certificate, DepositEntry } from "../../src/batch/types.ts";
import { instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import type { LedgerGenesis, SettledBatch, SignedInstruction } from "../../src/ledger/types.ts";
import { createClockless } from "../../src/sdk/client.ts";
import { createCommittee } from "../../src/sdk/committee.ts";
import { proveEntry } from "../../src/sdk/prove.ts";
import { verifyEntry } from "../../src/sdk/verify.ts";
import { ALICE, ALICE_ACCOUNT, ALICE_SECRET, CHAIN_ID, createWorld, HUB, hash, TOKEN, USDC } from "../api/world.ts";

describe("the SDK over the real ledger", () => {
  const world = createWorld();
  const genesis: LedgerGenesis = world.committee().genesis;
  const ledger = new Ledger(genesis);
  const batches: SettledBatch[] = [];

  const settle = (instructions: readonly SignedInstruction[], deposits: readonly DepositEntry[]): void => {
    const items = [0, 1, 2].map((author) => ({
      author,
      instructions: author === 0 ? instructions : [],
      observations: deposits.length === 0 ? [] : [{ kind: "inbox" as const, chainId: CHAIN_ID, entries: deposits }],
      transactions: [],
    }));
    const batch = ledger.apply({ commit: hash(batches.length), items });
    if (batch === undefined) throw new Error("nothing settled");
    batches.push(batch);
  };

  const headerOf = (sequence: bigint) => {
    const batch = batches[Number(sequence) - 1];
    if (batch === undefined) throw new ApiError("unknownSequence", "not here");
    return batch.header;
  };
  const latest = async (): Promise<Certificate> => world.sign(headerOf(BigInt(batches.length)), "bn254");
  const api = {
    url: "http://ledger.example",
    latestCertificate: latest,
    certificate: async (sequence: bigint) => world.sign(headerOf(sequence), "bn254"),
    lane: async (signer, lane) => ({ signer, lane, nextNonce: ledger.nextNonce(signer, lane) }),
    account: async (account, options) => {
      const sequence = options?.sequence ?? ledger.sequence;
      const proof = ledger.proveAccount(account, options?.asset ?? USDC, sequence);
      if (proof === undefined) throw new ApiError("unknownAccount", "not here");
      return { sequence, view: ledger.account(account, sequence)!, proofs: [proof] };
    },
    destination: async (chainId, options) => {
      const { destinations } = batches[Number(options?.sequence ?? ledger.sequence) - 1]!;
      return { sequence: ledger.sequence, ...proveDestination(destinations, { chainId, hub: HUB }) };
    },
    outbox: async (chainId, query) => {
      const indexes = query?.indexes ?? [];
      const written = batches.flatMap(({ entries }) => entries.map(({ entry }) => entry));
      const size = query?.size ?? 0n;
      const entries = indexes.map((index) => written[Number(index)]!);
      return { chainId, hub: HUB, size, entries, proof: ledger.proveOutboxMany(chainId, indexes, size) };
    },
    instruction: async (id) => {
      for (const { receipts, stateParts } of batches) {
        const receipt = receipts.find((item) => item.instructionId === id);
        if (receipt === undefined) continue;
        const proof = createReceiptTree(receipts, stateParts).prove(receipt.position);
        return { instructionId: id, status: "ordered", receipt, proof };
      }
      throw new ApiError("unknownInstruction", "not here");
    },
  } as Partial<ApiClient> as ApiClient; // CAST: only the calls these tests make
  const committee = createCommittee({
    committeeId: world.committeeId,
    groupKeys: { bn254: world.committee().keys.bn254!.groupKey },
    members: 4,
  });
  const clockless = createClockless({ apis: [api], committee });

  it("proves a deposit, then a withdrawal's debit and its payout, from state roots that the ledger computed", async () => {
    const deposit: DepositEntry = {
      kind: "deposit",
      index: 0n,
      token: TOKEN,
      amount: 1_000n,
      account: ALICE_ACCOUNT,
      refundTo: ALICE,
      total: 1_000n,
    };
    settle([], [deposit]);
    const before = await clockless.getAccount(ALICE_ACCOUNT);
    expect(before.balances.map(({ cash }) => cash)).to.deep.equal([1_000n]);
    expect(before.details).to.deep.equal({ positions: [], lanes: [] });

    const instruction = await clockless.prepareInstruction({
      signer: ALICE,
      body: {
        kind: "withdraw",
        account: ALICE_ACCOUNT,
        asset: USDC,
        amount: 300n,
        chainId: CHAIN_ID,
        recipient: ALICE,
        relayerFee: 10n,
      },
    });
    settle([signInstruction(ALICE_SECRET, world.committeeId, instruction)], []);
    const id = instructionId(instruction);
    const final = await clockless.waitForFinality(id, { timeoutMs: 300_000 });
    expect(final.receipt.status).to.equal("applied");

    const after = await clockless.getAccount(ALICE_ACCOUNT, { minSequence: final.receipt.sequence });
    expect(after.balances.map(({ cash }) => cash)).to.deep.equal([690n]);
    // The old state stays provable against its own header, and only against that.
    const old = await clockless.getAccount(ALICE_ACCOUNT, { sequence: 1n });
    expect(old.balances.map(({ cash }) => cash)).to.deep.equal([1_000n]);

    const { destination, entries } = await clockless.getDelivery(CHAIN_ID, { indexes: [0n] });
    expect(entries[0]).to.include({ kind: "payout", recipient: ALICE, amount: 300n, relayerFee: 10n, reference: id });
    const own = proveEntry(destination, entries, 0n);
    expect(verifyEntry(destination, entries[0]!, own)).to.equal(true);
    expect(verifyEntry(destination, { ...entries[0]!, reference: hash(1) }, own)).to.equal(false);
  });
});

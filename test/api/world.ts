/**
 * A small committee with real keys, trees and signatures, as a NodeView: what an honest member would serve. Members' shares play no
 * part; the group key signs directly.
 */
import type {
  AccountAnswer,
  BatchAnswer,
  CommitteeAnswer,
  InstructionAnswer,
  SubmitResult,
} from "../../src/api/schema.ts";
import { AccountTree } from "../../src/batch/account-tree.ts";
import { createHandover, handoverDigest } from "../../src/batch/handover.ts";
import { headerDigest } from "../../src/batch/header.ts";
import { EMPTY_INBOX_HASH } from "../../src/batch/inbox.ts";
import { outboxEntryHash, outboxesRoot, promisedRoot, proveDestination } from "../../src/batch/outbox.ts";
import { createReceiptTree, ledgerRest } from "../../src/batch/receipts.ts";
import { assetsRootOf, proveAccount, stateRoot } from "../../src/batch/state.ts";
import { AppendOnlyTree } from "../../src/batch/tree.ts";
import type { BatchHeader, Certificate, Destination, PayoutEntry } from "../../src/batch/types.ts";
import { detailsHash } from "../../src/ledger/details.ts";
import { accountIdOf, instructionId } from "../../src/ledger/instruction.ts";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import type { EpochsView, SignedHandover } from "../../src/ledger/reconfiguration/types.ts";
import type { AccountDetails, LedgerGenesis, Receipt, SignedInstruction } from "../../src/ledger/types.ts";
import { bigintToBytes } from "../../src/lib/bytes.ts";
import { addressOf } from "../../src/lib/ecdsa.ts";
import { keccak256Hex } from "../../src/lib/hash.ts";
import { bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../src/lib/hex.ts";
import type { Checkpoint } from "../../src/member/types.ts";
import { dealsOf, reconfigurationOf } from "../../src/node/api/reconfiguration.ts";
import type { NodeEvent, NodeView } from "../../src/node/api/view.ts";
import { createNobleEngine } from "../../src/threshold/engine-noble.ts";
import type { Suite, ThresholdKey } from "../../src/threshold/types.ts";

export const CHAIN_ID = 31337n;
export const HUB: Hex = `0x${"11".repeat(20)}`;
export const TOKEN: Hex = `0x${"22".repeat(20)}`;
export const USDC: Hex = keccak256Hex(new TextEncoder().encode("USDC"));
export const ALICE_SECRET = bigintToBytes(0xa11cen, 32);
export const ALICE = addressOf(ALICE_SECRET);
export const ALICE_ACCOUNT = accountIdOf(ALICE);
export const BOB_ACCOUNT = accountIdOf(addressOf(bigintToBytes(0xb0bn, 32)));

const ENGINES = { "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") };
/** What Alice holds besides cash: a call, and a lane opened to somebody. */
export const ALICE_DETAILS: AccountDetails = {
  positions: [
    { instrument: encodeInstrument({ kind: "call", market: 1, expiry: 6000n, strike: 2000n }), quantity: -3n },
    { instrument: encodeInstrument({ kind: "perpetual", market: 1, expiry: 0n, strike: 0n }), quantity: 5n },
  ],
  lanes: [{ signer: HUB, lane: 2n, margin: { limit: 9n, spent: 4n }, cash: [{ asset: USDC, limit: 8n, spent: 0n }] }],
};
const NO_KEY: Omit<ThresholdKey, "suite"> = { threshold: 3, groupKey: "0x", publicShares: [] };
const NO_KEYS = { "bls12-381": { suite: "bls12-381", ...NO_KEY }, bn254: { suite: "bn254", ...NO_KEY } } as const;
const NO_DETAILS: AccountDetails = { positions: [], lanes: [] };
const CORE = keccak256Hex(Uint8Array.of(7));

export function hash(seed: number | bigint): Hex {
  return keccak256Hex(bigintToBytes(BigInt(seed), 32));
}

export interface World extends NodeView {
  readonly committeeId: Hex;
  readonly received: SignedInstruction[];
  /** Settles one more batch with so many receipts and outbox payouts. Not certified yet. */
  settle(options?: { receipts?: readonly Hex[]; payouts?: number; aliceCash?: bigint }): bigint;
  /** Certifies a batch in all suites. */
  certify(sequence: bigint): void;
  sign(header: BatchHeader, suite: Suite): Certificate;
  /** From the next batch on, a new epoch of the same key. */
  reshare(): void;
  /** From the next batch on, a new epoch with the key of another seed, which the present key signs a handover to. */
  handOver(toSeed: number): void;
  /** Drops batches before this sequence. */
  forgetBefore(sequence: bigint): void;
  setReady(ok: boolean): void;
  readonly subscribers: number;
  /** What the reconfiguration endpoints tell; settable. */
  readonly epochs: WorldEpochs;
}

export interface WorldEpochs {
  view: EpochsView | undefined;
  handovers: readonly SignedHandover[];
  readonly snapshots: Map<bigint, Uint8Array>;
  /** Ascending. */
  checkpoints: readonly Checkpoint[];
  /** What was handed in; `0xff…` is refused as malformed. */
  readonly transactions: Uint8Array[];
}

export interface WorldOptions {
  /** Distinguishes committees. */
  readonly seed?: number;
  readonly suites?: readonly Suite[];
  /** A real deployment instead of made-up addresses. */
  readonly committeeId?: Hex;
  readonly hub?: Hex;
  readonly token?: Hex;
}

/** The group key of a world before it exists: what its hub is deployed with. */
export function groupKeyOf(seed: number, suite: Suite): Hex {
  return bytesToHex(ENGINES[suite].publicKey(secretOf(seed)));
}

export function groupKeysOf(seed: number): Record<Suite, Hex> {
  return { "bls12-381": groupKeyOf(seed, "bls12-381"), bn254: groupKeyOf(seed, "bn254") };
}

/** A handover between the keys of two seeds, signed by the first: or by any other. */
export function handoverBetween(
  committeeId: Hex,
  number: number,
  from: number,
  to: number,
  epoch = BigInt(number),
  by = from,
): SignedHandover {
  const statement = createHandover(BigInt(number), groupKeysOf(from), groupKeysOf(to));
  const digest = handoverDigest(statement, committeeId);
  const signatures = { "bls12-381": signWithKey(by, "bls12-381", digest), bn254: signWithKey(by, "bn254", digest) };
  return { statement, signatures, epoch, groupKeys: groupKeysOf(to) };
}

function secretOf(seed: number): Uint8Array {
  return bigintToBytes(BigInt(123456789 + seed), 32);
}

function signWithKey(seed: number, suite: Suite, digest: Hex): Hex {
  return bytesToHex(ENGINES[suite].sign(secretOf(seed), hexToBytes(digest)));
}

export function createWorld(options: WorldOptions = {}): World {
  const { seed = 1, suites = ["bn254"], committeeId = hash(1000 + seed), hub = HUB, token = TOKEN } = options;
  let keySeed = seed;
  let epoch = 0n;
  const members = [0, 1, 2, 3].map((index) => ({ index, address: addressOf(bigintToBytes(BigInt(index + 1), 32)) }));
  const genesis: LedgerGenesis = {
    committeeId,
    epoch: 0n,
    members: 4,
    assets: [{ id: USDC, symbol: "USDC", decimals: 6 }],
    chains: [
      {
        chainId: CHAIN_ID,
        hub,
        vault: `0x${"33".repeat(20)}`,
        tokens: [{ asset: USDC, token, unitsPerLedgerUnit: 1n }],
      },
    ],
    markets: [],
    window: 16n,
  };
  const keys: Partial<Record<Suite, { groupKey: Hex; publicShares: Hex[] }>> = {};
  for (const suite of suites) keys[suite] = { groupKey: groupKeyOf(seed, suite), publicShares: [] };
  const committee: CommitteeAnswer = {
    committeeId,
    epoch: 0n,
    genesisHash: hash(2000 + seed),
    members,
    threshold: 3,
    keys,
    requiredSuites: suites,
    genesis,
  };

  const history = new AppendOnlyTree();
  const outbox = new AppendOnlyTree();
  const payouts: PayoutEntry[] = [];
  const batches = new Map<bigint, BatchAnswer>();
  const states = new Map<bigint, { readonly tree: AccountTree; readonly rest: Hex }>();
  const certificates = new Map<string, Certificate>();
  const instructions = new Map<Hex, { answer: InstructionAnswer; sequence: bigint | undefined }>();
  const listeners = new Set<(event: NodeEvent) => void>();
  const received: SignedInstruction[] = [];
  const epochs: WorldEpochs = {
    view: undefined,
    handovers: [],
    snapshots: new Map(),
    checkpoints: [],
    transactions: [],
  };
  let accounts = AccountTree.empty(USDC);
  let settled = 0n;
  let oldest = 1n;
  let ready = true;

  const emit = (event: NodeEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const certifiedSequence = (): bigint => {
    let sequence = settled;
    while (sequence > 0n && !suites.every((suite) => certificates.has(`${sequence}/${suite}`))) sequence--;
    return sequence;
  };
  const sign = (header: BatchHeader, suite: Suite): Certificate => ({
    header,
    suite,
    signature: signWithKey(keySeed, suite, headerDigest(header, committeeId)),
  });
  const cash = (account: Hex, amount: bigint) => ({
    account,
    asset: USDC,
    cash: amount,
    exitValue: amount,
    details: detailsHash(account === ALICE_ACCOUNT ? ALICE_DETAILS : NO_DETAILS)!,
  });
  accounts = accounts.set(0, cash(ALICE_ACCOUNT, 1_000n)).set(1, cash(BOB_ACCOUNT, 50n));

  return {
    committeeId,
    received,
    epochs,
    get subscribers() {
      return listeners.size;
    },
    sign,
    settle({ receipts = [], payouts: count = 0, aliceCash } = {}) {
      const sequence = settled + 1n;
      if (aliceCash !== undefined) accounts = accounts.set(0, cash(ALICE_ACCOUNT, aliceCash));
      const entries: PayoutEntry[] = [];
      for (let k = 0; k < count; k++) {
        const index = outbox.size;
        const reference = hash(index);
        const entry: PayoutEntry = {
          kind: "payout",
          index,
          token,
          recipient: ALICE,
          amount: 5n,
          relayerFee: 1n,
          reference,
        };
        outbox.append(outboxEntryHash({ chainId: CHAIN_ID, hub }, entry));
        payouts.push(entry);
        entries.push(entry);
      }
      const destinations: Destination[] = [
        {
          chainId: CHAIN_ID,
          hub,
          inboxCursor: 0n,
          inboxHash: EMPTY_INBOX_HASH,
          outboxSize: outbox.size,
          outboxRoot: outbox.root(),
          promisedRoot: promisedRoot([]),
        },
      ];
      const made = receipts.map(
        (id, position): Receipt => ({
          instructionId: id,
          status: "applied",
          code: "applied",
          figures: {},
          sequence,
          position,
        }),
      );
      const stateParts = { ...assetsRootOf([accounts.assetRoot]), core: CORE };
      const rest = ledgerRest(made, CORE);
      const header: BatchHeader = {
        sequence,
        epoch,
        previous: batches.get(settled)?.digest ?? ZERO_BYTES32,
        history: history.root(),
        outboxes: outboxesRoot(destinations),
        state: stateRoot([accounts.assetRoot], rest),
        commit: hash(5000n + sequence),
      };
      const digest = headerDigest(header, committeeId);
      history.append(digest);
      states.set(sequence, { tree: accounts, rest });
      batches.set(sequence, {
        header,
        digest,
        stateParts,
        receipts: made,
        events: [{ kind: "time", seconds: sequence }],
        entries: entries.map((entry) => ({ chainId: CHAIN_ID, hub, entry })),
        destinations,
      });
      const proofs = createReceiptTree(made, stateParts);
      for (const receipt of made) {
        const { instructionId, position } = receipt;
        const proof = proofs.prove(position);
        instructions.set(instructionId, { answer: { instructionId, status: "ordered", receipt, proof }, sequence });
      }
      settled = sequence;
      emit({ kind: "batch", sequence });
      return sequence;
    },
    certify(sequence) {
      const header = batches.get(sequence)?.header;
      if (header === undefined) throw new Error("no such batch");
      for (const suite of suites) {
        certificates.set(`${sequence}/${suite}`, sign(header, suite));
        emit({ kind: "certificate", sequence, suite });
      }
    },
    reshare() {
      epoch++;
    },
    handOver(toSeed) {
      epochs.handovers = [
        ...epochs.handovers,
        handoverBetween(committeeId, epochs.handovers.length + 1, keySeed, toSeed, epoch + 1n),
      ];
      keySeed = toSeed;
      epoch++;
    },
    forgetBefore(sequence) {
      oldest = sequence;
      for (const key of [...batches.keys()]) if (key < sequence) batches.delete(key);
    },
    setReady(ok) {
      ready = ok;
    },

    reconfiguration: () =>
      reconfigurationOf({ id: committeeId, epoch: 0n, members, keys: NO_KEYS, requiredSuites: suites }, epochs.view),
    deals: (from) => dealsOf(epochs.view, from),
    submitTransactions: (transactions) =>
      transactions.map((bytes) => {
        epochs.transactions.push(bytes);
        return { code: bytes[0] === 0xff ? "malformed" : "accepted" };
      }),
    epoch: (epoch = 0n) => (epoch === 0n ? { committee, peers: [], certificates: [] } : undefined),
    snapshot: (epoch) => epochs.snapshots.get(epoch),
    checkpoint: (sequence) =>
      sequence === undefined
        ? epochs.checkpoints.at(-1)
        : epochs.checkpoints.find(({ header }) => header.sequence === sequence),
    handovers: () => epochs.handovers,

    committee: () => committee,
    status: () => ({
      index: 0,
      epoch: 0n,
      round: Number(settled) + 3,
      settledSequence: settled,
      certifiedSequence: certifiedSequence(),
      peers: members.slice(1).map(({ index }) => ({ index, connected: true })),
      mempool: received.length,
      chains: [{ chainId: CHAIN_ID, hub, inboxCursor: 0n, inboxSeen: 0n, outboxSize: outbox.size, reachable: true }],
      ledgerTime: settled,
    }),
    submit: (signed) =>
      signed.map((item): SubmitResult => {
        const id = instructionId(item.instruction);
        received.push(item);
        if (item.instruction.head.nonce === 99n)
          return { instructionId: id, status: "refused", code: "gap", figures: { expected: "0" } };
        // As a member answers for what was decided before.
        if (item.instruction.head.nonce === 98n)
          return { instructionId: id, status: "refused", code: "repeated", figures: {} };
        if (!instructions.has(id))
          instructions.set(id, { answer: { instructionId: id, status: "accepted" }, sequence: undefined });
        return { instructionId: id, status: "accepted" };
      }),
    instruction(id) {
      const known = instructions.get(id);
      if (known === undefined) return undefined;
      const isFinal = known.sequence !== undefined && known.sequence <= certifiedSequence();
      return isFinal ? { ...known.answer, status: "final" } : known.answer;
    },
    certificate: (sequence, suite) => certificates.get(`${sequence}/${suite}`),
    latestCertificate(suite) {
      for (let sequence = settled; sequence > 0n; sequence--) {
        const certificate = certificates.get(`${sequence}/${suite}`);
        if (certificate !== undefined) return certificate;
      }
      return undefined;
    },
    batch: (sequence) => batches.get(sequence),
    summary(sequence) {
      const batch = batches.get(sequence);
      if (batch === undefined) return undefined;
      const { header, digest, receipts, entries } = batch;
      return { header, digest, receipts: receipts.length, entries: entries.length };
    },
    missing: () => [],
    oldestBatch: () => oldest,
    destination(chainId, sequence = certifiedSequence()) {
      const batch = batches.get(sequence);
      if (batch === undefined || chainId !== CHAIN_ID) return undefined;
      return { sequence, ...proveDestination(batch.destinations, { chainId, hub }) };
    },
    outbox(chainId, selection, size = batches.get(certifiedSequence())?.destinations[0]?.outboxSize ?? 0n) {
      if (size > outbox.size) return undefined;
      const wanted = selection.kind === "indexes" ? selection.indexes : [];
      if (wanted.some((index) => index >= size)) return undefined;
      const chosen =
        selection.kind === "indexes"
          ? wanted.map((index) => payouts[Number(index)]!)
          : payouts.slice(Number(selection.from), Math.min(Number(size), Number(selection.from) + selection.limit));
      const base = { chainId, hub, size, entries: chosen };
      if (chosen.length === 0) return base;
      return {
        ...base,
        proof: outbox.proveMany(
          chosen.map(({ index }) => index),
          size,
        ),
      };
    },
    history(sequence, at = certifiedSequence()) {
      const header = batches.get(sequence)?.header;
      if (header === undefined || sequence >= at || at > settled) return undefined;
      return { sequence, at, header, proof: history.prove(sequence - 1n, at - 1n) };
    },
    account(account, _asset, sequence = certifiedSequence()): AccountAnswer | undefined {
      const state = states.get(sequence);
      const index = [ALICE_ACCOUNT, BOB_ACCOUNT].indexOf(account);
      if (state === undefined || index < 0) return undefined;
      const { tree, rest } = state;
      const leaf = tree.get(index);
      return {
        sequence,
        view: {
          account,
          cash: [{ asset: USDC, amount: leaf.cash, exitValue: leaf.exitValue }],
          ...(account === ALICE_ACCOUNT ? ALICE_DETAILS : NO_DETAILS),
        },
        proofs: [proveAccount(tree, index, [tree.assetRoot], rest)],
      };
    },
    laneNonce: () => 0n,
    isHealthy: () => true,
    readiness: () => [{ name: "peers", ok: ready, message: ready ? "3 of 3" : "0 of 3: open the port" }],
    metrics: async () => ({ contentType: "text/plain; version=0.0.4", body: "clockless_rounds_total 3\n" }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * What a member tells about its committee's changes (threshold.md, Reshare and Activation), as schemas: where a change stands and whom it
 * waits for, the deals, the epochs there were and how each began, and the handovers to new group keys. Nothing here is believed: epochs
 * come with certificates, snapshots are what a certified header commits to, deals and transactions carry their own proof.
 */
import * as z from "zod";
import type { Handover } from "../batch/handover.ts";
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type {
  AttemptKind,
  AttemptPhase,
  OpenProposal,
  Proposal,
  ProposedMember,
  SignedHandover,
} from "../ledger/reconfiguration/types.ts";
import { type Address, bytesToHex, digitAt, type Hex, hexToBytes } from "../lib/hex.ts";
import type { DealContext, DealKind } from "../threshold/associated-data.ts";
import type { DealBundle } from "../threshold/deal-select.ts";
import type { Suite } from "../threshold/types.ts";
import { type CommitteeAnswer, committeeAnswer } from "./schema.ts";
import * as w from "./wire.ts";

/** Written out: the list itself is in a file that would bring SSZ into every browser. */
const DEAL_KINDS = ["ceremony", "generation", "reshare"] as const satisfies readonly DealKind[];

/** Limits that client and server share. */
export const RECONFIGURATION_LIMITS = {
  /** Transactions in one POST. */
  maxTransactions: 64,
  /** Of one transaction's canonical bytes; the largest are deals, some 200 kB at 31 members. */
  maxTransactionBytes: 1 << 20,
  /** One transaction of the largest size as hex, and its JSON. */
  maxBodyBytes: (2 << 20) + (1 << 16),
  /** Deals in one answer, before they are hex; at least one is always in it. */
  maxDealBytes: 4 << 20,
  /** What the client reads of a snapshot unless it is told otherwise. */
  maxSnapshotBytes: 1 << 30,
  /** Members of one committee. */
  maxMembers: 1024,
} as const;

/** GET /v1/reconfiguration: everything people and members-to-be need to know; by this member's word. */
export interface ReconfigurationAnswer {
  readonly committeeId: Hex;
  /** The current epoch, and its members by index. */
  readonly epoch: bigint;
  readonly members: readonly Address[];
  /** As they announced themselves, by index; empty in epoch 0, where configuration says where they are. */
  readonly peers: readonly ProposedMember[];
  /** Proposals with approvals, but not enough. */
  readonly open: readonly OpenProposalAnswer[];
  /** The approved proposal that is being carried out. */
  readonly attempt?: AttemptAnswer | undefined;
}

export interface OpenProposalAnswer extends OpenProposal {
  /** Members of the current committee whose approval is missing. */
  readonly waitingFor: readonly Address[];
}

export interface AttemptAnswer {
  readonly proposal: Proposal;
  /** What was approved. */
  readonly digest: Hex;
  readonly kind: AttemptKind;
  readonly phase: AttemptPhase;
  /** Whoever could bring this phase to its end: `needed` more of them are enough. Empty while closing. */
  readonly waitingFor: readonly Address[];
  readonly needed: number;
  /** Old members that dealt, and those of them whose deals count. */
  readonly dealt: readonly Address[];
  readonly qualified: readonly Address[];
  readonly dealersNeeded: number;
  /** The next epoch's; from phase `opening` on. */
  readonly keys?: Readonly<Record<Suite, KeyAnswer>> | undefined;
  /** What READY partials sign; from phase `opening` on. */
  readonly readyDigest?: Hex | undefined;
  /** New members that proved their shares. */
  readonly ready: readonly Address[];
  readonly readyNeeded: number;
  /** Old members that signed the handover to the new group key; from phase `handover` on. */
  readonly handover?:
    | { readonly statement: Handover; readonly digest: Hex; readonly signed: readonly Address[] }
    | undefined;
  readonly handoversNeeded: number;
  /** Rounds until the epoch ends; while closing. */
  readonly closesIn?: number | undefined;
  /** Who was caught at what. */
  readonly faults: readonly FaultAnswer[];
}

export interface KeyAnswer {
  readonly groupKey: Hex;
  readonly publicShares: readonly Hex[];
}

/** `code` is one of ledger/reconfiguration/types.ts, `EpochFault`; a newer member may know more. */
export interface FaultAnswer {
  readonly member: Address;
  readonly code: string;
  readonly suite?: Suite | undefined;
}

/** GET /v1/reconfiguration/deals?from=: the deals that count, in order, as many as fit into an answer. */
export interface DealsAnswer {
  /** `attempt`: of the running one. `epoch`: those that made the current epoch's shares. */
  readonly of: "attempt" | "epoch";
  /** What they are made, verified and opened with. */
  readonly contexts: Readonly<Record<Suite, DealContext>>;
  /** Position of the first deal here, and how many there are. */
  readonly from: number;
  readonly total: number;
  readonly qualified: readonly DealBundle[];
}

/** POST /v1/reconfiguration/transactions: one for each, in order. */
export interface TransactionResult {
  /** `accepted`: held here and proposed until ordered. `known`: held here already, or counted. Otherwise why not. */
  readonly code: string;
}

export interface TransactionsAnswer {
  readonly results: readonly TransactionResult[];
}

/** GET /v1/epochs/{epoch}: a committee and how its epoch began. */
export interface EpochAnswer {
  /** Genesis hash: of the epoch's consensus. Genesis: of the ledger, the same for ever. */
  readonly committee: CommitteeAnswer;
  /** By index; empty in epoch 0. */
  readonly peers: readonly ProposedMember[];
  /** Last header of the epoch before, whose state names this committee; absent in epoch 0. */
  readonly header?: BatchHeader | undefined;
  /** Of that header, by the group key of the epoch before, in every suite required then. */
  readonly certificates: readonly Certificate[];
}

export interface HandoversAnswer {
  /** From the first on. */
  readonly handovers: readonly SignedHandover[];
}

const count = z.number().int().nonnegative();
const members = w.list(w.address, RECONFIGURATION_LIMITS.maxMembers);

function perSuite<T>(value: z.ZodType<T>): z.ZodType<Readonly<Record<Suite, T>>> {
  return z.object({ "bls12-381": value, bn254: value });
}

/** Bytes as hex. No regular expression: it would keep a stack as long as the text. */
function bytes(maxBytes: number): z.ZodType<Uint8Array> {
  const description = "bytes, lower-case hex";
  return z
    .codec(
      z
        .string()
        .max(2 + 2 * maxBytes)
        .refine(isLowerHex, `expected ${description}`)
        .describe(description),
      z.custom<Uint8Array>((value) => value instanceof Uint8Array),
      { decode: (text) => hexToBytes(text), encode: (value) => bytesToHex(value) },
    )
    .describe(description);
}

function isLowerHex(text: string): boolean {
  if (text.length % 2 !== 0 || !text.startsWith("0x")) return false;
  for (let at = 2; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (digitAt(text, at) > 15 || (code >= 65 && code <= 70)) return false;
  }
  return true;
}

export const proposedMember: z.ZodType<ProposedMember> = z.object({
  address: w.address,
  publicKey: w.hexBytes,
  multiaddrs: w.list(z.string().max(256), 8),
  encryptionKey: w.bytes32,
  proof: w.hexBytes,
  signature: w.hexBytes,
});

const proposedMembers = w.list(proposedMember, RECONFIGURATION_LIMITS.maxMembers);

export const proposal: z.ZodType<Proposal> = z.object({ epoch: w.uint64, attempt: w.uint64, members: proposedMembers });

const openProposal: z.ZodType<OpenProposalAnswer> = z.object({
  proposal,
  digest: w.bytes32,
  approvals: members,
  approvalsNeeded: count,
  waitingFor: members,
});

const handoverStatement: z.ZodType<Handover> = z.object({
  number: w.uint64,
  oldKeyHashes: perSuite(w.bytes32),
  newKeys: perSuite(w.hexBytes),
});

const keyAnswer: z.ZodType<KeyAnswer> = z.object({
  groupKey: w.hexBytes,
  publicShares: w.list(w.hexBytes, RECONFIGURATION_LIMITS.maxMembers),
});

const attempt: z.ZodType<AttemptAnswer> = z.object({
  proposal,
  digest: w.bytes32,
  kind: z.enum(["reshare", "generation"]),
  phase: z.enum(["dealing", "opening", "handover", "closing"]),
  waitingFor: members,
  needed: count,
  dealt: members,
  qualified: members,
  dealersNeeded: count,
  keys: perSuite(keyAnswer).optional(),
  readyDigest: w.bytes32.optional(),
  ready: members,
  readyNeeded: count,
  handover: z.object({ statement: handoverStatement, digest: w.bytes32, signed: members }).optional(),
  handoversNeeded: count,
  closesIn: count.optional(),
  faults: w.list(z.object({ member: w.address, code: z.string().max(64), suite: w.suite.optional() }), 4096),
});

export const reconfigurationAnswer: z.ZodType<ReconfigurationAnswer> = z.object({
  committeeId: w.bytes32,
  epoch: w.uint64,
  members,
  peers: proposedMembers,
  open: w.list(openProposal, 4096),
  attempt: attempt.optional(),
});

const thresholdKey = z.object({
  suite: w.suite,
  threshold: count,
  groupKey: w.hexBytes,
  publicShares: w.list(w.hexBytes, RECONFIGURATION_LIMITS.maxMembers),
});

/** Without `oldKey` the field is absent, as the domain type wants it. */
const dealContext = z.object({
  domain: w.bytes32,
  epoch: w.uint64,
  attempt: w.uint64,
  suite: w.suite,
  kind: z.enum(DEAL_KINDS),
  dealers: members,
  oldKey: z.exactOptional(thresholdKey),
  recipients: w.list(z.object({ address: w.address, encryptionKey: w.bytes32 }), RECONFIGURATION_LIMITS.maxMembers),
  threshold: count,
  rounds: z.object({ total: count, chosen: count }),
}) satisfies z.ZodType<DealContext>;

const dealBytes = bytes(RECONFIGURATION_LIMITS.maxTransactionBytes);

export const dealsAnswer: z.ZodType<DealsAnswer> = z.object({
  of: z.enum(["attempt", "epoch"]),
  contexts: perSuite<DealContext>(dealContext),
  from: count,
  total: count,
  qualified: w.list(z.object({ dealer: count, deals: perSuite(dealBytes) }), RECONFIGURATION_LIMITS.maxMembers),
});

/** `POST /v1/reconfiguration/transactions`: items are checked one by one, so that a bad one stops no other. */
export const transactionsRequest = z.object({
  transactions: z.array(z.unknown()).min(1).max(RECONFIGURATION_LIMITS.maxTransactions),
});

/** One item of the request: canonical bytes of an EpochTransaction (ledger/reconfiguration/codec.ts). */
export const transactionBytes = bytes(RECONFIGURATION_LIMITS.maxTransactionBytes);

export const transactionsAnswer: z.ZodType<TransactionsAnswer> = z.object({
  results: w.list(z.object({ code: z.string().max(64) }), RECONFIGURATION_LIMITS.maxTransactions),
});

export const epochAnswer: z.ZodType<EpochAnswer> = z.object({
  committee: committeeAnswer,
  peers: proposedMembers,
  header: w.batchHeader.optional(),
  certificates: w.list(w.certificate, 16),
});

/** GET /v1/checkpoints/latest: a final batch of the current epoch, from which the order can be followed. */
export interface CheckpointAnswer {
  readonly header: BatchHeader;
  /** In every required suite. */
  readonly certificates: readonly Certificate[];
}

export const checkpointAnswer: z.ZodType<CheckpointAnswer> = z.object({
  header: w.batchHeader,
  certificates: w.list(w.certificate, 16),
});

const signedHandover: z.ZodType<SignedHandover> = z.object({
  statement: handoverStatement,
  signatures: perSuite(w.hexBytes),
  epoch: w.uint64,
  groupKeys: perSuite(w.hexBytes),
});

export const handoversAnswer: z.ZodType<HandoversAnswer> = z.object({ handovers: w.list(signedHandover, 4096) });

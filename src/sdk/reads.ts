/** Verified reads: every function returns only what a certificate of the pinned committee proves, or says in its type what it does not. */
import type { ApiClient, CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import { headerDigest } from "../batch/header.ts";
import type { MultiProof } from "../batch/tree.ts";
import type {
  AccountId,
  AccountLeaf,
  BatchHeader,
  Certificate,
  Destination,
  InclusionProof,
  OutboxEntry,
} from "../batch/types.ts";
import type { AccountDetails } from "../ledger/types.ts";
import { type Hex, isHex, ZERO_BYTES32 } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";
import { honestQuorum, type TrustedCommittee } from "./committee.ts";
import type { ReadContext } from "./context.ts";
import { SdkError } from "./errors.ts";
import {
  verifyAccount,
  verifyAccountDetails,
  verifyCertificate,
  verifyDestination,
  verifyEntries,
  verifyHistory,
} from "./verify.ts";

/** A header that the committee certified, with the certificate that shows it: its own, or a later one's through `history`. */
export interface CertifiedHeader {
  readonly header: BatchHeader;
  readonly digest: Hex;
  /** Of this header, or of a later one that holds it in its history. */
  readonly certificate: Certificate;
}

export interface AccountState {
  readonly account: AccountId;
  /** The state it was proven against. */
  readonly at: CertifiedHeader;
  /** Proven: one leaf per asset. An asset that is missing here is not proven to be zero. */
  readonly balances: readonly AccountLeaf[];
  /**
   * Proven: all positions and all lanes opened on the account, which the collateral asset's leaf commits to. Undefined when only another
   * asset was asked for.
   */
  readonly details: AccountDetails | undefined;
}

/** What a hub's `accept` takes, proven. */
export interface Acceptance {
  readonly certificate: Certificate;
  readonly destination: Destination;
  readonly proof: InclusionProof;
}

/** Outbox entries proven against a certified header: what a hub's `deliver` takes once it has accepted that header. */
export interface Delivery {
  readonly at: CertifiedHeader;
  readonly destination: Destination;
  readonly entries: readonly OutboxEntry[];
  readonly proof: MultiProof;
}

export type SuiteOptions = CallOptions & { readonly suite?: Suite | undefined };

/** Certificates found true, per committee: a wait that polls should not pay for the same pairing every time. */
const KNOWN = new WeakMap<TrustedCommittee, Set<string>>();
const MAX_KNOWN = 256;

/** @throws SdkError unknownSuite, badCertificate, BatchError malformedHeader */
export function requireCertificate(committee: TrustedCommittee, certificate: Certificate): Certificate {
  const { suite, header } = certificate;
  if (committee.groupKeys[suite] === undefined)
    throw new SdkError("unknownSuite", `no ${suite} key is pinned`, { details: { suite } });
  const known = KNOWN.get(committee) ?? new Set<string>();
  KNOWN.set(committee, known);
  // The digest binds every field of the header and the committee, so this names exactly what was verified.
  const key = `${suite} ${headerDigest(header, committee.committeeId)} ${certificate.signature}`;
  if (known.has(key)) return certificate;
  if (!verifyCertificate(committee, certificate))
    throw new SdkError("badCertificate", "the committee did not sign this header", {
      details: { sequence: header.sequence, suite, committeeId: committee.committeeId },
    });
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(key);
  return certificate;
}

/**
 * As {@link requireCertificate}, after a handover as well: whoever serves a certificate that the present keys did not sign is asked for
 * the handovers to the keys that did. One that lies is asked once more than one that does not, and that is all it achieves.
 * @throws SdkError unknownSuite, badCertificate, badHandover, BatchError malformedHeader
 */
export async function requireFollowed(
  context: ReadContext,
  api: ApiClient,
  certificate: Certificate,
  options: CallOptions,
): Promise<Certificate> {
  const before = context.committee;
  try {
    return requireCertificate(before, certificate);
  } catch (error) {
    if (!isBadCertificate(error)) throw error;
    await context.follow(api, options);
    // Not what `follow` answers: another call may have followed meanwhile.
    if (context.committee === before) throw error;
    return requireCertificate(context.committee, certificate);
  }
}

function isBadCertificate(error: unknown): boolean {
  return error instanceof SdkError && error.code === "badCertificate";
}

/** Suites with a pinned key, in the order tried. */
function suitesOf(committee: TrustedCommittee, suite: Suite | undefined): readonly Suite[] {
  if (suite !== undefined) return [suite];
  return (Object.keys(committee.groupKeys) as Suite[]).sort(); // CAST: keys of a record by suite
}

/**
 * The newest certificate that members have. Asks all, so that one alone cannot hold the user in the past, and waits for f + 1: with
 * them an honest one has answered. Where a certificate shows an epoch later than the one whose n is pinned, it waits for all.
 */
export async function getHead(context: ReadContext, options: SuiteOptions = {}): Promise<Certificate> {
  const { committee, members } = context;
  const certificates = await members.askAll(
    "the newest certificate",
    options,
    (api) => certificateFrom(context, api, undefined, options),
    (answers) => answers.length >= honestQuorum(committee) && !answers.some((answer) => isLater(committee, answer)),
  );
  // The keys changed in between, so some may be signed by one that counts no more.
  if (context.committee !== committee) return getHead(context, options);
  return certificates.reduce((best, other) => (other.header.sequence > best.header.sequence ? other : best));
}

/** Whether a certificate is of an epoch for which the committee's number of members is not known. */
export function isLater({ epoch }: TrustedCommittee, { header }: Certificate): boolean {
  return header.epoch > epoch;
}

/**
 * The certificate of exactly this sequence, by the present keys: what was signed before a handover is proven by newer certificates
 * instead ({@link getHeader}).
 */
export function getCertificate(
  context: ReadContext,
  sequence: bigint,
  options: SuiteOptions = {},
): Promise<Certificate> {
  return context.members.ask(`the certificate of batch ${sequence}`, options, (api) =>
    certificateFrom(context, api, sequence, options),
  );
}

/**
 * One member's certificate of a sequence (the newest if undefined), verified: of the suite asked for, or of the first pinned one in which
 * the committee certifies at all.
 */
async function certificateFrom(
  context: ReadContext,
  api: ApiClient,
  sequence: bigint | undefined,
  { signal, timeoutMs, suite: asked }: SuiteOptions,
): Promise<Certificate> {
  let missing: unknown;
  for (const suite of suitesOf(context.committee, asked)) {
    const call = { signal, timeoutMs, suite };
    try {
      const answer = sequence === undefined ? api.latestCertificate(call) : api.certificate(sequence, call);
      const certificate = await requireFollowed(context, api, await answer, call);
      requireSame(certificate.suite, suite, "suite");
      if (sequence !== undefined) requireSame(certificate.header.sequence, sequence, "sequence");
      return certificate;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "unknownSequence") throw error;
      missing = error;
    }
  }
  throw missing;
}

/** A certified header by sequence: by its own certificate, or by a later certificate's history. */
export function getHeader(context: ReadContext, sequence: bigint, options: CallOptions = {}): Promise<CertifiedHeader> {
  return context.members.ask(`batch ${sequence}`, options, (api) => headerFrom(context, api, sequence, options));
}

export async function headerFrom(
  context: ReadContext,
  api: ApiClient,
  sequence: bigint,
  options: CallOptions,
): Promise<CertifiedHeader> {
  const { committeeId } = context.committee;
  const call = { signal: options.signal, timeoutMs: options.timeoutMs };
  try {
    const certificate = await certificateFrom(context, api, sequence, call);
    return { header: certificate.header, digest: headerDigest(certificate.header, committeeId), certificate };
  } catch (error) {
    // A bad one may be signed by a key that was handed over since: then, too, the newest certificate has to prove the header.
    const isMissing = error instanceof ApiError && error.code === "unknownSequence";
    if (!isMissing && !isBadCertificate(error)) throw error;
  }
  // Not every batch keeps (or ever got) a certificate of its own: any later one proves it.
  const certificate = await certificateFrom(context, api, undefined, call);
  if (certificate.header.sequence <= sequence)
    throw new ApiError("unknownSequence", "not certified yet", {
      details: { sequence, certified: certificate.header.sequence },
    });
  const answer = await api.history(sequence, { ...call, at: certificate.header.sequence });
  requireSame(answer.header.sequence, sequence, "sequence");
  if (!verifyHistory(context.committee, certificate.header, answer.header, answer.proof))
    throw new SdkError("badHeaderProof", "the header is not in the certified history", {
      details: { sequence, at: certificate.header.sequence },
    });
  return { header: answer.header, digest: headerDigest(answer.header, committeeId), certificate };
}

/** An account, proven against a certified state (the newest unless `sequence` is named). */
export function getAccount(
  context: ReadContext,
  account: AccountId,
  options: CallOptions & {
    readonly asset?: Hex | undefined;
    readonly sequence?: bigint | undefined;
    /** Refuse an older state: protects against a member that serves the past. */
    readonly minSequence?: bigint | undefined;
  } = {},
): Promise<AccountState> {
  const id = lower(account, 32, "account");
  const asset = options.asset === undefined ? undefined : lower(options.asset, 32, "asset");
  return context.members.ask(`account ${id}`, options, async (api) => {
    const answer = await api.account(id, { ...options, asset });
    if (options.sequence !== undefined) requireSame(answer.sequence, options.sequence, "sequence");
    if (options.minSequence !== undefined && answer.sequence < options.minSequence)
      throw new SdkError("contradiction", "the answer is older than asked for", {
        details: { sequence: answer.sequence, minSequence: options.minSequence },
      });
    const at = await headerFrom(context, api, answer.sequence, options);
    const balances = answer.proofs.map((proof) => {
      requireSame(proof.leaf.account, id, "account");
      if (asset !== undefined) requireSame(proof.leaf.asset, asset, "asset");
      if (!verifyAccount(at.header, proof))
        throw new SdkError("badAccountProof", "the account is not in the certified state", {
          details: { account: id, asset: proof.leaf.asset, sequence: at.header.sequence },
        });
      return proof.leaf;
    });
    if (balances.length === 0 || new Set(balances.map((leaf) => leaf.asset)).size !== balances.length)
      throw new SdkError("contradiction", "not one proof per asset", { details: { account: id } });
    return { account: id, at, balances, details: detailsFrom(answer.view, balances) };
  });
}

/** Positions and lanes, if a proven leaf commits to any. */
function detailsFrom(told: AccountDetails, balances: readonly AccountLeaf[]): AccountDetails | undefined {
  const leaf = balances.find(({ details }) => details !== ZERO_BYTES32);
  if (leaf === undefined) return undefined;
  if (!verifyAccountDetails(leaf, told))
    throw new SdkError("badAccountProof", "the positions or lanes are not those of the certified account", {
      details: { account: leaf.account },
    });
  return { positions: told.positions, lanes: told.lanes };
}

/** The newest certificate with a chain's destination: the arguments of `accept` on that chain's hub. */
export function getAcceptance(
  context: ReadContext,
  chainId: bigint,
  options: SuiteOptions & { readonly sequence?: bigint | undefined } = {},
): Promise<Acceptance> {
  return context.members.ask(`the state of chain ${chainId}`, options, async (api) => {
    const certificate = await certificateFrom(context, api, options.sequence, options);
    return { certificate, ...(await destinationFrom(api, certificate.header, chainId, options)) };
  });
}

async function destinationFrom(
  api: ApiClient,
  header: BatchHeader,
  chainId: bigint,
  options: CallOptions,
): Promise<{ destination: Destination; proof: InclusionProof }> {
  const { destination, proof } = await api.destination(chainId, { ...options, sequence: header.sequence });
  requireSame(destination.chainId, chainId, "chainId");
  if (!verifyDestination(header, destination, proof))
    throw new SdkError("badDestinationProof", "the destination is not in the certified header", {
      details: { chainId, sequence: header.sequence },
    });
  return { destination, proof };
}

/**
 * Outbox entries of a chain, proven against the certified header `sequence` (default: the newest). To deliver them the hub must have
 * accepted that very header: pass the hub's head sequence.
 */
export function getDelivery(
  context: ReadContext,
  chainId: bigint,
  options: CallOptions & {
    readonly sequence?: bigint | undefined;
    readonly indexes?: readonly bigint[] | undefined;
    readonly from?: bigint | undefined;
    readonly limit?: number | undefined;
  } = {},
): Promise<Delivery> {
  const call = { signal: options.signal, timeoutMs: options.timeoutMs };
  return context.members.ask(`the outbox of chain ${chainId}`, options, async (api) => {
    const sequence = options.sequence ?? (await certificateFrom(context, api, undefined, call)).header.sequence;
    const at = await headerFrom(context, api, sequence, options);
    const { destination } = await destinationFrom(api, at.header, chainId, options);
    const answer = await api.outbox(chainId, { ...options, size: destination.outboxSize });
    if (options.indexes !== undefined) requireSame(answer.entries.length, options.indexes.length, "number of entries");
    const wanted = options.indexes ?? answer.entries.map((_, k) => (options.from ?? 0n) + BigInt(k));
    for (const [k, entry] of answer.entries.entries()) requireSame(entry.index, wanted[k], "entry index");
    const { proof } = answer;
    if (proof === undefined)
      throw new ApiError("unknownEntry", "no such entries in the certified outbox", {
        details: { chainId, size: destination.outboxSize },
      });
    if (!verifyEntries(destination, answer.entries, proof))
      throw new SdkError("badEntryProof", "the entries are not in the certified outbox", { details: { chainId } });
    return { at, destination, entries: answer.entries, proof };
  });
}

/** @throws SdkError contradiction */
export function requireSame(actual: unknown, asked: unknown, what: string): void {
  if (actual !== asked)
    throw new SdkError("contradiction", `the answer is about another ${what}`, {
      details: { what, asked: String(asked), answered: String(actual) },
    });
}

/** Callers may pass checksummed or upper-case hex; everything inside compares lower case. @throws SdkError badParameters */
export function lower(value: Hex, size: number, what: string): Hex {
  if (!isHex(value, size))
    throw new SdkError("badParameters", `${what} is ${size} bytes of hex`, { details: { what } });
  return value.toLowerCase() as Hex; // CAST: isHex, and lower-casing keeps it hex
}

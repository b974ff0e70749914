/** Verified reads: every function returns only what a certificate of the pinned committee proves, or says in its type what it does not. */
import type { ApiClient, CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
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
import { type Hex, ZERO_BYTES32 } from "../lib/hex.ts";
import { type CertifiedHeader, certificateFrom, headerFrom, type SuiteOptions } from "./certificates.ts";
import { lower, requireSame } from "./checks.ts";
import type { ReadContext } from "./context.ts";
import { SdkError } from "./errors.ts";
import { verifyAccount, verifyAccountDetails, verifyDestination, verifyEntries } from "./verify.ts";

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

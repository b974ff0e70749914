/** Instructions from the user's side: prepare against a certified state, sign with the user's own wallet, submit, wait. */
import type { CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import type { InstructionAnswer, InstructionStatus, SubmitResult } from "../api/schema.ts";
import { pause } from "../api/sse.ts";
import { instructionDigest, instructionId, typedDataOf } from "../ledger/instruction.ts";
import type { Instruction, InstructionBody, Receipt, SignedInstruction } from "../ledger/types.ts";
import { isSignatureBy } from "../lib/ecdsa.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { maxBigint } from "../lib/math.ts";
import { honestQuorum } from "./committee.ts";
import { SdkError } from "./errors.ts";
import { type CertifiedHeader, getHead, getHeader, lower, type ReadContext } from "./reads.ts";

/** What a wallet's `signTypedData` takes. */
export type TypedData = ReturnType<typeof typedDataOf>;
export type SignTypedData = (typedData: TypedData) => Promise<Hex> | Hex;

export interface Submitted {
  readonly instructionId: Hex;
  /** The member that took it. That is its word: follow the instruction until it is final. */
  readonly url: string;
}

/** How far an instruction has come. Everything but `final` is the asked members' word. */
export type InstructionProgress =
  | { readonly status: Exclude<InstructionStatus, "final">; readonly receipt: Receipt | undefined }
  | ({ readonly status: "final" } & Finality);

/**
 * A final instruction. Proven by the group key: the batch `receipt.sequence` is certified, and so is everything its header commits to
 * (accounts, outboxes). Not committed to by any header: the receipt's own text. It is vouched for by `agreement` members whose answers
 * are equal; from f + 1 on at least one of them is honest. What an applied instruction *did* can be proven: its effect on an account
 * (`getAccount`) and its payouts (`getDelivery`, whose `reference` is the instruction id).
 */
export interface Finality {
  readonly receipt: Receipt;
  readonly at: CertifiedHeader;
  /** How many of the asked members gave exactly this receipt. */
  readonly agreement: number;
}

export interface InstructionContext extends ReadContext {
  /** How many equal receipts are needed. */
  readonly receiptAgreement: number;
}

/** min(f + 1, number of APIs): with APIs of fewer members than that, the receipt's text is only as good as they are. */
export function defaultAgreement(context: ReadContext): number {
  return Math.min(honestQuorum(context.committee), context.members.clients.length);
}

/**
 * Fills in the head: the lane's next nonce (members' word; a wrong one only gets the instruction refused) and the newest certified batch
 * as the named one.
 */
export async function prepareInstruction(
  context: ReadContext,
  { signer, lane = 0n, body }: { readonly signer: Address; readonly lane?: bigint; readonly body: InstructionBody },
  options: CallOptions = {},
): Promise<Instruction> {
  const from = lower(signer, 20, "signer");
  const [answers, certificate] = await Promise.all([
    context.members.askAll(`lane ${from}/${lane}`, options, (api) => api.lane(from, lane, options)),
    getHead(context, options),
  ]);
  // The furthest member knows best what was used; one that lags would make us sign a nonce twice.
  const nonce = answers.reduce((highest, { nextNonce }) => maxBigint(highest, nextNonce), 0n);
  return { head: { signer: from, lane, nonce, namedBatch: certificate.header.sequence }, body };
}

/** Lets the user's wallet sign, and checks that it signed this instruction. @throws SdkError badSignature */
export async function signWith(
  context: ReadContext,
  instruction: Instruction,
  sign: SignTypedData,
): Promise<SignedInstruction> {
  const signature = await sign(typedDataOf(context.committee.committeeId, instruction));
  // CAST: lower-casing keeps it hex; requireSigned refuses what is not
  const signed = { instruction, signature: String(signature).toLowerCase() as Hex };
  requireSigned(context, signed);
  return signed;
}

function requireSigned({ committee }: ReadContext, { instruction, signature }: SignedInstruction): void {
  const { signer } = instruction.head;
  if (!isSignatureBy(signer, instructionDigest(committee.committeeId, instruction), signature))
    throw new SdkError("badSignature", "the instruction is not signed by its signer for this committee", {
      details: { signer },
    });
}

/**
 * Hands a signed instruction to one member, and to the next if that one cannot or will not take it. Safe to repeat: an instruction has
 * one id and settles at most once.
 * @throws SdkError badSignature, refused, noAnswer, aborted
 */
export async function submitInstruction(
  context: ReadContext,
  signed: SignedInstruction,
  options: CallOptions = {},
): Promise<Submitted> {
  requireSigned(context, signed);
  const id = instructionId(signed.instruction);
  let refusal: SubmitResult | undefined;
  try {
    return await context.members.ask(`a place for instruction ${id}`, options, async (api) => {
      const [result] = await api.submit([signed], options);
      if (result?.status === "accepted") return { instructionId: id, url: api.url };
      refusal = result;
      throw new SdkError("refused", "the member refused the instruction", { details: { code: result?.code } });
    });
  } catch (error) {
    if (refusal === undefined || (error instanceof SdkError && error.code === "aborted")) throw error;
    const { code, figures } = refusal;
    throw new SdkError("refused", `the instruction was refused: ${code}`, {
      details: { instructionId: id, code, figures },
      cause: error,
    });
  }
}

/**
 * How far an instruction has come. `final` only if its batch is certified under the pinned key and enough members agree on the receipt.
 * @throws SdkError notFound, noAnswer, receiptDisagreement, aborted
 */
export async function getReceipt(
  context: InstructionContext,
  instructionIdHex: Hex,
  options: CallOptions = {},
): Promise<InstructionProgress> {
  const id = lower(instructionIdHex, 32, "instruction id");
  const answers = await context.members.askAll(`instruction ${id}`, options, async (api) => {
    const answer = await api.instruction(id, options);
    if (answer.instructionId !== id || (answer.receipt !== undefined && answer.receipt.instructionId !== id))
      throw new SdkError("contradiction", "the answer is about another instruction", { details: { url: api.url } });
    return answer;
  });
  const group = largestGroup(answers);
  if (group === undefined) return { status: furthest(answers), receipt: undefined };
  const { receipt, agreement } = group;
  let at: CertifiedHeader;
  try {
    at = await getHeader(context, receipt.sequence, options);
  } catch (error) {
    // Ordered, but its batch has no certificate yet.
    if (error instanceof SdkError && error.code === "notFound") return { status: "ordered", receipt };
    throw error;
  }
  if (agreement < context.receiptAgreement) {
    // Members that are merely behind are no disagreement; only two different receipts are.
    if (agreement === answers.filter((answer) => answer.receipt !== undefined).length)
      return { status: "ordered", receipt };
    throw new SdkError("receiptDisagreement", "members do not agree on the receipt", {
      details: { instructionId: id, agreed: agreement, needed: context.receiptAgreement },
    });
  }
  return { status: "final", receipt, at, agreement };
}

/** The receipt that most members give, and how many do. */
function largestGroup(answers: readonly InstructionAnswer[]): { receipt: Receipt; agreement: number } | undefined {
  const groups = new Map<string, { receipt: Receipt; agreement: number }>();
  for (const { receipt } of answers) {
    if (receipt === undefined) continue;
    const key = receiptKey(receipt);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { receipt, agreement: 1 });
    else group.agreement++;
  }
  return [...groups.values()].sort((a, b) => b.agreement - a.agreement)[0];
}

function receiptKey({ status, code, figures, sequence, position }: Receipt): string {
  const sorted = Object.entries(figures).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify([status, code, sorted, sequence.toString(), position]);
}

/** Without a receipt nobody can claim more than admission. */
function furthest(answers: readonly InstructionAnswer[]): "accepted" | "admitted" {
  return answers.some(({ status }) => status === "admitted") ? "admitted" : "accepted";
}

export interface WaitOptions extends CallOptions {
  /** Of the whole wait; default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Default 500. */
  readonly pollingIntervalMs?: number | undefined;
}

const DEFAULT_WAIT_MS = 60_000;
const DEFAULT_POLLING_MS = 500;

/**
 * Waits until an instruction is final, applied or refused: look at `receipt.status`.
 * @throws SdkError timeout (details.status says how far it came), aborted, receiptDisagreement
 */
export async function waitForFinality(
  context: InstructionContext,
  id: Hex,
  options: WaitOptions = {},
): Promise<Finality> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_WAIT_MS;
  let status: string = "unknown";
  return poll(
    options,
    timeoutMs,
    () =>
      new SdkError("timeout", `not final within ${timeoutMs} ms`, {
        details: { instructionId: id, status, timeoutMs },
      }),
    async (signal) => {
      const progress = await getReceipt(context, id, { signal });
      status = progress.status;
      return progress.status === "final" ? progress : undefined;
    },
  );
}

/** Calls `attempt` until it returns a value; transient errors are tried again, others end the wait. */
export async function poll<T>(
  options: WaitOptions,
  timeoutMs: number,
  onTimeout: () => SdkError,
  attempt: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted === true) controller.abort();
  const timer = setTimeout(onAbort, timeoutMs);
  try {
    for (;;) {
      if (controller.signal.aborted) break;
      try {
        const value = await attempt(controller.signal);
        if (value !== undefined) return value;
      } catch (error) {
        if (controller.signal.aborted) break;
        const isTransient = (error instanceof SdkError || error instanceof ApiError) && error.isTransient;
        if (!isTransient) throw error;
      }
      await pause(options.pollingIntervalMs ?? DEFAULT_POLLING_MS, controller.signal);
    }
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
  if (options.signal?.aborted === true) throw new SdkError("aborted", "aborted by the caller");
  throw onTimeout();
}

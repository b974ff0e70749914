/** Instructions from the user's side: prepare against a certified state, sign with the user's own wallet, submit, wait. */
import type { ApiClient, CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import type { InstructionStatus, SubmitResult } from "../api/schema.ts";
import { pause } from "../api/sse.ts";
import type { ReceiptProof } from "../batch/receipts.ts";
import { instructionDigest, instructionId, typedDataOf } from "../ledger/instruction.ts";
import type { Instruction, InstructionBody, Receipt, SignedInstruction } from "../ledger/types.ts";
import { isSignatureBy } from "../lib/ecdsa.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import { type CertifiedHeader, getHead, headerFrom, isLater } from "./certificates.ts";
import { lower, requireSame } from "./checks.ts";
import { honestQuorum } from "./committee.ts";
import type { ReadContext } from "./context.ts";
import { SdkError } from "./errors.ts";
import { verifyReceipt } from "./verify.ts";

/** What a wallet's `signTypedData` takes. */
export type TypedData = ReturnType<typeof typedDataOf>;
export type SignTypedData = (typedData: TypedData) => Promise<Hex> | Hex;

export interface Submitted {
  readonly instructionId: Hex;
  /** The member that took it. That is its word: follow the instruction until it is final. */
  readonly url: string;
}

/**
 * How far an instruction has come. `final` is proven; everything before it is one member's word, and so is the receipt of an `ordered`
 * instruction.
 */
export type InstructionProgress =
  | { readonly status: Exclude<InstructionStatus, "final">; readonly receipt: Receipt | undefined }
  | ({ readonly status: "final" } & Finality);

/**
 * A final instruction: the committee's group key signed the header `at`, and the state root in it holds this receipt. Nobody's word is
 * needed. What an applied instruction did can be proven as well: its effect on an account (`getAccount`) and its payouts (`getDelivery`,
 * whose `reference` is the instruction id).
 */
export interface Finality {
  readonly receipt: Receipt;
  readonly at: CertifiedHeader;
  readonly proof: ReceiptProof;
}

/**
 * Fills in the head: the lane's next nonce (members' word; a wrong one gets the instruction refused or parked, never applied twice) and
 * the newest certified batch as the named one.
 */
export async function prepareInstruction(
  context: ReadContext,
  { signer, lane = 0n, body }: { readonly signer: Address; readonly lane?: bigint; readonly body: InstructionBody },
  options: CallOptions = {},
): Promise<Instruction> {
  const from = lower(signer, 20, "signer");
  const { committee, members } = context;
  const askLanes = (enough: number) =>
    members.askAll(
      `lane ${from}/${lane}`,
      options,
      (api) => api.lane(from, lane, options),
      (answered) => answered.length >= enough,
    );
  const quick = 2 * honestQuorum(committee) - 1;
  const [first, certificate] = await Promise.all([askLanes(quick), getHead(context, options)]);
  // How many may lie in a later epoch nobody told us: hear everyone, and count at least as many members as answer.
  const answers = isLater(committee, certificate) ? await askLanes(members.clients.length) : first;
  const needed = honestQuorum({ members: Math.max(committee.members, answers.length) });
  // The furthest member knows best what was used; one that lags would make us sign a nonce twice. But one that lies upwards would
  // have us wait for predecessors that never come: where enough answer, take the highest that an honest one is known to reach.
  const nonces = answers.map(({ nextNonce }) => nextNonce).sort((a, b) => compareBigint(b, a));
  const nonce = nonces[nonces.length >= 2 * needed - 1 ? needed - 1 : 0] ?? 0n;
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
      // `repeated`: decided before, so an earlier try of ours arrived although its answer was lost. Its receipt tells the outcome;
      // calling it refused would invite the user to sign, and pay, a second time.
      const isHeld = result?.status === "accepted" || result?.code === "repeated";
      if (isHeld) return { instructionId: id, url: api.url };
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

const STAGES: readonly InstructionStatus[] = ["accepted", "admitted", "ordered", "final"];

/**
 * How far an instruction has come: the furthest that any member shows. `final` only if its batch is certified under the pinned key and
 * the certified state holds the receipt; then the first member that proves it is enough, however the others answer.
 * @throws SdkError notFound, noAnswer, aborted
 */
export async function getReceipt(
  context: ReadContext,
  instructionIdHex: Hex,
  options: CallOptions = {},
): Promise<InstructionProgress> {
  const id = lower(instructionIdHex, 32, "instruction id");
  const isFinal = (answers: readonly InstructionProgress[]): boolean => answers.at(-1)?.status === "final";
  const answers = await context.members.askAll(
    `instruction ${id}`,
    options,
    (api) => progressFrom(context, api, id, options),
    isFinal,
  );
  const rank = ({ status }: InstructionProgress): number => STAGES.indexOf(status);
  return answers.reduce((best, other) => (rank(other) > rank(best) ? other : best));
}

/** One member's answer. A receipt in a certified batch must be proven; before that there is nothing to prove it against. */
async function progressFrom(
  context: ReadContext,
  api: ApiClient,
  id: Hex,
  options: CallOptions,
): Promise<InstructionProgress> {
  const { instructionId: answered, status, receipt, proof } = await api.instruction(id, options);
  requireSame(answered, id, "instruction");
  // Without a receipt nobody can claim more than admission.
  if (receipt === undefined) return { status: status === "admitted" ? "admitted" : "accepted", receipt };
  requireSame(receipt.instructionId, id, "instruction");
  let at: CertifiedHeader;
  try {
    at = await headerFrom(context, api, receipt.sequence, options);
  } catch (error) {
    if (error instanceof ApiError && error.code === "unknownSequence") return { status: "ordered", receipt };
    throw error;
  }
  if (proof === undefined || !verifyReceipt(at.header, receipt, proof))
    throw new SdkError("badReceiptProof", "the receipt is not in the certified state", {
      details: { instructionId: id, sequence: receipt.sequence },
    });
  return { status: "final", receipt, at, proof };
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
 * @throws SdkError timeout (details.status says how far it came), aborted
 */
export async function waitForFinality(context: ReadContext, id: Hex, options: WaitOptions = {}): Promise<Finality> {
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

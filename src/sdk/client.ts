/**
 * The client of a dApp: talks to any members of a committee and trusts none of them. What it returns is checked against the pinned group
 * key; where a member's word is all there is, the type says so.
 */
import type { ApiClient, CallOptions } from "../api/client.ts";
import type { Certificate } from "../batch/types.ts";
import { instructionId } from "../ledger/instruction.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import type { Instruction, InstructionBody, SignedInstruction } from "../ledger/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import * as certified from "./certificates.ts";
import type { TrustedCommittee } from "./committee.ts";
import { createReadContext } from "./context.ts";
import { getHandovers } from "./handover-reads.ts";
import * as instructions from "./instructions.ts";
import { createMembers } from "./members.ts";
import * as reads from "./reads.ts";
import { certificates, type WatchOptions, watchCertificates } from "./watch.ts";

export interface ClocklessOptions {
  /** Members' API addresses, or clients for them. Any one honest member suffices; what it says is proven. */
  readonly apis: readonly (string | ApiClient)[];
  /**
   * Whom to trust in the beginning. When the committee hands over to a new group key, the client follows what the pinned key signed,
   * by itself; `onFollow` tells, and what it gives is what to pin from then on.
   */
  readonly committee: TrustedCommittee;
  readonly onFollow?: ((committee: TrustedCommittee) => void) | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Per request. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

export interface Clockless {
  /** With the newest keys that signed handovers led to. */
  readonly committee: TrustedCommittee;
  /** Newest certificate known to any member. */
  getHead(options?: certified.SuiteOptions): Promise<Certificate>;
  getCertificate(sequence: bigint, options?: certified.SuiteOptions): Promise<Certificate>;
  getHeader(sequence: bigint, options?: CallOptions): Promise<certified.CertifiedHeader>;
  getAccount(account: Hex, options?: Parameters<typeof reads.getAccount>[2]): Promise<reads.AccountState>;
  /** Arguments of `accept` on a chain's hub. */
  getAcceptance(chainId: bigint, options?: Parameters<typeof reads.getAcceptance>[2]): Promise<reads.Acceptance>;
  /** Proven outbox entries for `deliver` on a chain's hub. */
  getDelivery(chainId: bigint, options?: Parameters<typeof reads.getDelivery>[2]): Promise<reads.Delivery>;
  /**
   * Every handover from the keys pinned at first to those that certify now, verified, in order: what a hub or anybody else needs who
   * still has an older key.
   */
  getHandovers(options?: CallOptions): Promise<readonly SignedHandover[]>;
  getReceipt(instructionId: Hex, options?: CallOptions): Promise<instructions.InstructionProgress>;
  prepareInstruction(
    request: { readonly signer: Address; readonly lane?: bigint; readonly body: InstructionBody },
    options?: CallOptions,
  ): Promise<Instruction>;
  signInstruction(instruction: Instruction, sign: instructions.SignTypedData): Promise<SignedInstruction>;
  submit(signed: SignedInstruction, options?: CallOptions): Promise<instructions.Submitted>;
  /** Prepares, signs, submits and waits: the whole way of one instruction. */
  settle(
    request: { readonly signer: Address; readonly lane?: bigint; readonly body: InstructionBody },
    sign: instructions.SignTypedData,
    options?: instructions.WaitOptions,
  ): Promise<instructions.Finality & { readonly instructionId: Hex }>;
  waitForFinality(instructionId: Hex, options?: instructions.WaitOptions): Promise<instructions.Finality>;
  certificates(options?: WatchOptions): AsyncGenerator<Certificate, void>;
  watchCertificates(options: Parameters<typeof watchCertificates>[1]): () => void;
}

/**
 * @throws SdkError badParameters, ApiError badUrl
 * @example
 * const clockless = createClockless({ apis: ["https://a.example", "https://b.example"], committee });
 * const { receipt, at } = await clockless.settle({ signer, body }, (data) => walletClient.signTypedData({ account, ...data }));
 */
export function createClockless(options: ClocklessOptions): Clockless {
  const members = createMembers(options);
  const context = createReadContext(options.committee, members, options.onFollow);

  return {
    get committee() {
      return context.committee;
    },
    getHead: (call) => certified.getHead(context, call),
    getCertificate: (sequence, call) => certified.getCertificate(context, sequence, call),
    getHeader: (sequence, call) => certified.getHeader(context, sequence, call),
    getAccount: (account, call) => reads.getAccount(context, account, call),
    getAcceptance: (chainId, call) => reads.getAcceptance(context, chainId, call),
    getDelivery: (chainId, call) => reads.getDelivery(context, chainId, call),
    getHandovers: (call) => getHandovers(context, options.committee, call),
    getReceipt: (id, call) => instructions.getReceipt(context, id, call),
    prepareInstruction: (request, call) => instructions.prepareInstruction(context, request, call),
    signInstruction: (instruction, sign) => instructions.signWith(context, instruction, sign),
    submit: (signed, call) => instructions.submitInstruction(context, signed, call),
    async settle(request, sign, wait = {}) {
      const instruction = await instructions.prepareInstruction(context, request, { signal: wait.signal });
      const signed = await instructions.signWith(context, instruction, sign);
      await instructions.submitInstruction(context, signed, { signal: wait.signal });
      const id = instructionId(instruction);
      return { instructionId: id, ...(await instructions.waitForFinality(context, id, wait)) };
    },
    waitForFinality: (id, wait) => instructions.waitForFinality(context, id, wait),
    certificates: (watch) => certificates(context, watch),
    watchCertificates: (watch) => watchCertificates(context, watch),
  };
}

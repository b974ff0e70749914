/** A current member approves a proposal: one for each attempt, registered before its signature leaves. */
import { join } from "node:path";
import { IDENTITY_FILE, loadIdentity } from "../../keys/member-keys.ts";
import { writeSecretFile } from "../../keys/secret-file.ts";
import { encodeTransaction } from "../../ledger/reconfiguration/codec.ts";
import { proposalDigest } from "../../ledger/reconfiguration/digests.ts";
import { makeApproval } from "../../ledger/reconfiguration/make.ts";
import { addressOf, signDigest } from "../../lib/ecdsa.ts";
import { isClocklessError } from "../../lib/errors.ts";
import { type Address, type Hex, isHex } from "../../lib/hex.ts";
import { type HomeFlags, passwordOf, readOwn, withLock } from "../ceremony/home.ts";
import type { CliContext } from "../context.ts";
import { CommandError, ReshareError } from "../errors.ts";
import type { ProposalFile } from "./files.ts";
import { checkProposal } from "./propose.ts";
import type { Asked } from "./state.ts";

export interface Approved {
  readonly member: Address;
  readonly digest: Hex;
  /** By asked member: what it did with the approval, or why it could not be asked. */
  readonly sent: readonly { readonly url: string; readonly code: string }[];
}

/** `accepted`: proposed there until it is ordered. `known`: held or counted there already. */
const GOOD: readonly string[] = ["accepted", "known"];

/**
 * Everything that can be known before signing: the proposal is of this committee, comes next, and its members announced
 * themselves. Throws CeremonyError, ReshareError wrongCommittee, staleProposal.
 */
export function checkCurrent({ committeeId, proposal }: ProposalFile, { answer }: Asked): void {
  if (answer.committeeId !== committeeId) {
    throw new ReshareError("wrongCommittee", "the proposal is for another committee", {
      details: { proposal: committeeId, asked: answer.committeeId },
    });
  }
  const { epoch, attempt } = proposal;
  const digest = proposalDigest(committeeId, proposal);
  const running = answer.attempt;
  const isLater = running === undefined || attempt > running.proposal.attempt || running.digest === digest;
  if (epoch !== answer.epoch + 1n || attempt < 1n || !isLater) {
    throw new ReshareError("staleProposal", "the committee has moved on: this proposal can take effect no more", {
      details: { epoch, attempt, currentEpoch: answer.epoch, currentAttempt: running?.proposal.attempt },
    });
  }
  checkProposal(committeeId, proposal);
}

/**
 * Signs and hands the approval to everybody asked; the same again when asked again.
 * Throws KeyError, StoreError locked, ReshareError notAMember, alreadyApproved; CommandError refused and ApiError when no member took it.
 */
export async function approveProposal(
  file: ProposalFile,
  asked: Asked,
  options: HomeFlags,
  context: CliContext,
): Promise<Approved> {
  const { committeeId, proposal } = file;
  const digest = proposalDigest(committeeId, proposal);
  const { member, bytes } = await withLock(options.keys, async () => {
    const identity = await loadIdentity(join(options.keys, IDENTITY_FILE), passwordOf(options, context));
    const address = addressOf(identity);
    if (!asked.answer.members.includes(address)) {
      throw new ReshareError("notAMember", `${address} is no member of epoch ${asked.answer.epoch}`, {
        details: { identity: address, members: asked.answer.members },
      });
    }
    registerReshareApproval(options.keys, file, digest);
    const approval = makeApproval(committeeId, proposal, address, (each) => signDigest(identity, each));
    identity.fill(0);
    return { member: address, bytes: encodeTransaction(approval) };
  });
  let last: unknown;
  const sent = await Promise.all(
    asked.clients.map(async (client) => {
      try {
        const [result] = await client.submitTransactions([bytes], { signal: context.signal });
        return { url: client.url, code: result!.code };
      } catch (error) {
        if (!isClocklessError(error) || error.code === "aborted") throw error;
        last = error;
        return { url: client.url, code: error.code };
      }
    }),
  );
  if (!sent.some(({ code }) => GOOD.includes(code))) {
    const refusals = sent.filter(({ url }) => !asked.silent.some((each) => each.url === url));
    // One member that says why is worth more than many that do not answer.
    if (last !== undefined && refusals.length === 0) throw last;
    throw new CommandError("refused", "no asked member took the approval", { details: { digest, member, sent } });
  }
  return { member, digest, sent };
}

/** Two approvals for one attempt are a fault that the committee sees and names. Throws alreadyApproved, corruptFile. */
function registerReshareApproval(keys: string, { committeeId, proposal }: ProposalFile, digest: Hex): void {
  const path = join(keys, `reshare-approved-${proposal.epoch}-${proposal.attempt}.json`);
  const earlier = readOwn(path, parseApproved);
  if (earlier === digest) return;
  if (earlier !== undefined) {
    throw new ReshareError(
      "alreadyApproved",
      `this member approved another proposal as attempt ${proposal.attempt} of epoch ${proposal.epoch}: propose a later attempt`,
      { details: { approved: earlier, given: digest } },
    );
  }
  writeSecretFile(path, `${JSON.stringify({ committeeId, digest })}\n`, { replace: false });
}

function parseApproved(text: string): Hex | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const digest = typeof value === "object" && value !== null && "digest" in value ? value.digest : undefined;
    return isHex(digest, 32) ? digest : undefined;
  } catch {
    return undefined;
  }
}

/** The committee file: everything public that all members, relayers and users of one committee agree on. Same JSON as GET /v1/committee. */
import * as z from "zod";
import { type CommitteeAnswer, committeeAnswer } from "../api/schema.ts";
import { genesisHash } from "../ledger/genesis.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { ClocklessError } from "../lib/errors.ts";
import { quorumOf } from "../lib/math.ts";
import { epochGenesis } from "../member/member.ts";
import type { Committee } from "../threshold/committee.ts";
import { SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";

export class CommitteeFileError extends ClocklessError<"malformedCommitteeFile" | "inconsistentCommitteeFile"> {
  override readonly name = "CommitteeFileError";
}

export function encodeCommitteeFile(committee: Committee, genesis: LedgerGenesis): string {
  return `${JSON.stringify(z.encode(committeeAnswer, committeeAnswerOf(committee, genesis)), null, 2)}\n`;
}

export function committeeAnswerOf(committee: Committee, genesis: LedgerGenesis): CommitteeAnswer {
  const keys: Partial<
    Record<Suite, { groupKey: ThresholdKey["groupKey"]; publicShares: ThresholdKey["publicShares"] }>
  > = {};
  for (const suite of SUITES) {
    const { groupKey, publicShares } = committee.keys[suite];
    keys[suite] = { groupKey, publicShares };
  }
  return {
    committeeId: committee.id,
    epoch: committee.epoch,
    genesisHash: epochGenesis(committee.id, genesisHash(genesis)),
    members: committee.members.map(({ address }, index) => ({ index, address })),
    threshold: quorumOf(committee.members.length),
    keys,
    requiredSuites: committee.requiredSuites,
    genesis,
  };
}

/** @throws CommitteeFileError malformedCommitteeFile, inconsistentCommitteeFile */
export function parseCommitteeFile(text: string): { committee: Committee; genesis: LedgerGenesis } {
  let answer: CommitteeAnswer;
  try {
    answer = committeeAnswer.parse(JSON.parse(text));
  } catch (cause) {
    throw new CommitteeFileError("malformedCommitteeFile", "the committee file is not valid", { cause });
  }
  const inconsistent = (what: string): CommitteeFileError =>
    new CommitteeFileError("inconsistentCommitteeFile", `the committee file contradicts itself: ${what}`, {
      details: { what },
    });
  const n = answer.members.length;
  if (answer.members.some(({ index }, position) => index !== position)) throw inconsistent("member indices");
  if (new Set(answer.members.map(({ address }) => address)).size !== n) throw inconsistent("an identity appears twice");
  if (answer.threshold !== quorumOf(n)) throw inconsistent(`threshold ${answer.threshold} is not n − f`);
  if (answer.genesis.members !== n || answer.genesis.committeeId !== answer.committeeId)
    throw inconsistent("ledger genesis");
  if (answer.requiredSuites.length === 0) throw inconsistent("no required suite");
  const keyOf = (suite: Suite): ThresholdKey => {
    const key = answer.keys[suite];
    if (key === undefined || key.publicShares.length !== n) throw inconsistent(`keys of suite ${suite}`);
    return { suite, threshold: answer.threshold, ...key };
  };
  const committee: Committee = {
    id: answer.committeeId,
    epoch: answer.epoch,
    members: answer.members.map(({ address }) => ({ address })),
    keys: { "bls12-381": keyOf("bls12-381"), bn254: keyOf("bn254") },
    requiredSuites: answer.requiredSuites,
  };
  if (epochGenesis(committee.id, genesisHash(answer.genesis)) !== answer.genesisHash)
    throw inconsistent("genesis hash");
  return { committee, genesis: answer.genesis };
}

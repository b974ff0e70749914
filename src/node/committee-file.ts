/**
 * The committee file: everything public that all members, relayers and users of one committee agree on. The JSON of
 * GET /v1/committee, and beside it where the keys come from:
 *
 *   definition   the final result of the members' ceremony; n − f of them signed that id, members and keys are what their
 *                deals make. Checked whenever it is there, and every member can check it against the one it approved.
 *   insecure     without a definition: whoever made the file may have held the whole key. For development only.
 *
 * The signatures do not cover the genesis, which is made when hubs exist and hubs need the id. Its hash is where consensus
 * starts, so that members with different ones do not understand each other; users get it from a source they trust.
 */
import * as z from "zod";
import { type CommitteeAnswer, committeeAnswer } from "../api/schema.ts";
import { genesisHash } from "../ledger/genesis.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { ClocklessError } from "../lib/errors.ts";
import { quorumOf } from "../lib/math.ts";
import { epochGenesis } from "../member/member.ts";
import { requireFinal } from "../threshold/ceremony/approval.ts";
import { type CommitteeDefinition, committeeOf } from "../threshold/ceremony/definition.ts";
import { definitionFromJson, definitionSchema, definitionToJson, parseDefinition } from "../threshold/ceremony/json.ts";
import type { Committee } from "../threshold/committee.ts";
import { createNobleEngine } from "../threshold/engine-noble.ts";
import { SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";

export class CommitteeFileError extends ClocklessError<
  "malformedCommitteeFile" | "inconsistentCommitteeFile" | "unprovenCommitteeFile"
> {
  override readonly name = "CommitteeFileError";
}

const INSECURE = "keys dealt by whoever made this file, not by the members: for development only";

export function encodeCommitteeFile(
  committee: Committee,
  genesis: LedgerGenesis,
  definition?: CommitteeDefinition,
): string {
  const origin = definition === undefined ? { insecure: INSECURE } : { definition: definitionToJson(definition) };
  const answer = z.encode(committeeAnswer, committeeAnswerOf(committee, genesis)) as object; // CAST: a z.object's JSON
  return `${JSON.stringify({ ...answer, ...origin }, null, 2)}\n`;
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

const definitionPart = z.object({ definition: definitionSchema.optional() });

/**
 * `definition` is there when the file says that the members' ceremony made it, and then it is verified.
 * @throws CommitteeFileError malformedCommitteeFile, inconsistentCommitteeFile, unprovenCommitteeFile
 */
export function parseCommitteeFile(text: string): {
  committee: Committee;
  genesis: LedgerGenesis;
  definition: CommitteeDefinition | undefined;
} {
  let answer: CommitteeAnswer;
  let ceremony: z.infer<typeof definitionPart>["definition"];
  try {
    const json: unknown = JSON.parse(text);
    answer = committeeAnswer.parse(json);
    ceremony = definitionPart.parse(json).definition;
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
  const definition = ceremony === undefined ? undefined : verifiedDefinition(ceremony);
  if (definition !== undefined && !isOf(definition, committee))
    throw inconsistent("it is not its definition's committee");
  return { committee, genesis: answer.genesis, definition };
}

/** True for the text of a ceremony's definition, which is a committee file without a genesis. */
export function isDefinition(text: string): boolean {
  try {
    return z.object({ format: definitionSchema.shape.format }).safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}

/** The committee of a ceremony's definition. Throws CeremonyError malformedDefinition, notFinal, corruptFile, maliciousFile. */
export function parseFinalDefinition(text: string): Committee {
  return committeeOf(requireFinalDefinition(parseDefinition(text)));
}

/** Some t scalar multiplications and one pairing per suite, on the engine that needs no start. */
function requireFinalDefinition(definition: CommitteeDefinition): CommitteeDefinition {
  requireFinal({ "bls12-381": createNobleEngine("bls12-381"), bn254: createNobleEngine("bn254") }, definition);
  return definition;
}

function verifiedDefinition(json: z.infer<typeof definitionSchema>): CommitteeDefinition {
  try {
    return requireFinalDefinition(definitionFromJson(json));
  } catch (cause) {
    throw new CommitteeFileError(
      "unprovenCommitteeFile",
      "the committee file holds a definition that its members did not make final",
      { cause },
    );
  }
}

/** Later epochs have other members and public shares; committee id and group keys stay. */
function isOf({ committeeId, roster, keys }: CommitteeDefinition, committee: Committee): boolean {
  const isFirst = committee.epoch === 0n;
  const isSameKey = (suite: Suite): boolean => {
    const ours = keys[suite];
    const { groupKey, publicShares } = committee.keys[suite];
    return ours.groupKey === groupKey && (!isFirst || ours.publicShares.every((share, i) => share === publicShares[i]));
  };
  const isSameMembers = roster.announcements.every(({ member }, i) => member === committee.members[i]?.address);
  const isSameSize = roster.announcements.length === committee.members.length;
  return committeeId === committee.id && SUITES.every(isSameKey) && (!isFirst || (isSameSize && isSameMembers));
}

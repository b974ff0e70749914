/** From everybody's deals to the committee, and from everybody's approvals to the final one. Anybody can do this. */
import { readFileSync } from "node:fs";
import type { Address } from "../../lib/hex.ts";
import { addApprovals } from "../../threshold/ceremony/approval.ts";
import { collectDeals, faultOfDealFile } from "../../threshold/ceremony/deals.ts";
import { type CommitteeDefinition, defineCommittee } from "../../threshold/ceremony/definition.ts";
import { type CeremonyFault, refuseFaults } from "../../threshold/ceremony/faults.ts";
import { parseDefinition } from "../../threshold/ceremony/json.ts";
import { createEngines } from "../../threshold/engines.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { readRoster } from "./deal.ts";
import { locate, readFiles } from "./folder.ts";
import { createCeremonyTools, verifyDeals } from "./tools.ts";
import { openVerdicts } from "./verdicts.ts";

/**
 * Throws CeremonyError that names every missing, corrupt, foreign and malicious file; those of members in `without` are
 * not asked for.
 */
export async function assembleDefinition(
  options: {
    readonly ceremony: string;
    readonly files: string;
    readonly members: readonly Address[];
    readonly without: readonly Address[];
    /** Where verdicts on deals are remembered; nowhere by default. */
    readonly verdicts?: string;
  },
  context: CliContext,
): Promise<CommitteeDefinition> {
  const { ceremony, files, members, without, verdicts } = options;
  const stranger = without.find((address) => !members.includes(address));
  if (stranger !== undefined) throw new UsageError("badOption", `--without ${stranger}, who is not invited`);
  const roster = readRoster(files, ceremony, members);
  const collected = readFiles(files, "deal");
  const { bundles, faults } = collectDeals(
    roster,
    collected.found.map(({ value }) => value),
  );
  const counted = bundles.filter(({ dealer }) => !without.includes(roster.announcements[dealer]!.member));
  const isAsked = ({ member }: CeremonyFault): boolean => member === undefined || !without.includes(member);
  const cheap = locate(faults, collected).filter(isAsked);
  const tools = await createCeremonyTools();
  // All that is wrong in one answer: whoever collects by mail does not want to ask five times.
  const faulty = await verifyDeals(tools, roster, counted, context, openVerdicts(verdicts));
  const deep = locate(faulty, { found: collected.found, faults: [] });
  refuseFaults([...cheap, ...deep]);
  return defineCommittee(tools, roster, counted);
}

/** Throws UsageError unreadableInput, CeremonyError malformedDefinition. */
export function readDefinition(path: string): CommitteeDefinition {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError("unreadableInput", `cannot read the definition ${path}`, { details: { path }, cause });
  }
  return parseDefinition(text);
}

/** Adds the approvals that are in a folder; those that do not count are faults. */
export async function collectApprovals(
  definition: CommitteeDefinition,
  files: string,
): Promise<{ readonly definition: CommitteeDefinition; readonly faults: readonly CeremonyFault[] }> {
  const collected = readFiles(files, "approval");
  const engines = await createEngines("fast");
  const added = addApprovals(
    engines,
    definition,
    collected.found.map(({ value }) => value),
  );
  return { definition: added.definition, faults: locate(added.faults, collected) };
}

/** Deals of members that are fine, but not in the definition: they came too late, or were left out. */
export function lateDeals({ roster, deals }: CommitteeDefinition, files: string): CeremonyFault[] {
  return readFiles(files, "deal").found.flatMap(({ value, path, member }): CeremonyFault[] => {
    const index = roster.announcements.findIndex((announcement) => announcement.member === member);
    const isListed = deals.some(({ dealer }) => dealer === index);
    if (isListed || faultOfDealFile(roster, value) !== undefined) return [];
    return [{ file: "deal", verdict: "late", member, reason: "notInTheDefinition", path }];
  });
}

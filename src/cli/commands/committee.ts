/**
 * `clockless committee`: a ceremony of files. Nobody has to be online at the same time, and nobody is trusted: every file
 * is signed by its member, verified by everybody, and named when it is missing or wrong.
 */
import { join } from "node:path";
import type { Command } from "commander";
import type { Address } from "../../lib/hex.ts";
import type { CommitteeDefinition } from "../../threshold/ceremony/definition.ts";
import type { CeremonyFault } from "../../threshold/ceremony/faults.ts";
import { addHomeOptions, addVerdictsOption, type HomeFlags } from "../ceremony/home.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { hexOf, several } from "../options.ts";
import { addReshareCommand } from "./reshare.ts";

interface FolderFlags {
  readonly files: string;
  readonly definition?: string;
}
interface InvitedFlags extends FolderFlags {
  readonly ceremony: string;
  readonly members: string;
}
interface AssembleFlags extends FolderFlags {
  readonly ceremony?: string;
  readonly members?: string;
  readonly without?: readonly Address[];
  readonly genesis?: string;
  readonly out?: string;
  readonly verdicts?: string;
}
interface OpenFlags extends FolderFlags, HomeFlags {
  readonly members?: string;
  readonly eraseEncryptionKey?: boolean;
  readonly verdicts?: string;
}

const MEMBERS = "text file with every member's address, one per line, as all agreed";

export function addCommitteeCommand(program: Command, contextOf: () => CliContext): void {
  const committee = program
    .command("committee")
    .description("make a committee from files, and change its members: nobody ever holds its key");
  const add = (name: string, description: string): Command =>
    committee
      .command(name)
      .description(description)
      .requiredOption("--files <folder>", "folder with everybody's files; it goes to everybody")
      .option("--definition <file>", "the committee's definition; definition.json in that folder by default");

  addHomeOptions(add("deal", "deal to all members, once: asked again, it gives out the same file"))
    .requiredOption("--ceremony <name>", "the ceremony's name")
    .requiredOption("--members <file>", MEMBERS)
    .action(async (flags: InvitedFlags & HomeFlags) => {
      const { deal } = await import("../ceremony/deal.ts");
      const { fileName, writePublicFile } = await import("../ceremony/folder.ts");
      const { readMembers } = await import("../ceremony/home.ts");
      const { encodeCeremonyDeal } = await import("../../threshold/ceremony/json.ts");
      const { dealDigest } = await import("../../threshold/ceremony/deals.ts");
      const { SUITES } = await import("../../threshold/types.ts");
      const context = contextOf();
      const made = await deal(
        { ...flags, members: readMembers(flags.members), definition: definitionFile(flags) },
        context,
      );
      const file = join(flags.files, fileName("deal", made.dealer));
      writePublicFile(file, encodeCeremonyDeal(made));
      const digests = Object.fromEntries(SUITES.map((suite) => [suite, dealDigest(made.deals[suite])]));
      const { dealer, members, roster } = made;
      context.output.result({ dealer, members: members.length, roster: roster.digest, digests, file }, () =>
        [
          `${dealer} dealt to ${members.length} members: ${file}`,
          `roster ${roster.digest} (the same for everybody)`,
        ].join("\n"),
      );
    });

  addVerdictsOption(
    add(
      "assemble",
      "put the committee together from everybody's deals, then add the approvals; run it again as files come",
    ),
  )
    .option("--ceremony <name>", "the ceremony's name; needed until there is a definition")
    .option("--members <file>", `${MEMBERS}; needed until there is a definition`)
    .option("--without <address>", "go on without this member's deal; several", several(hexOf(20)))
    .option(
      "--genesis <file>",
      "JSON with assets, chains, markets and window: makes the node's committee file of a final one",
    )
    .option("--out <file>", "where to put the node's committee file")
    .action((flags: AssembleFlags) => assemble(flags, contextOf()));

  addVerdictsOption(addHomeOptions(add("open", "verify everything, store this member's shares, and approve")))
    .option("--members <file>", `${MEMBERS}; needed when this member did not deal`)
    .option("--erase-encryption-key", "instead, once the committee runs: remove the key that the deals were made to")
    .action((flags: OpenFlags) => open(flags, contextOf()));

  add("show", "what the definition says, who approved it, and who is waited for").action(async (flags: FolderFlags) => {
    const { collectApprovals, lateDeals, readDefinition } = await import("../ceremony/assemble.ts");
    const { faultOfApproval } = await import("../../threshold/ceremony/approval.ts");
    const { createEngines } = await import("../../threshold/engines.ts");
    const { refuseFaults } = await import("../../threshold/ceremony/faults.ts");
    const context = contextOf();
    const read = readDefinition(definitionFile(flags));
    const engines = await createEngines("fast");
    const stored = read.approvals.flatMap((approval) => faultOfApproval(engines, read, approval) ?? []);
    refuseFaults(stored);
    const { definition, faults } = await collectApprovals(read, flags.files);
    await report(definition, [...faults, ...lateDeals(definition, flags.files)], context);
    refuseFaults(faults);
  });
  addReshareCommand(committee, contextOf);
}

async function assemble(flags: AssembleFlags, context: CliContext): Promise<void> {
  const { existsSync } = await import("node:fs");
  const { assembleDefinition, collectApprovals, lateDeals, readDefinition } = await import("../ceremony/assemble.ts");
  const { writePublicFile } = await import("../ceremony/folder.ts");
  const { encodeDefinition } = await import("../../threshold/ceremony/json.ts");
  const { refuseFaults } = await import("../../threshold/ceremony/faults.ts");
  const file = definitionFile(flags);
  if ((flags.genesis === undefined) !== (flags.out === undefined)) {
    throw new UsageError("missingOption", "--genesis and --out go together");
  }
  if (!existsSync(file)) {
    const { readMembers } = await import("../ceremony/home.ts");
    const { ceremony, members, files, without = [], verdicts } = flags;
    if (ceremony === undefined || members === undefined) {
      throw new UsageError("missingOption", "say which committee: --ceremony NAME and --members FILE");
    }
    const made = await assembleDefinition(
      { ceremony, files, members: readMembers(members), without, ...(verdicts === undefined ? {} : { verdicts }) },
      context,
    );
    writePublicFile(file, encodeDefinition(made));
  }
  const read = readDefinition(file);
  const { definition, faults } = await collectApprovals(read, flags.files);
  // What is good is kept before anybody hears of what is not.
  if (definition.approvals.length > read.approvals.length) writePublicFile(file, encodeDefinition(definition));
  if (flags.genesis !== undefined && flags.out !== undefined) {
    const { nodeCommitteeFile } = await import("../ceremony/genesis.ts");
    writePublicFile(flags.out, await nodeCommitteeFile(definition, flags.genesis));
  }
  await report(definition, [...faults, ...lateDeals(definition, flags.files)], context);
  refuseFaults(faults);
}

async function open(flags: OpenFlags, context: CliContext): Promise<void> {
  const { eraseCeremonyKey, open: openShares } = await import("../ceremony/open.ts");
  const { fileName, writePublicFile } = await import("../ceremony/folder.ts");
  const { readMembers } = await import("../ceremony/home.ts");
  const options = {
    ...flags,
    definition: definitionFile(flags),
    members: flags.members === undefined ? undefined : readMembers(flags.members),
  };
  if (flags.eraseEncryptionKey === true) {
    const erased = await eraseCeremonyKey(options, context);
    context.output.result({ erased }, () => (erased ? "the encryption key is gone" : "there was none any more"));
    return;
  }
  const { encodeApproval } = await import("../../threshold/ceremony/json.ts");
  const { index, ...approval } = await openShares(options, context);
  const file = join(flags.files, fileName("approval", approval.member));
  writePublicFile(file, encodeApproval(approval));
  const { committeeId, member } = approval;
  context.output.result({ committeeId, member, index, file }, () =>
    [`member ${index} (${member}) holds its shares and approved committee ${committeeId}`, file].join("\n"),
  );
}

async function report(
  definition: CommitteeDefinition,
  faults: readonly CeremonyFault[],
  { output }: CliContext,
): Promise<void> {
  const { waitedFor } = await import("../../threshold/ceremony/approval.ts");
  const { describeFault } = await import("../../threshold/ceremony/faults.ts");
  const { maxFaulty, quorumOf } = await import("../../lib/math.ts");
  const { committeeId, roster, deals, keys, approvals } = definition;
  const n = roster.announcements.length;
  const approved = new Set(approvals.map(({ member }) => member));
  const waiting = waitedFor(definition);
  const final = approvals.length >= quorumOf(n);
  const value = {
    committeeId,
    ceremony: roster.ceremony,
    n,
    f: maxFaulty(n),
    threshold: quorumOf(n),
    final,
    members: roster.announcements.map(({ member, publicKey, multiaddrs }, index) => ({
      index,
      address: member,
      publicKey,
      multiaddrs,
      dealt: deals.some(({ dealer }) => dealer === index),
      approved: approved.has(index),
    })),
    groupKeys: { "bls12-381": keys["bls12-381"].groupKey, bn254: keys.bn254.groupKey },
    approvals: approvals.length,
    waitedFor: waiting,
    faults,
  };
  output.result(value, () =>
    [
      `committee ${committeeId} of ceremony "${roster.ceremony}": n = ${n}, f = ${value.f}, t = ${value.threshold}`,
      ...value.members.map(
        ({ index, address, dealt, approved: has }) =>
          `  ${index} ${address}  ${dealt ? "dealt" : "did not deal"}, ${has ? "approved" : "has not approved"}`,
      ),
      final
        ? `FINAL with ${approvals.length} approvals`
        : `NOT final: ${approvals.length} of ${value.threshold} approvals; waited for: ${waiting.join(", ")}`,
    ].join("\n"),
  );
  for (const fault of faults) output.note(describeFault(fault));
}

function definitionFile({ files, definition }: FolderFlags): string {
  return definition ?? join(files, "definition.json");
}

/**
 * `clockless committee reshare`: change the members of a committee while it works. Future members announce themselves,
 * anybody proposes, current members approve; dealing and opening are their nodes' work, which `status` explains.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { ReconfigurationAnswer } from "../../api/reconfiguration.ts";
import type { Proposal } from "../../ledger/reconfiguration/types.ts";
import type { Hex } from "../../lib/hex.ts";
import { addHomeOptions, type HomeFlags } from "../ceremony/home.ts";
import type { CliContext } from "../context.ts";
import { ReshareError, UsageError } from "../errors.ts";
import { apiOption, committeeOption, hexOf, several, uint64, wholeNumber } from "../options.ts";
import type { Asked } from "../reshare/state.ts";

interface AskFlags {
  readonly api?: readonly string[];
}
interface AnnounceFlags extends AskFlags, HomeFlags {
  readonly committee?: string;
  readonly epoch?: bigint;
  readonly attempt: bigint;
  readonly multiaddr: readonly string[];
  readonly files?: string;
}
interface ProposeFlags extends AskFlags {
  readonly files: string;
  readonly attempt: bigint;
  readonly members?: string;
  readonly out?: string;
}
interface ApproveFlags extends AskFlags, HomeFlags {
  readonly proposal: string;
  readonly digest?: Hex;
  readonly dryRun: boolean;
}
interface StatusFlags extends AskFlags {
  readonly watch: boolean;
  readonly untilEpoch?: bigint;
  readonly timeout: number;
}

/** Between two questions of `--watch`. */
const WATCH_MS = 1_000;

export function addReshareCommand(committee: Command, contextOf: () => CliContext): void {
  const reshare = committee
    .command("reshare")
    .description("change the members, or their shares, of a committee that works; the group key stays");

  addHomeOptions(
    reshare
      .command("announce")
      .description("a future member (also one that stays) makes its key for one attempt, and tells where it listens"),
  )
    .addOption(apiOption())
    .addOption(committeeOption())
    .option("--epoch <number>", "the epoch that is to come; the committee's next one by default", uint64)
    .requiredOption("--attempt <number>", "which attempt at it: from 1, each only once", uint64)
    .requiredOption("--multiaddr <address>", "where this member's node will listen; several", several(multiaddr))
    .option("--files <folder>", "where to put the announcement: the folder that goes to whoever proposes")
    .action((flags: AnnounceFlags) => announce(flags, contextOf()));

  reshare
    .command("propose")
    .description("make a proposal of everybody's announcements; it says what current members will approve")
    .requiredOption("--files <folder>", "folder with the announcements")
    .requiredOption("--attempt <number>", "which attempt they announced", uint64)
    .option(
      "--members <file>",
      "the new committee in its order, one address a line; everybody who announced by default",
    )
    .option("--out <file>", "where to put the proposal; in that folder by default")
    .addOption(apiOption())
    .action((flags: ProposeFlags) => propose(flags, contextOf()));

  addHomeOptions(
    reshare
      .command("approve")
      .description("a current member looks at a proposal, signs it and hands it in; n − f of them start the change"),
  )
    .requiredOption("--proposal <file>", "what is proposed")
    .option("--digest <hex>", "approve only the proposal with this digest, as you agreed on it", hexOf(32))
    .option("--dry-run", "look at it, sign and send nothing", false)
    .addOption(apiOption())
    .action((flags: ApproveFlags) => approve(flags, contextOf()));

  reshare
    .command("status")
    .description("who has done what, and who is waited for, by the members' word")
    .addOption(apiOption())
    .option("--watch", "tell every change until a signal stops it; with --json, one answer a line", false)
    .option("--until-epoch <number>", "tell every change until this epoch runs", uint64)
    .option(
      "--timeout <seconds>",
      "with --until-epoch: give up after this, with exit code 7",
      wholeNumber(1, 86_400),
      3_600,
    )
    .action((flags: StatusFlags) => status(flags, contextOf()));
}

async function announce(flags: AnnounceFlags, context: CliContext): Promise<void> {
  const { announceForReshare } = await import("../reshare/announce.ts");
  const { announcementFileName, encodeReshareAnnouncement } = await import("../reshare/files.ts");
  const { writePublicFile } = await import("../ceremony/folder.ts");
  const { committeeId, epoch } = await scopeOf(flags, context);
  const announcement = await announceForReshare({ ...flags, committeeId, epoch, multiaddrs: flags.multiaddr }, context);
  const text = encodeReshareAnnouncement(announcement);
  const file = flags.files === undefined ? undefined : join(flags.files, announcementFileName(announcement));
  if (file !== undefined) writePublicFile(file, text);
  context.output.result({ ...announcement, file }, () => text.trimEnd());
  const { member, attempt } = announcement;
  context.output.note(`${member.address} announced attempt ${attempt} at epoch ${epoch}; its key is in ${flags.keys}`);
  if (member.multiaddrs.join() !== flags.multiaddr.join()) {
    context.output.note(
      `It was announced before, with ${member.multiaddrs.join(" ")}; take another attempt to change that.`,
    );
  }
}

/** Which committee, and which epoch would come next. */
async function scopeOf(flags: AnnounceFlags, context: CliContext): Promise<{ committeeId: Hex; epoch: bigint }> {
  if (flags.attempt < 1n) throw new UsageError("badOption", "--attempt counts from 1");
  if (flags.committee === undefined && flags.api === undefined) {
    throw new UsageError("missingOption", "say which committee: --committee FILE or --api URL");
  }
  let committeeId: Hex | undefined;
  if (flags.committee !== undefined) {
    const { readCommitteeFile } = await import("../trust.ts");
    committeeId = readCommitteeFile(flags.committee).committee.id;
  }
  if (committeeId !== undefined && flags.epoch !== undefined) return { committeeId, epoch: flags.epoch };
  if (flags.api === undefined) {
    throw new UsageError(
      "missingOption",
      "a committee file does not tell the current epoch: give --epoch, or --api URL",
    );
  }
  const { askMembers } = await import("../reshare/state.ts");
  const { answer } = await askMembers(flags.api, { committeeId, signal: context.signal });
  return { committeeId: answer.committeeId, epoch: flags.epoch ?? answer.epoch + 1n };
}

async function propose(flags: ProposeFlags, context: CliContext): Promise<void> {
  const { askMembers } = await import("../reshare/state.ts");
  const { propose: make } = await import("../reshare/propose.ts");
  const { encodeProposalFile, proposalFileName } = await import("../reshare/files.ts");
  const { proposalDigest } = await import("../../ledger/reconfiguration/digests.ts");
  const { writePublicFile } = await import("../ceremony/folder.ts");
  const { readMembers } = await import("../ceremony/home.ts");
  const asked = await askMembers(flags.api, { signal: context.signal });
  const { committeeId, epoch } = asked.answer;
  const members = flags.members === undefined ? undefined : readMembers(flags.members);
  const { files, attempt } = flags;
  const proposal = make({ files, committeeId, epoch: epoch + 1n, attempt, members });
  const digest = proposalDigest(committeeId, proposal);
  const file = flags.out ?? join(files, proposalFileName(proposal));
  const { value, text } = await picture(asked, proposal, digest, context);
  writePublicFile(file, encodeProposalFile({ committeeId, proposal }));
  context.output.result({ ...value, file }, () => [...text, file].join("\n"));
}

async function approve(flags: ApproveFlags, context: CliContext): Promise<void> {
  const { askMembers } = await import("../reshare/state.ts");
  const { approveProposal, checkCurrent } = await import("../reshare/approve.ts");
  const { parseProposalFile } = await import("../reshare/files.ts");
  const { proposalDigest } = await import("../../ledger/reconfiguration/digests.ts");
  const { readInput } = await import("../options.ts");
  const parsed = parseProposalFile(readInput(flags.proposal).toString("utf8"));
  if (parsed === undefined) throw new ReshareError("malformedProposal", `${flags.proposal} is no proposal`);
  const { committeeId, proposal } = parsed;
  const digest = proposalDigest(committeeId, proposal);
  if (flags.digest !== undefined && flags.digest !== digest) {
    throw new ReshareError("otherProposal", "this is not the proposal that was agreed on", {
      details: { agreed: flags.digest, given: digest },
    });
  }
  const asked = await askMembers(flags.api, { committeeId, signal: context.signal });
  checkCurrent(parsed, asked);
  const { value, text } = await picture(asked, proposal, digest, context);
  if (flags.dryRun) {
    context.output.result({ ...value, sent: [] }, () => [...text, "nothing was signed or sent"].join("\n"));
    return;
  }
  for (const line of text) context.output.note(line);
  const { member, sent } = await approveProposal(parsed, asked, flags, context);
  context.output.result({ ...value, member, sent }, () =>
    [`${member} approves ${digest}`, ...sent.map(({ url, code }) => `  ${url}  ${code}`)].join("\n"),
  );
}

/** What people have to know before they approve: who comes and goes, and whether the group key stays. */
async function picture(
  { answer, clients, silent }: Asked,
  proposal: Proposal,
  digest: Hex,
  { output, signal }: CliContext,
): Promise<{ value: object; text: string[] }> {
  const { changeOf, describeKind, describeProposal, kindOf } = await import("../reshare/explain.ts");
  const { committeesOfTheKey } = await import("../reshare/state.ts");
  for (const { url, code } of silent) output.note(`${url} does not answer (${code})`);
  const past = await committeesOfTheKey(clients, answer.epoch, signal);
  const kind = past === undefined ? undefined : kindOf(past, proposal);
  const { epoch, attempt, members } = proposal;
  const { joins, leaves } = changeOf(answer.members, proposal);
  return {
    value: { digest, kind, epoch, attempt, members: members.map(({ address }) => address), joins, leaves },
    text: [
      ...describeProposal(answer.members, proposal),
      kind === undefined
        ? "kind: nobody asked knows all earlier committees of this key; `status` tells"
        : describeKind(kind),
      `digest ${digest}`,
    ],
  };
}

async function status(flags: StatusFlags, context: CliContext): Promise<void> {
  const { askMembers } = await import("../reshare/state.ts");
  const { explain } = await import("../reshare/explain.ts");
  const { jsonReplacer } = await import("../output.ts");
  const { output, signal } = context;
  if (!flags.watch && flags.untilEpoch === undefined) {
    const { answer, silent } = await askMembers(flags.api, { signal });
    output.result(answer, () => explain(answer).join("\n"));
    for (const { url, code } of silent) output.note(`${url} does not answer (${code})`);
    return;
  }
  const deadline = performance.now() + 1000 * flags.timeout;
  let told = "";
  while (!signal.aborted) {
    const answer = await askMembers(flags.api, { signal }).then(
      (asked): ReconfigurationAnswer => asked.answer,
      // Members come and go while epochs change: whoever watches goes on asking.
      async (error: unknown) => {
        const { isClocklessError } = await import("../../lib/errors.ts");
        if (isClocklessError(error) && error.isTransient) return undefined;
        throw error;
      },
    );
    if (answer !== undefined) {
      const text = output.isJson ? JSON.stringify(answer, jsonReplacer) : `${explain(answer).join("\n")}\n`;
      // What changed may be nothing that people are told.
      if (text !== told) output.line(answer, () => text);
      told = text;
    }
    const { untilEpoch } = flags;
    if (untilEpoch !== undefined) {
      if (answer !== undefined && answer.epoch >= untilEpoch) return;
      if (performance.now() > deadline) {
        const { SdkError } = await import("../../sdk/errors.ts");
        throw new SdkError("timeout", `epoch ${untilEpoch} did not begin in time`, {
          details: { epoch: answer?.epoch },
        });
      }
    }
    await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** As the committee takes it: at most 256 printable bytes. */
function multiaddr(text: string): string {
  if (!/^\/[\x21-\x7e]{1,255}$/.test(text)) throw new UsageError("badOption", `--multiaddr ${text} is no multiaddr`);
  return text;
}

/** `clockless instruction`: sign offline, submit, and follow until it is final under the key you trust. */
import { type Command, Option } from "commander";
import type { SignedInstruction } from "../../ledger/types.ts";
import type { Hex } from "../../lib/hex.ts";
import type { Clockless } from "../../sdk/client.ts";
import type { InstructionProgress } from "../../sdk/instructions.ts";
import type { CliContext } from "../context.ts";
import { CommandError, UsageError } from "../errors.ts";
import type { InstructionFlags } from "../instruction-input.ts";
import { apiOption, committeeOption, hexOf, parseJsonInput, readInput, uint64, wholeNumber } from "../options.ts";
import type { KeyFlags } from "../signing-key.ts";

interface MemberFlags {
  readonly api?: readonly string[];
  readonly committee?: string;
}

interface WaitFlags {
  readonly wait: boolean;
  readonly timeout: number;
}

export function addInstructionCommand(program: Command, contextOf: () => CliContext): void {
  const instruction = program.command("instruction").description("sign, submit and follow instructions");

  instruction
    .command("sign")
    .description("sign an instruction, offline; prints what `instruction submit` takes")
    .option("--instruction <file>", 'JSON {"head": …, "body": …} of any kind; "-" is stdin')
    .addOption(new Option("--kind <kind>", "build it from flags instead").choices(["transfer", "withdraw"]))
    .option("--lane <number>", "nonce lane (default 0)", uint64)
    .option("--nonce <number>", "the lane's next nonce", uint64)
    .option("--named-batch <number>", "batch whose state you looked at", uint64)
    .option("--account <hex>", "account to take from; your own by default", hexOf(32))
    .option("--to <hex>", "transfer: account to credit", hexOf(32))
    .option("--asset <id>", "asset id, or its symbol with --committee")
    .option("--amount <units>", "in ledger units of the asset")
    .option("--chain-id <number>", "withdraw: to this chain", uint64)
    .option("--recipient <address>", "withdraw: to this address; the signer's by default", hexOf(20))
    .option("--relayer-fee <units>", "withdraw: for whoever delivers it, on top (default 0)")
    .option("--key-file <file>", "your key (hex or Web3 v3 keystore), mode 0600; or set CLOCKLESS_SIGNER_KEY")
    .option("--password-file <file>", "the keystore's password, mode 0600; asked for without")
    .addOption(committeeOption())
    .option("--committee-id <hex>", "without a committee file: whom it is for", hexOf(32))
    .action(async (flags: InstructionFlags & KeyFlags & { committee?: string; committeeId?: Hex }) => {
      const { output, environment } = contextOf();
      const { readCommitteeFile } = await import("../trust.ts");
      const { readSigningKey } = await import("../signing-key.ts");
      const { readInstruction } = await import("../instruction-input.ts");
      const { addressOf } = await import("../../lib/ecdsa.ts");
      const { instructionId, signInstruction } = await import("../../ledger/instruction.ts");
      const { instructionToJson } = await import("../../ledger/json.ts");
      const pinned = flags.committee === undefined ? undefined : readCommitteeFile(flags.committee);
      const committeeId = pinned?.committee.id ?? flags.committeeId;
      if (committeeId === undefined) {
        throw new UsageError("missingOption", "say whom it is for: --committee FILE or --committee-id HEX");
      }
      const key = await readSigningKey(flags, environment);
      const unsigned = readInstruction(flags, addressOf(key), pinned?.genesis);
      const signed = instructionToJson(signInstruction(key, committeeId, unsigned));
      key.fill(0);
      output.note(`instruction ${instructionId(unsigned)}`);
      output.result(signed, () => JSON.stringify(signed, null, 2));
    });

  addWait(
    instruction
      .command("submit")
      .description("hand a signed instruction to the committee")
      .requiredOption("--file <file>", 'signed instruction (JSON); "-" is stdin')
      .addOption(apiOption())
      .addOption(committeeOption())
      .option("--dry-run", "check it and send nothing", false),
  ).action(async (flags: MemberFlags & WaitFlags & { file: string; dryRun: boolean }) => {
    const { output, signal } = contextOf();
    const { clockless, committeeId } = await connect(flags);
    const signed = await readSigned(flags.file, committeeId);
    if (flags.dryRun) {
      const { instructionId } = await import("../../ledger/instruction.ts");
      const id = instructionId(signed.instruction);
      output.result({ instructionId: id, submitted: false }, () => `${id} is properly signed; nothing was sent`);
      return;
    }
    const { instructionId, url } = await clockless.submit(signed, { signal });
    if (!flags.wait) {
      output.result({ instructionId, status: "accepted", url }, () => `${instructionId} accepted by ${url}`);
      return;
    }
    output.note(`${instructionId} accepted by ${url}; waiting until it is final`);
    const final = await clockless.waitForFinality(instructionId, { signal, timeoutMs: 1000 * flags.timeout });
    report(contextOf(), instructionId, { status: "final", ...final });
  });

  addWait(
    instruction
      .command("status")
      .description("how far an instruction is; final only if the key you trust says so")
      .requiredOption("--id <hex>", "instruction id", hexOf(32))
      .addOption(apiOption())
      .addOption(committeeOption()),
  ).action(async (flags: MemberFlags & WaitFlags & { id: Hex }) => {
    const { signal } = contextOf();
    const { clockless } = await connect(flags);
    const progress: InstructionProgress = flags.wait
      ? {
          status: "final",
          ...(await clockless.waitForFinality(flags.id, { signal, timeoutMs: 1000 * flags.timeout })),
        }
      : await clockless.getReceipt(flags.id, { signal });
    report(contextOf(), flags.id, progress);
  });
}

function addWait(command: Command): Command {
  return command
    .option("--wait", "wait until it is final", false)
    .option("--timeout <seconds>", "with --wait: give up after this, with exit code 7", wholeNumber(1, 86_400), 60);
}

async function connect({ api, committee }: MemberFlags): Promise<{ clockless: Clockless; committeeId: Hex }> {
  if (api === undefined) throw new UsageError("missingOption", "say whom to ask: --api URL, several times if you can");
  if (committee === undefined) throw new UsageError("missingOption", "say whom you trust: --committee FILE");
  const { trustedCommittee } = await import("../trust.ts");
  const { createClockless } = await import("../../sdk/client.ts");
  const trusted = trustedCommittee({ committee });
  return { clockless: createClockless({ apis: api, committee: trusted }), committeeId: trusted.committeeId };
}

/** Checks the signature before anybody is asked. @throws UsageError, LedgerError malformedJson, SdkError badSignature */
async function readSigned(file: string, committeeId: Hex): Promise<SignedInstruction> {
  const { instructionFromJson } = await import("../../ledger/json.ts");
  const { instructionDigest } = await import("../../ledger/instruction.ts");
  const { isSignatureBy } = await import("../../lib/ecdsa.ts");
  const { SdkError } = await import("../../sdk/errors.ts");
  const signed = instructionFromJson(parseJsonInput(readInput(file).toString("utf8"), file));
  const { signer } = signed.instruction.head;
  if (!isSignatureBy(signer, instructionDigest(committeeId, signed.instruction), signed.signature)) {
    throw new SdkError("badSignature", "the instruction is not signed by its signer for this committee", {
      details: { signer, committeeId },
    });
  }
  return signed;
}

/** @throws CommandError refused, when the committee settled it by refusing it */
function report({ output }: CliContext, instructionId: Hex, progress: InstructionProgress): void {
  const { status, receipt } = progress;
  const batch = progress.status === "final" ? progress.at.header.sequence : receipt?.sequence;
  output.result({ instructionId, status, receipt, batch }, () =>
    receipt === undefined
      ? `${instructionId} ${status}`
      : `${instructionId} ${status}: ${receipt.code} in batch ${receipt.sequence}${status === "final" ? "" : " (not certified yet)"}`,
  );
  if (progress.status === "final" && progress.receipt.status === "refused") {
    const { code, figures } = progress.receipt;
    throw new CommandError("refused", `the committee refused the instruction: ${code}`, { details: { code, figures } });
  }
}

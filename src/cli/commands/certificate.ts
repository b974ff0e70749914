/** `clockless certificate`: check a certificate against a committee you trust, or look into one. */
import type { Command } from "commander";
import type { Certificate } from "../../batch/types.ts";
import type { Hex } from "../../lib/hex.ts";
import type { TrustedCommittee } from "../../sdk/committee.ts";
import type { Suite } from "../../threshold/types.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { apiOption, committeeOption, hexOf, readInput, suiteOption, uint64 } from "../options.ts";
import type { TrustFlags } from "../trust.ts";

interface SourceFlags {
  readonly file?: string;
  readonly api?: readonly string[];
  readonly sequence?: bigint;
  readonly suite?: Suite;
}

export function addCertificateCommand(program: Command, contextOf: () => CliContext): void {
  const certificate = program.command("certificate").description("check and read certificates");
  const add = (name: string, description: string): Command =>
    certificate
      .command(name)
      .description(description)
      .option("--file <file>", 'certificate: JSON, hex or bytes; "-" is stdin')
      .addOption(apiOption())
      .option("--sequence <number>", "of this batch and no other; with --api, the newest by default", uint64)
      .addOption(suiteOption());

  add("verify", "exit code 0 only if the committee you trust signed it; 6 if not")
    .addOption(committeeOption())
    .option("--committee-id <hex>", "without a file: the committee's id, with --suite and --group-key", hexOf(32))
    .option("--group-key <hex>", "without a file: the committee's group key in that suite", hexOf())
    .action(async (flags: SourceFlags & TrustFlags) => {
      const { trustedCommittee } = await import("../trust.ts");
      const { requireCertificate } = await import("../../batch/certificate.ts");
      const { headerDigest } = await import("../../batch/header.ts");
      const { BatchError } = await import("../../batch/errors.ts");
      const context = contextOf();
      const committee = trustedCommittee(flags);
      const given = await readCertificate(flags, context.signal);
      const { header, suite } = given;
      const key = committee.groupKeys[suite];
      if (key === undefined || (flags.suite !== undefined && flags.suite !== suite)) {
        throw new BatchError("wrongSuite", `the certificate is ${suite}, which is not the key you gave`, {
          details: { certificate: suite, keys: Object.keys(committee.groupKeys) },
        });
      }
      const current = await keyFor(given, committee, flags.api, context.signal);
      requireCertificate(committee.engine(suite), current.key, committee.committeeId, given);
      // A member may answer with another certificate that is just as valid.
      if (flags.sequence !== undefined && header.sequence !== flags.sequence) {
        const { SdkError } = await import("../../sdk/errors.ts");
        throw new SdkError("contradiction", `the certificate is of batch ${header.sequence}, not ${flags.sequence}`, {
          details: { asked: flags.sequence, given: header.sequence },
        });
      }
      const { committeeId } = committee;
      const digest = headerDigest(header, committeeId);
      context.output.result(
        {
          valid: true,
          committeeId,
          suite,
          sequence: header.sequence,
          epoch: header.epoch,
          digest,
          handovers: current.handovers,
        },
        () =>
          [
            `valid: batch ${header.sequence} of committee ${committeeId}, signed in ${suite}`,
            ...(current.handovers === 0n ? [] : [`by the key that handover ${current.handovers} leads to from yours`]),
            `digest ${digest}`,
          ].join("\n"),
      );
    });

  add("decode", "print what a certificate says; nothing is verified").action(async (flags: SourceFlags) => {
    const { certificateToJson, encodeCertificate } = await import("../../batch/certificate.ts");
    const { bytesToHex } = await import("../../lib/hex.ts");
    const { output, signal } = contextOf();
    const given = await readCertificate(flags, signal);
    const value = { verified: false, ...certificateToJson(given), bytes: bytesToHex(encodeCertificate(given)) };
    output.result(value, () =>
      [...Object.entries(value.header), ["suite", value.suite], ["signature", value.signature]]
        .map(([name, text]) => `${String(name).padEnd(9)} ${text}`)
        .join("\n"),
    );
    output.note("Not verified: use `clockless certificate verify`.");
  });
}

/**
 * The key that has to have signed: the one that is trusted, or the newest that signed handovers lead to from it, if members are asked.
 * @throws ApiError, SdkError badHandover
 */
async function keyFor(
  certificate: Certificate,
  committee: TrustedCommittee,
  api: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<{ readonly key: Hex; readonly handovers: bigint }> {
  const { verifyCertificate } = await import("../../batch/certificate.ts");
  const { suite } = certificate;
  const key = committee.groupKeys[suite]!;
  const { committeeId, engine, handovers } = committee;
  const isOurs = verifyCertificate(engine(suite), key, committeeId, certificate);
  if (isOurs || api === undefined) return { key, handovers };
  const { createApiClient } = await import("../../api/client.ts");
  const { followHandovers } = await import("../../sdk/handovers.ts");
  const links = await createApiClient({ url: api[0]! }).handovers({ signal });
  // Only the newest counts: what keys in between sign is worth nothing since they were handed over.
  const followed = followHandovers(committee, links.handovers);
  return { key: followed.groupKeys[suite]!, handovers: followed.handovers };
}

/** @throws UsageError, BatchError, ApiError */
async function readCertificate({ file, api, sequence, suite }: SourceFlags, signal: AbortSignal): Promise<Certificate> {
  const { decodeCertificate, parseCertificate } = await import("../../batch/certificate.ts");
  if (file === undefined && api === undefined) {
    throw new UsageError("missingOption", "say where the certificate is: --file FILE, --file - (stdin) or --api URL");
  }
  // A file wins over an address that may come from the environment.
  if (file === undefined) {
    const { createApiClient } = await import("../../api/client.ts");
    const client = createApiClient({ url: api![0]! });
    const options = { signal, suite };
    return sequence === undefined ? client.latestCertificate(options) : client.certificate(sequence, options);
  }
  const { hexToBytes, isHex } = await import("../../lib/hex.ts");
  const bytes = readInput(file);
  const text = bytes.toString("utf8").trim();
  if (isHex(text.toLowerCase())) return decodeCertificate(hexToBytes(text));
  // The byte form starts with the sequence, whose first byte is never "{" (2^62 batches).
  return text.startsWith("{") ? parseCertificate(text) : decodeCertificate(new Uint8Array(bytes));
}

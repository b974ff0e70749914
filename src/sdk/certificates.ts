/** Certificates and the headers they prove: newest or by sequence, under the pinned keys or those that handovers led to. */
import type { ApiClient, CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import { headerDigest } from "../batch/header.ts";
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type { Hex } from "../lib/hex.ts";
import type { Suite } from "../threshold/types.ts";
import { requireSame } from "./checks.ts";
import { honestQuorum, type TrustedCommittee } from "./committee.ts";
import type { ReadContext } from "./context.ts";
import { SdkError } from "./errors.ts";
import { verifyCertificate, verifyHistory } from "./verify.ts";

/** A header that the committee certified, with the certificate that shows it: its own, or a later one's through `history`. */
export interface CertifiedHeader {
  readonly header: BatchHeader;
  readonly digest: Hex;
  /** Of this header, or of a later one that holds it in its history. */
  readonly certificate: Certificate;
}

export type SuiteOptions = CallOptions & { readonly suite?: Suite | undefined };

/** Certificates found true, per committee: a wait that polls should not pay for the same pairing every time. */
const KNOWN = new WeakMap<TrustedCommittee, Set<string>>();
const MAX_KNOWN = 256;

/** @throws SdkError unknownSuite, badCertificate, BatchError malformedHeader */
export function requireCertificate(committee: TrustedCommittee, certificate: Certificate): Certificate {
  const { suite, header } = certificate;
  if (committee.groupKeys[suite] === undefined)
    throw new SdkError("unknownSuite", `no ${suite} key is pinned`, { details: { suite } });
  const known = KNOWN.get(committee) ?? new Set<string>();
  KNOWN.set(committee, known);
  // The digest binds every field of the header and the committee, so this names exactly what was verified.
  const key = `${suite} ${headerDigest(header, committee.committeeId)} ${certificate.signature}`;
  if (known.has(key)) return certificate;
  if (!verifyCertificate(committee, certificate))
    throw new SdkError("badCertificate", "the committee did not sign this header", {
      details: { sequence: header.sequence, suite, committeeId: committee.committeeId },
    });
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(key);
  return certificate;
}

/**
 * As {@link requireCertificate}, after a handover as well: whoever serves a certificate that the present keys did not sign is asked for
 * the handovers to the keys that did. One that lies is asked once more than one that does not, and that is all it achieves.
 * @throws SdkError unknownSuite, badCertificate, badHandover, BatchError malformedHeader
 */
export async function requireFollowed(
  context: ReadContext,
  api: ApiClient,
  certificate: Certificate,
  options: CallOptions,
): Promise<Certificate> {
  const before = context.committee;
  try {
    return requireCertificate(before, certificate);
  } catch (error) {
    if (!isBadCertificate(error)) throw error;
    await context.follow(api, certificate, options);
    // Another call may have followed meanwhile, so it is the keys that tell.
    if (context.committee === before) throw error;
    return requireCertificate(context.committee, certificate);
  }
}

function isBadCertificate(error: unknown): boolean {
  return error instanceof SdkError && error.code === "badCertificate";
}

/** Suites with a pinned key, in the order tried. */
function suitesOf(committee: TrustedCommittee, suite: Suite | undefined): readonly Suite[] {
  if (suite !== undefined) return [suite];
  return (Object.keys(committee.groupKeys) as Suite[]).sort(); // CAST: keys of a record by suite
}

/**
 * The newest certificate that members have. Asks all, so that one alone cannot hold the user in the past, and waits for f + 1: with
 * them an honest one has answered. Where a certificate shows an epoch later than the one whose n is pinned, it waits for all.
 */
export async function getHead(context: ReadContext, options: SuiteOptions = {}): Promise<Certificate> {
  const { committee, members } = context;
  const certificates = await members.askAll(
    "the newest certificate",
    options,
    (api) => certificateFrom(context, api, undefined, options),
    (answers) => answers.length >= honestQuorum(committee) && !answers.some((answer) => isLater(committee, answer)),
  );
  // The keys changed in between, so some may be signed by one that counts no more.
  if (context.committee !== committee) return getHead(context, options);
  return certificates.reduce((best, other) => (other.header.sequence > best.header.sequence ? other : best));
}

/** Whether a certificate is of an epoch for which the committee's number of members is not known. */
export function isLater({ epoch }: TrustedCommittee, { header }: Certificate): boolean {
  return header.epoch > epoch;
}

/**
 * The certificate of exactly this sequence, by the present keys: what was signed before a handover is proven by newer certificates
 * instead ({@link getHeader}).
 */
export function getCertificate(
  context: ReadContext,
  sequence: bigint,
  options: SuiteOptions = {},
): Promise<Certificate> {
  return context.members.ask(`the certificate of batch ${sequence}`, options, (api) =>
    certificateFrom(context, api, sequence, options),
  );
}

/**
 * One member's certificate of a sequence (the newest if undefined), verified: of the suite asked for, or of the first pinned one in which
 * the committee certifies at all.
 */
export async function certificateFrom(
  context: ReadContext,
  api: ApiClient,
  sequence: bigint | undefined,
  { signal, timeoutMs, suite: asked }: SuiteOptions,
): Promise<Certificate> {
  let missing: unknown;
  for (const suite of suitesOf(context.committee, asked)) {
    const call = { signal, timeoutMs, suite };
    try {
      const answer = sequence === undefined ? api.latestCertificate(call) : api.certificate(sequence, call);
      const certificate = await requireFollowed(context, api, await answer, call);
      requireSame(certificate.suite, suite, "suite");
      if (sequence !== undefined) requireSame(certificate.header.sequence, sequence, "sequence");
      return certificate;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "unknownSequence") throw error;
      missing = error;
    }
  }
  throw missing;
}

/** A certified header by sequence: by its own certificate, or by a later certificate's history. */
export function getHeader(context: ReadContext, sequence: bigint, options: CallOptions = {}): Promise<CertifiedHeader> {
  return context.members.ask(`batch ${sequence}`, options, (api) => headerFrom(context, api, sequence, options));
}

export async function headerFrom(
  context: ReadContext,
  api: ApiClient,
  sequence: bigint,
  options: CallOptions,
): Promise<CertifiedHeader> {
  const { committeeId } = context.committee;
  const call = { signal: options.signal, timeoutMs: options.timeoutMs };
  try {
    const certificate = await certificateFrom(context, api, sequence, call);
    return { header: certificate.header, digest: headerDigest(certificate.header, committeeId), certificate };
  } catch (error) {
    // A bad one may be signed by a key that was handed over since: then, too, the newest certificate has to prove the header.
    const isMissing = error instanceof ApiError && error.code === "unknownSequence";
    if (!isMissing && !isBadCertificate(error)) throw error;
  }
  // Not every batch keeps (or ever got) a certificate of its own: any later one proves it.
  const certificate = await certificateFrom(context, api, undefined, call);
  if (certificate.header.sequence <= sequence)
    throw new ApiError("unknownSequence", "not certified yet", {
      details: { sequence, certified: certificate.header.sequence },
    });
  const answer = await api.history(sequence, { ...call, at: certificate.header.sequence });
  requireSame(answer.header.sequence, sequence, "sequence");
  if (!verifyHistory(context.committee, certificate.header, answer.header, answer.proof))
    throw new SdkError("badHeaderProof", "the header is not in the certified history", {
      details: { sequence, at: certificate.header.sequence },
    });
  return { header: answer.header, digest: headerDigest(answer.header, committeeId), certificate };
}

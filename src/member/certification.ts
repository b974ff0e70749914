/**
 * From settled batches to certificates: signs what the ledger settled (registered first), takes partials and certificates of others,
 * asks for what is missing and serves what there is. Certificates are kept over epochs; partials are of the current one alone.
 */
import { headerDigest } from "../batch/header.ts";
import type { BatchHeader, Certificate } from "../batch/types.ts";
import { ConsensusError } from "../consensus/errors.ts";
import type { BatchPartial } from "../consensus/types.ts";
import type { SettledBatch } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import { SUITES, type Suite } from "../threshold/types.ts";
import { CertificateCache } from "./certificate-cache.ts";
import type { CertifierFault } from "./certifier.ts";
import type { EffectBuffer } from "./effect-buffer.ts";
import type { Epoch } from "./epoch.ts";
import type { SignOnce } from "./sign-once.ts";
import type { MemberMessage } from "./types.ts";
import { encodeMessage, MAX_CERTIFICATES, MAX_PARTIALS } from "./wire.ts";

/** Under constant traffic no step is idle: the first one that is this late combines all the same. */
const BUSY_MS = 5;

export class Certification {
  readonly #retryMs: number;
  readonly #out: EffectBuffer;
  readonly #register: SignOnce;
  readonly #certificates = new CertificateCache();
  #epoch: Epoch;
  #lastAskMs = Number.NEGATIVE_INFINITY;
  #nextPeer = 0;

  constructor(epoch: Epoch, retryMs: number, out: EffectBuffer, register: SignOnce) {
    this.#epoch = epoch;
    this.#retryMs = retryMs;
    this.#out = out;
    this.#register = register;
  }

  enter(epoch: Epoch): void {
    this.#epoch = epoch;
  }

  /** Certificates from the store: their batches need no partials when the log settles them again, which is when they are verified. */
  restore(certificates: Iterable<Certificate>): void {
    for (const certificate of certificates) this.#certificates.restore(certificate);
  }

  /** After the replay. */
  trim(): void {
    this.#certificates.trim();
  }

  /** A batch's certificates in all required suites; undefined while one is missing. */
  allOf({ sequence }: BatchHeader): readonly Certificate[] | undefined {
    const certificates: Certificate[] = [];
    for (const suite of this.#epoch.committee.requiredSuites) {
      const certificate = this.#certificates.get(sequence, suite);
      if (certificate === undefined) return undefined;
      certificates.push(certificate);
    }
    return certificates;
  }

  /** Signs a settled batch in every required suite: registered first, then carried by the next block and sent directly. */
  settled(batch: SettledBatch): void {
    const { header, digest } = batch;
    const { certifier } = this.#epoch;
    const faults = certifier.settle(header, digest, (suite) => this.#isKept(header.sequence, digest, suite));
    this.#sign(batch);
    this.#punish(faults);
  }

  /**
   * Our shares of this epoch were opened after it began: what was settled before is signed now. f members that order but sign nothing make
   * every partial count, and an epoch ends with the certificate of its closing batch and in no other way.
   */
  sharesTaken(): void {
    for (const batch of this.#epoch.certifier.openBatches()) this.#sign(batch);
  }

  #sign(batch: Pick<SettledBatch, "header" | "digest">): void {
    const { self, isSigner } = this.#epoch;
    if (!isSigner || self === undefined) return;
    const { sequence } = batch.header;
    const isNew = this.#register.mayRegister("batch", sequence, batch.digest);
    const partials = this.#epoch.signBatch(batch);
    if (partials.length === 0) return;
    if (isNew) this.#out.persistRegister("batch", sequence, batch.digest);
    this.#send("all", { kind: "partials", partials });
    this.receivePartials(self, partials);
  }

  receivePartials(author: number, partials: readonly BatchPartial[]): void {
    for (const partial of partials) this.#punish(this.#epoch.certifier.receive(author, partial));
  }

  /**
   * Makes the certificates that waited long enough for everybody's partials. Users wait for the first suite's, so those have what came by
   * now; the other suites are for chains that take seconds. `isIdle`: the step brings nothing to take in. Combining in one that does
   * would come before our own block, for which everybody waits.
   */
  release(nowMs: number, isIdle: boolean): void {
    const { certifier, committee } = this.#epoch;
    const first = committee.requiredSuites[0];
    const patience = (suite: Suite): number => (suite === first ? 0 : this.#retryMs / 2);
    const { certificates, faults } = certifier.release(nowMs, patience, isIdle ? 0 : BUSY_MS);
    for (const certificate of certificates) this.#certified(certificate);
    this.#punish(faults);
  }

  /** When `release` has something to do next. */
  get wakeAtMs(): number | undefined {
    return this.#epoch.certifier.wakeAtMs;
  }

  receive(from: number, certificate: Certificate): void {
    const digest = headerDigest(certificate.header, this.#epoch.committee.id);
    const verdict = this.#epoch.certifier.receiveCertificate(certificate, digest);
    if (verdict === "closed") this.#certified(certificate);
    if (verdict === "invalid") this.#blame(from, certificate);
  }

  /** Of a batch that is not settled here: whether the epoch's key signed it. Blames the sender if not. */
  isGenuine(from: number, certificate: Certificate): boolean {
    const isSigned = this.#epoch.isSigned(certificate, headerDigest(certificate.header, this.#epoch.committee.id));
    if (!isSigned) this.#blame(from, certificate);
    return isSigned;
  }

  /** Serves what we have: certificates first; where we have none either, our own partials. `newest`: the last settled batch. */
  answer(to: number, from: bigint, newest: bigint): void {
    const certificates: Certificate[] = [];
    const { oldest } = this.#certificates;
    for (
      let sequence = from > oldest ? from : oldest;
      sequence <= newest && certificates.length + SUITES.length <= MAX_CERTIFICATES;
      sequence++
    ) {
      for (const suite of this.#epoch.committee.requiredSuites) {
        const certificate = this.#certificates.get(sequence, suite);
        if (certificate !== undefined) certificates.push(certificate);
      }
    }
    if (certificates.length > 0) this.#send(to, { kind: "certificates", certificates });
    this.sendOpen(to, from);
  }

  /** Own partials of batches that are not certified, to a peer that may lack them. */
  sendOpen(to: number, from: bigint = this.#epoch.certifier.certifiedSequence() + 1n): void {
    const { self, certifier } = this.#epoch;
    if (self === undefined || to === self) return;
    const partials = certifier.partialsOf(self, from, MAX_PARTIALS);
    if (partials.length > 0) this.#send(to, { kind: "partials", partials });
  }

  /** Asks one peer after the other for what is missing up to the last settled batch. */
  ask(newest: bigint, nowMs: number): void {
    const certified = this.#epoch.certifier.certifiedSequence();
    if (certified >= newest) {
      this.#lastAskMs = nowMs;
      return;
    }
    if (nowMs - this.#lastAskMs < this.#retryMs) return;
    this.#lastAskMs = nowMs;
    const { self, committee } = this.#epoch;
    const n = committee.members.length;
    if (this.#nextPeer % n === self) this.#nextPeer++;
    this.#send(this.#nextPeer++ % n, { kind: "certificatesWanted", from: certified + 1n });
  }

  /**
   * Whether the store has a batch's certificate. Whoever was given a wrong one would blame us, and a false one would end an epoch; so would
   * one of another batch. The store never changes a certificate, so there is no going on with a wrong one.
   */
  #isKept(sequence: bigint, digest: Hex, suite: Suite): boolean {
    const certificate = this.#certificates.get(sequence, suite);
    if (certificate === undefined) return false;
    if (!this.#epoch.isSigned(certificate, digest))
      throw new ConsensusError("badCertificate", "the store holds a certificate that the committee never signed", {
        details: { sequence, suite },
      });
    return true;
  }

  #punish(faults: readonly CertifierFault[]): void {
    for (const { member, code, details } of faults) this.#out.show({ kind: "punish", member, code, details });
  }

  #certified(certificate: Certificate): void {
    this.#certificates.add(certificate);
    this.#out.persistCertificate(certificate);
    this.#out.show({ kind: "certificate", certificate });
  }

  #blame(member: number, { header: { sequence }, suite }: Certificate): void {
    this.#out.show({ kind: "punish", member, code: "badCertificate", details: { sequence, suite } });
  }

  #send(to: number | "all", message: MemberMessage): void {
    this.#out.send(to, encodeMessage(this.#epoch.number, message));
  }
}

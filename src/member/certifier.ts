/**
 * Partials in, certificates out. Every member signs each batch header once per suite; the first n − f partials that
 * interpolate to a valid signature make the certificate. Combination is optimistic: one verification when nobody cheats.
 */
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type { BatchPartial } from "../consensus/types.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { combinePartials } from "../threshold/combine.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Engine, Suite } from "../threshold/types.ts";

interface Open {
  readonly header: BatchHeader;
  readonly suite: Suite;
  readonly digest: Hex;
  readonly message: Uint8Array;
  /** Unverified partials by member index. */
  readonly partials: Map<number, Uint8Array>;
  /** Members whose partial for this batch was proven wrong. */
  readonly bad: Set<number>;
  /** Members whose partial was verified by itself, after a combination had failed. */
  readonly verified: Set<number>;
}

export interface CertifierFault {
  readonly member: number;
  readonly code: "badPartial" | "conflictingPartial";
  readonly details: Readonly<Record<string, unknown>>;
}

export interface CertifierResult {
  readonly certificates: Certificate[];
  readonly faults: CertifierFault[];
}

export class Certifier {
  readonly #committee: Committee;
  readonly #engines: Readonly<Record<Suite, Engine>>;
  readonly #maxFuture: number;
  /** By `${sequence}/${suite}`: settled here, not yet certified. */
  readonly #open = new Map<string, Open>();
  /** Partials for batches this member has not settled yet: bounded per author by `maxFuture`. */
  readonly #future = new Map<string, Map<number, BatchPartial>>();
  readonly #futureCount = new Map<number, number>();
  readonly #certified = new Map<Suite, bigint>();
  /** Members that sent a wrong partial anywhere: theirs are verified before they are combined, so each costs us one retry. */
  readonly #distrusted = new Set<number>();
  #settled: bigint;

  /** `settled`: the batch that the committee's epoch starts after, certified by the committee before; 0 in the first epoch. */
  constructor(committee: Committee, engines: Readonly<Record<Suite, Engine>>, maxFuture: number, settled = 0n) {
    this.#settled = settled;
    for (const suite of committee.requiredSuites) this.#certified.set(suite, settled);
    this.#committee = committee;
    this.#engines = engines;
    this.#maxFuture = maxFuture;
  }

  /** Highest sequence up to which every required suite is certified without a gap. */
  certifiedSequence(): bigint {
    let lowest: bigint | undefined;
    for (const suite of this.#committee.requiredSuites) {
      const reached = this.certifiedIn(suite);
      if (lowest === undefined || reached < lowest) lowest = reached;
    }
    return lowest ?? 0n;
  }

  /** Gap-free certified sequence of one suite. */
  certifiedIn(suite: Suite): bigint {
    let lowestOpen: bigint | undefined;
    for (const [key, open] of this.#open) {
      if (key.endsWith(suite) && (lowestOpen === undefined || open.header.sequence < lowestOpen))
        lowestOpen = open.header.sequence;
    }
    return lowestOpen === undefined ? this.#settled : lowestOpen - 1n;
  }

  /** Batches of ours that wait for partials, and partials that wait for batches of ours. */
  get sizes(): { readonly open: number; readonly future: number } {
    let future = 0;
    for (const partials of this.#future.values()) future += partials.size;
    return { open: this.#open.size, future };
  }

  isOpen(sequence: bigint, suite: Suite): boolean {
    return this.#open.has(keyOf(sequence, suite));
  }

  /** What a member (we ourselves) signed for batches that are still open, from a sequence on, at most `limit`. */
  partialsOf(author: number, from: bigint, limit: number): BatchPartial[] {
    const partials: BatchPartial[] = [];
    for (const { header, suite, digest, partials: known } of this.#open.values()) {
      const signature = known.get(author);
      if (signature === undefined || header.sequence < from) continue;
      partials.push({ sequence: header.sequence, suite, digest, signature });
      if (partials.length >= limit) break;
    }
    return partials;
  }

  /** This member settled a batch. `certificates` it already has (after a restart) need no partials any more. */
  settle(header: BatchHeader, digest: Hex, hasCertificate: (suite: Suite) => boolean): CertifierResult {
    this.#settled = header.sequence;
    const result: CertifierResult = { certificates: [], faults: [] };
    for (const suite of this.#committee.requiredSuites) {
      const key = keyOf(header.sequence, suite);
      const early = this.#future.get(key);
      this.#future.delete(key);
      for (const author of early?.keys() ?? []) this.#futureCount.set(author, (this.#futureCount.get(author) ?? 1) - 1);
      if (hasCertificate(suite)) {
        this.#certified.set(suite, header.sequence);
        continue;
      }
      this.#open.set(key, {
        header,
        suite,
        digest,
        message: hexToBytes(digest),
        partials: new Map(),
        bad: new Set(),
        verified: new Set(),
      });
      for (const [author, partial] of early ?? []) this.#collect(author, partial, result);
    }
    return result;
  }

  /** A partial by `author`, in a block or sent alone. */
  receive(author: number, partial: BatchPartial): CertifierResult {
    const result: CertifierResult = { certificates: [], faults: [] };
    if (!this.#committee.requiredSuites.includes(partial.suite)) return result;
    if (partial.sequence <= this.#settled) {
      this.#collect(author, partial, result);
      return result;
    }
    const count = this.#futureCount.get(author) ?? 0;
    if (count >= this.#maxFuture) return result;
    const key = keyOf(partial.sequence, partial.suite);
    let early = this.#future.get(key);
    if (early === undefined) {
      early = new Map();
      this.#future.set(key, early);
    }
    if (!early.has(author)) this.#futureCount.set(author, count + 1);
    early.set(author, partial);
    return result;
  }

  /** A whole certificate from a peer. True when it closed an open batch; the peer is untrusted, the group key is not. */
  receiveCertificate(certificate: Certificate, digest: Hex): "closed" | "known" | "invalid" {
    const key = keyOf(certificate.header.sequence, certificate.suite);
    const open = this.#open.get(key);
    if (open === undefined) return "known";
    if (open.digest !== digest) return "invalid";
    const groupKey = hexToBytes(this.#committee.keys[certificate.suite].groupKey);
    if (!this.#engines[certificate.suite].verify(groupKey, open.message, hexToBytes(certificate.signature)))
      return "invalid";
    this.#close(key, certificate);
    return "closed";
  }

  #collect(author: number, partial: BatchPartial, result: CertifierResult): void {
    const key = keyOf(partial.sequence, partial.suite);
    const open = this.#open.get(key);
    if (open === undefined || open.bad.has(author) || open.partials.has(author)) return;
    if (partial.digest !== open.digest) {
      open.bad.add(author);
      const details = { sequence: partial.sequence, suite: partial.suite, theirs: partial.digest, ours: open.digest };
      result.faults.push({ member: author, code: "conflictingPartial", details });
      return;
    }
    open.partials.set(author, partial.signature);
    const threshold = this.#committee.keys[partial.suite];
    if (open.partials.size < threshold.threshold) return;
    const combined = combinePartials(this.#engines[partial.suite], threshold, open.message, open.partials, {
      distrusted: this.#distrusted,
      verified: open.verified,
    });
    for (const good of combined.good) open.verified.add(good);
    for (const bad of combined.bad) {
      open.partials.delete(bad);
      open.bad.add(bad);
      this.#distrusted.add(bad);
      result.faults.push({
        member: bad,
        code: "badPartial",
        details: { sequence: partial.sequence, suite: partial.suite },
      });
    }
    if (combined.signature === undefined) return;
    const certificate = { header: open.header, suite: partial.suite, signature: bytesToHex(combined.signature) };
    this.#close(key, certificate);
    result.certificates.push(certificate);
  }

  #close(key: string, certificate: Certificate): void {
    this.#open.delete(key);
    const newest = this.#certified.get(certificate.suite) ?? 0n;
    if (certificate.header.sequence > newest) this.#certified.set(certificate.suite, certificate.header.sequence);
  }

  /** Newest certified sequence of a suite, gaps or not: a certificate covers everything before it. */
  newest(suite: Suite): bigint {
    return this.#certified.get(suite) ?? 0n;
  }
}

function keyOf(sequence: bigint, suite: Suite): string {
  return `${sequence}/${suite}`;
}

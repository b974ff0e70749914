/**
 * Partials in, certificates out. Every member signs each batch header once per suite; the first n − f partials that
 * interpolate to a valid signature make the certificate. Combination is optimistic: one verification when nobody cheats.
 *
 * That verification is most of what a batch costs: so partials are only collected as they come, and combined when the caller says so
 * (`release`). With the partials of all n members it is not needed (threshold/combine.ts), and a batch that could be certified may wait a
 * little for the last ones: for no longer than the caller's patience, ever more rarely when that was in vain, and not at all once
 * somebody gave a wrong one.
 */
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type { BatchPartial } from "../consensus/types.ts";
import { assert } from "../lib/assert.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { canCombineAll, combineAll, combinePartials } from "../threshold/combine.ts";
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

/** How well waiting for the last partials went in a suite. */
interface Waits {
  /** In vain, since it last succeeded. */
  misses: number;
  /** The next batch that waits. */
  from: bigint;
}

/** A member that is silent or always late costs one wait in 2⁴ batches. */
const MAX_BACKOFF = 4;

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
  /**
   * Suites in which a combined signature was verified with the group key in this epoch: the members' shares are shares of that key, which
   * partials that fit together do not show.
   */
  readonly #anchored = new Set<Suite>();
  readonly #waits = new Map<Suite, Waits>();
  /** Open batches with n − f partials, and until when they wait for the rest; undefined until the caller says what time it is. */
  readonly #waiting = new Map<string, number | undefined>();
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

  /** What is settled here and not certified in every suite, oldest first. */
  openBatches(): { readonly header: BatchHeader; readonly digest: Hex }[] {
    const batches = new Map<bigint, { readonly header: BatchHeader; readonly digest: Hex }>();
    for (const { header, digest } of this.#open.values()) batches.set(header.sequence, { header, digest });
    return [...batches.values()];
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
  settle(header: BatchHeader, digest: Hex, hasCertificate: (suite: Suite) => boolean): CertifierFault[] {
    this.#settled = header.sequence;
    const faults: CertifierFault[] = [];
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
      for (const [author, partial] of early ?? []) faults.push(...this.#collect(author, partial));
    }
    return faults;
  }

  /** A partial by `author`, in a block or sent alone. */
  receive(author: number, partial: BatchPartial): CertifierFault[] {
    if (!this.#committee.requiredSuites.includes(partial.suite)) return [];
    if (partial.sequence <= this.#settled) return this.#collect(author, partial);
    const count = this.#futureCount.get(author) ?? 0;
    if (count >= this.#maxFuture) return [];
    const key = keyOf(partial.sequence, partial.suite);
    let early = this.#future.get(key);
    if (early === undefined) {
      early = new Map();
      this.#future.set(key, early);
    }
    if (!early.has(author)) this.#futureCount.set(author, count + 1);
    early.set(author, partial);
    return [];
  }

  /**
   * Combines what has n − f partials and has waited long enough for the last ones. `patience`: for how long that is, in milliseconds, by
   * suite; 0 is not at all. Whoever has better things to do now says how many milliseconds late this may be: `lateMs`.
   */
  release(nowMs: number, patience: (suite: Suite) => number, lateMs = 0): CertifierResult {
    const result: CertifierResult = { certificates: [], faults: [] };
    for (const [key, untilMs] of this.#waiting) {
      const open = this.#open.get(key);
      assert(open !== undefined, "what waits is open");
      const patienceMs = this.#isWorthWaiting(open) ? patience(open.suite) : 0;
      const dueMs = untilMs ?? nowMs + patienceMs;
      if (dueMs + lateMs > nowMs) {
        this.#waiting.set(key, dueMs);
        continue;
      }
      this.#waiting.delete(key);
      if (patienceMs > 0) this.#missed(open);
      this.#combine(key, open, result);
    }
    return result;
  }

  /** When `release` has something to do next. */
  get wakeAtMs(): number | undefined {
    let earliest: number | undefined;
    for (const dueMs of this.#waiting.values())
      if (dueMs !== undefined && (earliest === undefined || dueMs < earliest)) earliest = dueMs;
    return earliest;
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
    this.#anchored.add(certificate.suite);
    this.#close(key, certificate);
    return "closed";
  }

  #collect(author: number, partial: BatchPartial): CertifierFault[] {
    const key = keyOf(partial.sequence, partial.suite);
    const open = this.#open.get(key);
    if (open === undefined || open.bad.has(author) || open.partials.has(author)) return [];
    if (partial.digest !== open.digest) {
      open.bad.add(author);
      const details = { sequence: partial.sequence, suite: partial.suite, theirs: partial.digest, ours: open.digest };
      return [{ member: author, code: "conflictingPartial", details }];
    }
    open.partials.set(author, partial.signature);
    const { size } = open.partials;
    const { threshold, publicShares } = this.#committee.keys[partial.suite];
    // With the last one there is nothing more to wait for.
    if (size >= threshold && (size === publicShares.length || !this.#waiting.has(key)))
      this.#waiting.set(key, undefined);
    return [];
  }

  #isWorthWaiting({ header: { sequence }, suite, partials }: Open): boolean {
    if (this.#distrusted.size > 0 || !this.#anchored.has(suite)) return false;
    const key = this.#committee.keys[suite];
    if (partials.size === key.publicShares.length || !canCombineAll(key)) return false;
    return sequence >= (this.#waits.get(suite)?.from ?? 0n);
  }

  #missed({ header: { sequence }, suite }: Open): void {
    const misses = Math.min(MAX_BACKOFF, (this.#waits.get(suite)?.misses ?? 0) + 1);
    this.#waits.set(suite, { misses, from: sequence + 2n ** BigInt(misses) });
  }

  #combine(key: string, open: Open, result: CertifierResult): void {
    const { header, suite, partials, verified } = open;
    const threshold = this.#committee.keys[suite];
    const isAll = partials.size === threshold.publicShares.length && canCombineAll(threshold);
    const fits = isAll && this.#distrusted.size === 0 && this.#anchored.has(suite);
    if (fits) this.#waits.delete(suite);
    const combine = fits ? combineAll : combinePartials;
    const combined = combine(this.#engines[suite], threshold, open.message, partials, {
      distrusted: this.#distrusted,
      verified,
    });
    for (const good of combined.good) verified.add(good);
    for (const bad of combined.bad) {
      partials.delete(bad);
      open.bad.add(bad);
      this.#distrusted.add(bad);
      result.faults.push({ member: bad, code: "badPartial", details: { sequence: header.sequence, suite } });
    }
    if (combined.signature === undefined) return;
    this.#anchored.add(suite);
    const certificate = { header, suite, signature: bytesToHex(combined.signature) };
    this.#close(key, certificate);
    result.certificates.push(certificate);
  }

  #close(key: string, certificate: Certificate): void {
    this.#open.delete(key);
    this.#waiting.delete(key);
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

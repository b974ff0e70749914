/**
 * From output to certificate in a latency run, as members do it (member/certification.ts): a member that has output a batch sends its
 * partial signature to everybody at once and again in its next block, and the shipping `Certifier` makes the certificate of the first
 * n − f. Beside it the bound of every way to pass partials on: each member sends each partial that it gets, from whomever, on to
 * everybody at once, as a message of its own with a delay of its own. That is n³ messages for a batch, so nobody ships it.
 */
import type { BatchHeader } from "../../batch/types.ts";
import type { BatchPartial } from "../../consensus/types.ts";
import { bytesToHex, type Hex, ZERO_BYTES32 } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import { Certifier } from "../../member/certifier.ts";
import { DEFAULT_MEMBER_LIMITS } from "../../member/limits.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { Engine, Suite, ThresholdKey } from "../../threshold/types.ts";

/** Ours, up to the certificate instead of the output; and the earliest that any passing on of partials allows. */
export const CERTIFIED = "ours, certified";
export const CERTIFIED_BOUND = "certified, bound";

export interface PartialMessage {
  readonly author: number;
  readonly partial: BatchPartial;
  /** Passed on by somebody else: known to the bound alone. */
  readonly isRelayed: boolean;
}

interface CertificatePorts {
  /** The delay of a message sent now. */
  readonly delayMs: (from: number, to: number) => number;
  readonly deliver: (atMs: number, to: number, message: PartialMessage) => void;
  readonly reached: (rule: string, blocks: readonly Hex[]) => void;
}

interface Batch {
  /** Undefined until it is output here. */
  blocks: readonly Hex[] | undefined;
  readonly known: Set<number>;
  /** By author, when its partial comes at the latest, of what is on its way. */
  readonly dueMs: number[];
  isBounded: boolean;
}

interface Signer {
  readonly certifier: Certifier;
  /** By sequence. */
  readonly batches: Map<bigint, Batch>;
  settled: bigint;
  /** Partials for the next own block. */
  carried: BatchPartial[];
}

export class Certificates {
  readonly #n: number;
  readonly #ports: CertificatePorts;
  readonly #signers: ReadonlyMap<number, Signer>;

  /** The malicious sign nothing. */
  constructor(n: number, honest: readonly number[], ports: CertificatePorts) {
    this.#n = n;
    this.#ports = ports;
    const committee = committeeOf(n);
    const engines = { [SUITE]: cheapEngine, bn254: cheapEngine };
    const create = (): Signer => ({
      certifier: new Certifier(committee, engines, DEFAULT_MEMBER_LIMITS.maxFuturePartials),
      batches: new Map(),
      settled: 0n,
      carried: [],
    });
    this.#signers = new Map(honest.map((member) => [member, create()]));
  }

  /** A member has output a batch of these blocks. */
  settle(member: number, digest: Hex, blocks: readonly Hex[], nowMs: number): void {
    const signer = this.#signers.get(member)!;
    const sequence = ++signer.settled;
    this.#batch(signer, sequence).blocks = blocks;
    const partial: BatchPartial = { sequence, suite: SUITE, digest, signature: POINT };
    signer.carried.push(partial);
    signer.certifier.settle(headerOf(sequence), digest, () => false);
    this.#send(member, { author: member, partial, isRelayed: false }, nowMs);
    this.receive(member, { author: member, partial, isRelayed: false }, nowMs);
  }

  /** What the member's next block carries. */
  content(member: number): readonly BatchPartial[] {
    return this.#signers.get(member)?.carried.splice(0) ?? [];
  }

  /** A block entered a member's DAG. */
  accepted(member: number, author: number, partials: readonly BatchPartial[], nowMs: number): void {
    if (!this.#signers.has(member)) return;
    for (const partial of partials) this.receive(member, { author, partial, isRelayed: false }, nowMs);
  }

  receive(member: number, message: PartialMessage, nowMs: number): void {
    const signer = this.#signers.get(member)!;
    const { author, partial, isRelayed } = message;
    if (!isRelayed) {
      signer.certifier.receive(author, partial);
      this.#certified(signer, signer.certifier.release(nowMs, () => 0).certificates);
    }
    const batch = this.#batch(signer, partial.sequence);
    if (!batch.known.has(author)) {
      batch.known.add(author);
      if (author !== member) this.#send(member, { author, partial, isRelayed: true }, nowMs);
    }
    if (batch.known.size >= quorumOf(this.#n)) this.#bounded(batch);
  }

  #certified(signer: Signer, certificates: readonly { readonly header: BatchHeader }[]): void {
    for (const { header } of certificates) {
      const batch = this.#batch(signer, header.sequence);
      this.#ports.reached(CERTIFIED, batch.blocks ?? []);
      this.#bounded(batch);
    }
  }

  #bounded(batch: Batch): void {
    if (batch.isBounded || batch.blocks === undefined) return;
    batch.isBounded = true;
    this.#ports.reached(CERTIFIED_BOUND, batch.blocks);
  }

  #send(from: number, message: PartialMessage, nowMs: number): void {
    const { author, partial, isRelayed } = message;
    for (const [to, signer] of this.#signers) {
      if (to === from || to === author) continue;
      const batch = this.#batch(signer, partial.sequence);
      if (isRelayed && (batch.isBounded || batch.known.has(author))) continue;
      const atMs = nowMs + this.#ports.delayMs(from, to);
      // What comes after another copy teaches the bound nothing; to the certifier only the author's own copy is sent.
      if (isRelayed && atMs >= (batch.dueMs[author] ?? Number.POSITIVE_INFINITY)) continue;
      batch.dueMs[author] = Math.min(atMs, batch.dueMs[author] ?? Number.POSITIVE_INFINITY);
      this.#ports.deliver(atMs, to, message);
    }
  }

  #batch(signer: Signer, sequence: bigint): Batch {
    let batch = signer.batches.get(sequence);
    if (batch === undefined) {
      batch = { blocks: undefined, known: new Set(), dueMs: [], isBounded: false };
      signer.batches.set(sequence, batch);
    }
    return batch;
  }
}

/** One suite: all required ones are signed, sent and combined together. */
const SUITE = "bls12-381";
const POINT = new Uint8Array(48).fill(1);

/** Partials that anybody could make: nobody forges in a latency run. */
const cheapEngine: Engine = {
  name: "cheap",
  suite: SUITE,
  signatureLength: POINT.length,
  publicKeyLength: POINT.length,
  order: 1n,
  publicKey: () => POINT,
  sign: () => POINT,
  verify: () => true,
  isSignature: () => true,
  isPublicKey: () => true,
  interpolate: () => POINT,
  extrapolate: () => POINT,
};

function committeeOf(n: number): Committee {
  const key = (suite: Suite): ThresholdKey => ({
    suite,
    threshold: quorumOf(n),
    groupKey: bytesToHex(POINT),
    publicShares: [],
  });
  const keys = { [SUITE]: key(SUITE), bn254: key("bn254") };
  return { id: ZERO_BYTES32, epoch: 1n, members: [], keys, requiredSuites: [SUITE] };
}

function headerOf(sequence: bigint): BatchHeader {
  const zero = ZERO_BYTES32;
  return { sequence, epoch: 1n, previous: zero, history: zero, outboxes: zero, state: zero, commit: zero };
}

/** The newest certificates, for peers that ask. Older ones are in the node's store; a certificate covers everything before it. */
import type { Certificate } from "../batch/types.ts";
import type { Suite } from "../threshold/types.ts";

/** Batches kept per suite: minutes of traffic, a megabyte. */
const MAX_SEQUENCES = 4096n;

export class CertificateCache {
  readonly #bySuite = new Map<Suite, Map<bigint, Certificate>>();

  add(certificate: Certificate): void {
    let known = this.#bySuite.get(certificate.suite);
    if (known === undefined) {
      known = new Map();
      this.#bySuite.set(certificate.suite, known);
    }
    known.set(certificate.header.sequence, certificate);
    known.delete(certificate.header.sequence - MAX_SEQUENCES);
  }

  has(sequence: bigint, suite: Suite): boolean {
    return this.#bySuite.get(suite)?.has(sequence) ?? false;
  }

  get(sequence: bigint, suite: Suite): Certificate | undefined {
    return this.#bySuite.get(suite)?.get(sequence);
  }
}

/** The newest certificates, for peers that ask. Older ones are in the node's store; a certificate covers everything before it. */
import type { Certificate } from "../batch/types.ts";
import type { Suite } from "../threshold/types.ts";

/** Batches kept per suite: minutes of traffic, a megabyte. */
const MAX_SEQUENCES = 4096n;

export class CertificateCache {
  readonly #bySuite = new Map<Suite, Map<bigint, Certificate>>();

  #newest = 0n;

  /** Below is nothing: where to begin to look. */
  get oldest(): bigint {
    return this.#newest < MAX_SEQUENCES ? 1n : this.#newest - MAX_SEQUENCES + 1n;
  }

  add(certificate: Certificate): void {
    const before = this.oldest;
    this.restore(certificate);
    for (let sequence = before; sequence < this.oldest; sequence++) {
      for (const known of this.#bySuite.values()) known.delete(sequence);
    }
  }

  /** Without forgetting: while the log is replayed, every batch asks for its own. Call `trim` afterwards. */
  restore(certificate: Certificate): void {
    const { sequence } = certificate.header;
    let known = this.#bySuite.get(certificate.suite);
    if (known === undefined) {
      known = new Map();
      this.#bySuite.set(certificate.suite, known);
    }
    known.set(sequence, certificate);
    if (sequence > this.#newest) this.#newest = sequence;
  }

  trim(): void {
    for (const known of this.#bySuite.values()) {
      for (const sequence of known.keys()) if (sequence < this.oldest) known.delete(sequence);
    }
  }

  get(sequence: bigint, suite: Suite): Certificate | undefined {
    return this.#bySuite.get(suite)?.get(sequence);
  }
}

/** A member's disk in memory: what was persisted survives a crash, nothing else does. */
import type { Certificate } from "../../batch/types.ts";
import type { Hex } from "../../lib/hex.ts";
import type { PersistWrite, Recovered } from "../../member/types.ts";

type LogRecord =
  | { readonly kind: "block"; readonly bytes: Uint8Array }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array };

export class SimulatedDisk {
  readonly #log: LogRecord[] = [];
  readonly #register = new Map<string, Hex>();
  readonly #certificates: Certificate[] = [];

  /** One durable transaction. Returns the positions that were already registered with another digest: a double signature. */
  write(write: PersistWrite): string[] {
    const conflicts: string[] = [];
    for (const { kind, position, digest } of write.register) {
      const key = `${kind}/${position}`;
      const known = this.#register.get(key);
      if (known !== undefined && known !== digest) conflicts.push(key);
      else this.#register.set(key, digest);
    }
    for (const { bytes } of write.blocks) this.#log.push({ kind: "block", bytes });
    for (const { round, signature } of write.coins) this.#log.push({ kind: "coin", round, signature });
    this.#certificates.push(...write.certificates);
    return conflicts;
  }

  recover(): Recovered {
    return {
      log: [...this.#log],
      registered: (kind, position) => this.#register.get(`${kind}/${position}`),
      certificates: [...this.#certificates],
    };
  }
}

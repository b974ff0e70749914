/** What peers do that honest ones do not, and what follows: they are counted and muted. And what they say of where the committee is. */
import type { NodeParts } from "./node-parts.ts";
import type { Session } from "./session.ts";

/** How long a peer that sent nonsense is not listened to. */
const MUTE_MS = 10_000;

export class Conduct {
  readonly #parts: Pick<NodeParts, "transport" | "logger" | "onBehind">;
  /** By member of the current epoch: what it said that honest members do not say. */
  #faults = new Map<number, number>();
  #behindEpoch: bigint | undefined;

  constructor(parts: Pick<NodeParts, "transport" | "logger" | "onBehind">) {
    this.#parts = parts;
  }

  faultsOf(peer: number): number {
    return this.#faults.get(peer) ?? 0;
  }

  /** Other members from now on. */
  reset(): void {
    this.#faults = new Map();
  }

  /** A member of a session misbehaved. Whoever did so in an epoch that has just ended may have another index now. */
  punish({ committee, self }: Session, current: Session, member: number): void {
    if (member === self || committee !== current.committee) return;
    this.#faults.set(member, this.faultsOf(member) + 1);
    this.#parts.transport.mute(member, MUTE_MS);
  }

  /** Peers say that we are behind: within our epoch (report.ts has said so), or because the committee went on to this one. */
  behind({ committee }: Session, epoch: bigint, hasLeft: boolean): void {
    if (epoch < committee.epoch) return;
    // Whoever left follows nobody.
    if (epoch === committee.epoch) {
      if (!hasLeft) this.#parts.onBehind?.(epoch);
      return;
    }
    // Peers say it again and again; a person needs to hear it once.
    if (this.#behindEpoch !== epoch) {
      const fields = { epoch, own: committee.epoch };
      this.#parts.logger.warn("the committee went on to another epoch without this member", fields);
    }
    this.#behindEpoch = epoch;
    this.#parts.onBehind?.(epoch);
  }
}

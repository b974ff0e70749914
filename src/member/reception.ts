/** What peers send, from bytes to whom it concerns: what speaks of another epoch, of batches or of instructions. Blocks are for the DAG. */
import type { Certificate } from "../batch/types.ts";
import type { ConsensusMessage } from "../consensus/types.ts";
import { decodeConsensusMessage } from "../consensus/wire.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Admission } from "./admission.ts";
import type { Certification } from "./certification.ts";
import type { EffectBuffer } from "./effect-buffer.ts";
import type { Epoch } from "./epoch.ts";
import type { Lag } from "./lag.ts";
import { decodeMessage, encodeMessage, epochOfMessage } from "./wire.ts";

export interface ReceptionParts {
  readonly ledger: Ledger;
  readonly out: EffectBuffer;
  readonly admission: Admission;
  readonly certification: Certification;
  readonly lag: Lag;
}

/** Where the member stands. */
export interface Standing {
  readonly epoch: Epoch;
  readonly isRetired: boolean;
  /** Of the newest batch. */
  readonly settledSequence: bigint;
}

export class Reception {
  readonly #parts: ReceptionParts;

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  /** Takes a message; returns what is for the DAG of this epoch. Bad input costs its sender a `punish`. */
  receive(from: number, bytes: Uint8Array, standing: Standing, nowMs: number): ConsensusMessage | undefined {
    const { out, admission, certification, lag } = this.#parts;
    const epoch = epochOfMessage(bytes);
    const current = standing.epoch.number;
    if (epoch !== undefined && epoch < current) {
      const certificates = lag.answerTo(from, nowMs);
      if (certificates !== undefined) out.send(from, encodeMessage(epoch, { kind: "closed", certificates }));
      return undefined;
    }
    if (epoch !== undefined && epoch > current) {
      lag.suspect(nowMs);
      return undefined;
    }
    let message: ReturnType<typeof decodeMessage>;
    try {
      message = decodeMessage(bytes);
      if (message.kind === "consensus") return decodeConsensusMessage(message.bytes);
    } catch (error) {
      out.show({ kind: "punish", member: from, code: "malformedMessage", details: { reason: String(error) } });
      return undefined;
    }
    switch (message.kind) {
      case "partials":
        certification.receivePartials(from, message.partials);
        break;
      case "certificates":
        for (const certificate of message.certificates) certification.receive(from, certificate);
        break;
      case "closed":
        for (const certificate of message.certificates) this.#receiveClosing(from, certificate, current, nowMs);
        break;
      case "certificatesWanted":
        certification.answer(from, message.from, standing.settledSequence);
        break;
      case "instructions":
        if (!standing.isRetired) admission.receive(from, message.instructions, standing.epoch);
        break;
    }
    return undefined;
  }

  /** What closed our epoch, as one says who went on: if we have not settled that batch, a while is given to the DAG to bring it. */
  #receiveClosing(from: number, certificate: Certificate, current: bigint, nowMs: number): void {
    const { ledger, certification, lag } = this.#parts;
    const { header } = certificate;
    // A later epoch's: its key may be another, so nothing can be said about it here.
    if (header.epoch > current) lag.suspect(nowMs);
    if (header.epoch !== current) return;
    if (header.sequence <= ledger.sequence) certification.receive(from, certificate);
    else if (!lag.isSuspected && certification.isGenuine(from, certificate)) lag.suspect(nowMs);
  }
}

/** Collects one step's effects and hands them out in the order of obligation: one durable write, then sends, then what is shown. */
import type { Certificate } from "../batch/types.ts";
import type { VerifiedBlock } from "../consensus/types.ts";
import type { Hex } from "../lib/hex.ts";
import type { MemberEffect, PersistWrite, RegisterKind } from "./types.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

function emptyWrite(): Writable<PersistWrite> {
  return { blocks: [], coins: [], register: [], certificates: [] };
}

/** Register position of a block: one signature per (epoch, round). */
export function blockPosition(epoch: bigint, round: number): bigint {
  return (epoch << 64n) | BigInt(round);
}

export class EffectBuffer {
  #write = emptyWrite();
  #sends: MemberEffect[] = [];
  #shown: MemberEffect[] = [];

  /** `own` blocks are registered too: two different ones for a round must never leave, whatever happened to the log. */
  persistBlock(block: VerifiedBlock, own: boolean): void {
    this.#write.blocks.push(block);
    if (own) this.persistRegister("block", blockPosition(block.epoch, block.round), block.digest);
  }

  persistCoin(round: number, signature: Uint8Array): void {
    this.#write.coins.push({ round, signature });
  }

  persistRegister(kind: RegisterKind, position: bigint, digest: Hex): void {
    this.#write.register.push({ kind, position, digest });
  }

  persistCertificate(certificate: Certificate): void {
    this.#write.certificates.push(certificate);
  }

  send(to: number | "all", bytes: Uint8Array): void {
    this.#sends.push({ kind: "send", to, bytes });
  }

  show(effect: MemberEffect): void {
    this.#shown.push(effect);
  }

  /** Only what is to be shown; keeps the rest for `drain`. */
  drainShown(): MemberEffect[] {
    const shown = this.#shown;
    this.#shown = [];
    return shown;
  }

  drain(): MemberEffect[] {
    const { blocks, coins, register, certificates } = this.#write;
    const isEmpty = blocks.length + coins.length + register.length + certificates.length === 0;
    const effects: MemberEffect[] = isEmpty ? [] : [{ kind: "persist", write: this.#write }];
    for (const send of this.#sends) effects.push(send);
    for (const shown of this.#shown) effects.push(shown);
    this.#write = emptyWrite();
    this.#sends = [];
    this.#shown = [];
    return effects;
  }
}

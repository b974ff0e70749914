/**
 * The door of the mempool: what a member takes from its users and its peers, what it refuses at once, and what it gossips.
 *
 * An instruction leaves its member in the next block, which reaches everybody; gossip on top is for the member that dies before that, or
 * whose blocks the others leave out. So gossip has a budget: within it everything goes to all members at once, beyond it (under load) only
 * what our blocks did not bring to the order in time (Pool.takeUngossiped). Else n members would carry everything n times.
 */
import { instructionDigest, instructionId } from "../ledger/instruction.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { SignedInstruction } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import type { EffectBuffer } from "./effect-buffer.ts";
import type { Epoch } from "./epoch.ts";
import type { Mempool } from "./mempool.ts";
import type { SignatureCache } from "./signature-cache.ts";
import type { SubmitVerdict } from "./types.ts";
import { encodeInstructions, MAX_GOSSIP_BYTES, MAX_INSTRUCTIONS } from "./wire.ts";

/**
 * Verdicts that no order of what is pending can turn into another: told to the user at once instead of being ordered. Everything
 * else (an overdraft, a lane that is not open yet) may change with what is under way, and gets its receipt from the order.
 */
const HOPELESS: ReadonlySet<string> = new Set([
  "badSignature",
  "early",
  "gapTooWide",
  "late",
  "nonceUsed",
  "repeated",
  "stale",
  "notOwner",
  "empty",
  "zeroAmount",
  "sameAccount",
  "unknownAsset",
  "unknownChain",
  "unknownInstrument",
  "expired",
  "priceAboveCap",
  "badRecipient",
  "badLimits",
]);

/** What may be gossiped at once, and how much of that comes back in a second: to each of n members, beside the blocks. */
const GOSSIP_BURST_BYTES = 1024 * 1024;
const GOSSIP_BYTES_PER_SECOND = 256 * 1024;

/** Batches by which a member that gossips may be ahead of us; what names later ones is its user's mistake or malice. */
const MAX_AHEAD = 64n;

export class Admission {
  readonly #committeeId: Hex;
  readonly #ledger: Ledger;
  readonly #mempool: Mempool;
  readonly #signatures: SignatureCache;
  readonly #out: EffectBuffer;
  /** Bytes that may be gossiped now, as of a time. */
  #room = GOSSIP_BURST_BYTES;
  #roomAtMs = 0;

  constructor(committeeId: Hex, ledger: Ledger, mempool: Mempool, signatures: SignatureCache, out: EffectBuffer) {
    this.#committeeId = committeeId;
    this.#ledger = ledger;
    this.#mempool = mempool;
    this.#signatures = signatures;
    this.#out = out;
  }

  /** From a user of ours: a verdict for each, and what is new goes to all members while the budget lasts. */
  submit(instructions: readonly SignedInstruction[], { number, nextRound }: Epoch, nowMs: number): void {
    const gossip: Uint8Array[] = [];
    this.#room += ((nowMs - this.#roomAtMs) * GOSSIP_BYTES_PER_SECOND) / 1000;
    this.#room = Math.min(this.#room, GOSSIP_BURST_BYTES);
    this.#roomAtMs = nowMs;
    for (const signed of instructions) {
      const verdict = this.admit(signed, undefined, nextRound);
      const bytes =
        verdict.code === "accepted" && this.#room > 0 ? this.#mempool.gossip(verdict.instructionId) : undefined;
      if (bytes !== undefined) {
        this.#room -= bytes.length;
        gossip.push(bytes);
      }
      this.#out.show({ kind: "verdict", verdict });
    }
    this.gossip(gossip, number);
  }

  /** This member left its committee: whoever serves the next one takes it. */
  refuse(instructions: readonly SignedInstruction[], code: "retired"): void {
    for (const { instruction } of instructions) {
      const verdict = { instructionId: instructionId(instruction), status: "refused", code, figures: {} } as const;
      this.#out.show({ kind: "verdict", verdict });
    }
  }

  /** From a peer. Honest members verify before they gossip, so the first false signature ends what a message may cost us. */
  receive(from: number, instructions: readonly SignedInstruction[], { nextRound }: Epoch): void {
    for (const signed of instructions) {
      const { code, instructionId: id } = this.admit(signed, from, nextRound);
      if (code !== "badSignature") continue;
      this.#out.show({ kind: "punish", member: from, code: "badInstruction", details: { instructionId: id } });
      return;
    }
  }

  /** As the ledger will ask, and then knows the answer. */
  isSigned({ instruction, signature }: SignedInstruction): boolean {
    const digest = instructionDigest(this.#committeeId, instruction);
    return this.#signatures.verify(digest, signature, instruction.head.signer);
  }

  /** Encoded instructions to all members. */
  gossip(instructions: readonly Uint8Array[], epoch: bigint): void {
    for (const part of inMessages(instructions)) this.#out.send("all", encodeInstructions(epoch, part));
  }

  /**
   * Checks what no order can change and takes the instruction into the mempool; what depends on the order gets a receipt. `from` is
   * the peer that gossiped it, undefined for a user of ours; `round` the first in which a block of ours may carry it.
   */
  admit(signed: SignedInstruction, from: number | undefined, round: number): SubmitVerdict {
    const ours = from === undefined;
    const id = instructionId(signed.instruction);
    const refuse = (code: string, figures: Readonly<Record<string, string>> = {}): SubmitVerdict => ({
      instructionId: id,
      status: "refused",
      code,
      figures,
    });
    const known = this.#mempool.has(id);
    if (known && !ours) return { instructionId: id, status: "accepted", code: "known", figures: {} };
    // Cheap checks come first in there, and the signature is verified only for a signer that the ledger knows.
    const preview = this.#ledger.preview(signed);
    // Gossip overtakes batches: what is early for us was not for the member that took it, and must not be held by it alone.
    const isAhead =
      !ours && preview.code === "early" && signed.instruction.head.namedBatch <= this.#ledger.sequence + MAX_AHEAD;
    if (HOPELESS.has(preview.code) && !isAhead) return refuse(preview.code, preview.figures);
    // Strangers to the ledger cost nothing, so peers could fill our mempool with them; a user of ours may be early.
    if (preview.code === "unknownSigner" && !ours) return refuse(preview.code, preview.figures);
    const digest = instructionDigest(this.#committeeId, signed.instruction);
    if (!this.#signatures.verify(digest, signed.signature, signed.instruction.head.signer))
      return refuse("badSignature");
    if (!this.#mempool.add(id, signed, from, round)) return refuse("mempoolFull");
    return { instructionId: id, status: "accepted", code: known ? "known" : "accepted", figures: {} };
  }
}

/** Splits what goes to all members: no message beyond what its format holds, none near the transport's largest frame. */
function* inMessages(instructions: readonly Uint8Array[]): IterableIterator<readonly Uint8Array[]> {
  let part: Uint8Array[] = [];
  let size = 0;
  for (const bytes of instructions) {
    if (part.length === MAX_INSTRUCTIONS || (part.length > 0 && size + bytes.length > MAX_GOSSIP_BYTES)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(bytes);
    size += bytes.length;
  }
  if (part.length > 0) yield part;
}

/** From what the order says to what the ledger settles: reads the payloads, and tells those that wait for their content. */
import type { Commit, OutputRound } from "../consensus/types.ts";
import { instructionId } from "../ledger/instruction.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { BatchItem, SettledBatch } from "../ledger/types.ts";
import type { Admission } from "./admission.ts";
import type { EffectBuffer } from "./effect-buffer.ts";
import type { Mempool } from "./mempool.ts";
import { tryDecodePayload } from "./payload.ts";
import type { Reconfigurer } from "./reconfigurer.ts";

export interface SettleParts {
  readonly ledger: Ledger;
  readonly out: EffectBuffer;
  readonly admission: Admission;
  readonly mempool: Mempool;
  readonly reconfigurer: Reconfigurer | undefined;
}

/** Undefined when the round brings no commit, or nothing that makes a batch. `self`: our own index, undefined for a learner. */
export function settleOutput(
  parts: SettleParts,
  { commits }: OutputRound,
  self: number | undefined,
): SettledBatch | undefined {
  const items = commits.flatMap((commit) => itemsOf(parts, commit, self));
  const last = commits.at(-1);
  return last === undefined ? undefined : parts.ledger.apply({ commit: last.digest, items });
}

/** A commit's content, in its order. */
function itemsOf(
  { out, admission, mempool, reconfigurer }: SettleParts,
  commit: Commit,
  self: number | undefined,
): BatchItem[] {
  const items: BatchItem[] = [];
  for (const block of commit.blocks) {
    if (block.payload.length === 0) continue;
    const payload = tryDecodePayload(block.payload);
    // A payload that does not decode is a malicious author's; every member skips it alike.
    if (payload === undefined) {
      const details = { round: block.round };
      out.show({ kind: "punish", member: block.author, code: "malformedPayload", details });
      continue;
    }
    for (const signed of payload.instructions) {
      // The ledger ignores what stands behind a false signature: forgetting that would let a carrier censor it.
      if (!admission.isSigned(signed)) {
        const details = { round: block.round };
        out.show({ kind: "punish", member: block.author, code: "badInstruction", details });
        break;
      }
      mempool.ordered(instructionId(signed.instruction), signed.signature);
    }
    if (block.author === self) {
      mempool.observed(payload.observations);
      // Only what we carried ourselves: of a block full of forgeries the ledger skips the rest, and that may be a copy of ours.
      for (const bytes of payload.transactions) reconfigurer?.ordered(bytes);
    }
    items.push({ author: block.author, ...payload });
  }
  return items;
}

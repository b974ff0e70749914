/** What a transaction is for, as the journal keeps it: enough to go on after a restart. */
import type { JournalRecord } from "../chain/port.ts";
import { compareBigint } from "../lib/math.ts";

export type Task =
  | { readonly kind: "handover"; readonly number: bigint }
  | { readonly kind: "accept"; readonly sequence: bigint }
  | { readonly kind: "deliver"; readonly indices: readonly bigint[] };

export function purposeOf(task: Task): string {
  if (task.kind === "handover") return `handover:${task.number}`;
  return task.kind === "accept" ? `accept:${task.sequence}` : `deliver:${task.indices.join(",")}`;
}

export function parsePurpose(purpose: string): Task {
  const [kind, list = ""] = purpose.split(":");
  if (kind === "handover") return { kind, number: BigInt(list) };
  if (kind === "accept") return { kind, sequence: BigInt(list) };
  return { kind: "deliver", indices: list.split(",").map(BigInt).sort(compareBigint) };
}

export function deliveredBy(record: JournalRecord): readonly bigint[] {
  const task = parsePurpose(record.purpose);
  return task.kind === "deliver" ? task.indices : [];
}

/** From the own log back into memory after a restart. Signatures are checked again: a flipped bit on disk must not enter the DAG. */
import type { Hex } from "../lib/hex.ts";
import { slotOfBytes } from "./block.ts";
import { refuse } from "./errors.ts";
import type { Intake } from "./intake.ts";
import type { OwnBlocks } from "./own-blocks.ts";
import type { Parts } from "./parts.ts";
import type { ConsensusEffect } from "./types.ts";

export type RestoreRecord =
  /** `digest`: of a block that `readBlock` finds; without one its bytes stay in memory. */
  | { readonly kind: "block"; readonly bytes: Uint8Array; readonly digest?: Hex | undefined }
  | { readonly kind: "coin"; readonly round: number; readonly signature: Uint8Array };

interface RestoreParts extends Pick<Parts, "config" | "codec" | "signer" | "dag" | "coins"> {
  readonly intake: Intake;
  readonly own: OwnBlocks;
}

/** Takes one record, in the order in which they were written. Throws ConsensusError when it is not what was written. */
export function restoreRecord(parts: RestoreParts, record: RestoreRecord, effects: ConsensusEffect[]): void {
  if (record.kind === "block") restoreBlock(parts, record, effects);
  else restoreCoin(parts, record);
}

function restoreCoin({ config, dag, coins }: RestoreParts, record: RestoreRecord & { readonly kind: "coin" }): void {
  const { round, signature } = record;
  if (round <= dag.floor) return;
  if (!config.coin.verify(round, signature)) refuse("badCoin", "the log holds a wrong coin", { round });
  coins.restore(round, signature);
}

function restoreBlock(
  { config, codec, signer, dag, intake, own }: RestoreParts,
  { bytes, digest }: RestoreRecord & { readonly kind: "block" },
  effects: ConsensusEffect[],
): void {
  const slot = slotOfBytes(bytes);
  const isSunk = slot !== undefined && slot.round <= dag.floor;
  // Of what lies below a checkpoint only our own last block matters.
  if (isSunk && (slot.author !== config.self || slot.round <= own.lastRound)) return;
  const block = codec.decode(bytes);
  if (!signer.verify(block.digest, block.signature, config.members[block.author]!)) {
    refuse("badSignature", "the log holds a block with a wrong signature", { digest: block.digest });
  }
  if (isSunk) own.restoreSunk(block);
  else intake.restore(block, effects, digest === block.digest);
}

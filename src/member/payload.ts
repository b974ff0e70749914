/** Payloads of blocks that others made. */
import { type BlockPayload, decodePayload } from "../ledger/codec.ts";

/** Undefined whatever the decoder stumbles over: all members read the same bytes and skip them alike, and none may die of them. */
export function tryDecodePayload(bytes: Uint8Array): BlockPayload | undefined {
  try {
    return decodePayload(bytes);
  } catch {
    return undefined;
  }
}

/** What a node's store has for a member that comes back. */
import type { Certificate } from "../batch/types.ts";
import type { Store } from "../storage/port.ts";
import { decodeBatchHead } from "./batch-json.ts";

const CERTIFICATES_AT_ONCE = 1_000;

/** Newest first; of this epoch only, because what came before is not replayed. Some come twice. */
export function* certificatesAfter(store: Store, sequence: bigint): Iterable<Certificate> {
  for (let before: bigint | undefined; ; ) {
    const page = store.certificates({ limit: CERTIFICATES_AT_ONCE, ...(before === undefined ? {} : { before }) });
    for (const { sequence: at, suite, signature } of page) {
      if (at <= sequence) return;
      const batch = store.batch(at);
      if (batch !== undefined) yield { header: decodeBatchHead(batch.json).header, suite, signature };
    }
    const last = page.at(-1);
    if (last === undefined || page.length < CERTIFICATES_AT_ONCE) return;
    // A page may end between the suites of one batch.
    before = last.sequence + 1n;
  }
}

/** Highest round of the epoch in which the register has a block of ours; 0 when it has none. */
export function signedRoundOf(store: Store, epoch: bigint): number {
  const top = store.registerTop("block");
  return top === undefined || top.position >> 64n !== epoch ? 0 : Number(BigInt.asUintN(64, top.position));
}

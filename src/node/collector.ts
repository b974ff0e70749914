/** How this process collects garbage. */
import { setFlagsFromString } from "node:v8";

/**
 * Blocks and what brings them are byte arrays outside V8's heap, tens of megabytes a second under load. By default V8 marks its whole heap
 * whenever 64 MB of such bytes have come since it last did, which is more than once a second and a quarter of what moving the bytes
 * costs. Counted in the heap's own limit they wait for it to grow.
 *
 * By how much V8 decides from how fast it grows: by four under load, and by a tenth with little to do, when it marks all of it every few
 * seconds and finds that everything is still in use. Twice what is in use takes half the memory here and an eighth of the work there.
 * Nothing is done on a V8 that may not know the flags.
 */
export function countBytesWithHeap(): void {
  const [major, minor] = process.versions.v8.split(".").map(Number);
  if (major! < 13 || (major === 13 && minor! < 6)) return;
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  setFlagsFromString("--heap-growing-percent=100");
}

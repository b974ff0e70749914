/**
 * How many bytes of typed arrays were asked for by their length. The constructor is replaced in this thread: what a decoder allocates
 * because a length field says so is then counted exactly, whether or not the memory is ever touched or freed before anybody looks.
 */
export interface AllocationMeter {
  readonly bytes: number;
  reset(): void;
}

/** Call before anything that is to be measured is loaded. Asking for 1 GiB or more is refused on the spot. */
export function measureAllocations(): AllocationMeter {
  let bytes = 0;
  const meter = {
    get bytes() {
      return bytes;
    },
    reset() {
      bytes = 0;
    },
  };
  for (const name of ["Uint8Array", "ArrayBuffer", "Uint32Array", "BigUint64Array"] as const) {
    const original = globalThis[name];
    const width = "BYTES_PER_ELEMENT" in original ? original.BYTES_PER_ELEMENT : 1;
    const counted: typeof original = new Proxy(original, {
      construct(target, args: unknown[], newTarget) {
        const [first] = args;
        const length = typeof first === "number" ? first : Array.isArray(first) ? first.length : 0;
        bytes += width * length;
        if (bytes > 2 ** 30) throw new RangeError("the fuzzer's limit of memory");
        return Reflect.construct(target, args, newTarget === counted ? target : newTarget) as object;
      },
    });
    Reflect.set(globalThis, name, counted);
  }
  return meter;
}

/** Virtual time: a binary heap of events by (time, order of insertion), so that equal times keep their order on every machine. */
export interface EventQueue<T> {
  readonly size: number;
  push(atMs: number, event: T): void;
  pop(): { readonly atMs: number; readonly event: T } | undefined;
}

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly event: T;
}

export function createEventQueue<T>(): EventQueue<T> {
  const heap: Entry<T>[] = [];
  let order = 0;
  const isBefore = (a: Entry<T>, b: Entry<T>): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  return {
    get size() {
      return heap.length;
    },
    push(atMs, event) {
      let index = heap.push({ atMs, order: order++, event }) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!isBefore(heap[index]!, heap[parent]!)) break;
        [heap[index], heap[parent]] = [heap[parent]!, heap[index]!];
        index = parent;
      }
    },
    pop() {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined) return undefined;
      if (heap.length > 0) {
        heap[0] = last;
        let index = 0;
        for (;;) {
          let smallest = index;
          for (const child of [2 * index + 1, 2 * index + 2]) {
            if (child < heap.length && isBefore(heap[child]!, heap[smallest]!)) smallest = child;
          }
          if (smallest === index) break;
          [heap[index], heap[smallest]] = [heap[smallest]!, heap[index]!];
          index = smallest;
        }
      }
      return { atMs: first.atMs, event: first.event };
    },
  };
}

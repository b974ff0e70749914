import type { Clock } from "../../src/transport/clock.ts";

/** Time that goes on only when told. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();

  nowMs(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > end) break;
      this.#now = Math.max(this.#now, next.atMs);
      this.#timers.delete(next);
      next.run();
    }
    this.#now = end;
  }
}

/** Time as the transport sees it: tests bring their own, so that no claim about seconds depends on a machine's. */
export interface Clock {
  /** Milliseconds, monotonic. */
  nowMs(): number;
  /** Runs once after so many milliseconds; returns what cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** What the threads of the fuzzer share. */
export interface Job {
  readonly decoder: string;
  readonly executions: number;
  readonly seed: number;
  /** Run this alone instead. */
  readonly input?: Uint8Array | undefined;
}

/** Shared memory of a thread: a counter of its runs and its input's length (4 bytes each), then the input. */
export const ABOUT_HEADER = 8;

export interface ThreadData {
  readonly shared: SharedArrayBuffer;
  /** Controls alone are wanted, which need no world to take seeds from. */
  readonly isControlled: boolean;
}

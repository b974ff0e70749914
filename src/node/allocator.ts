/** How this process takes memory from Linux: what a member holds outside V8's heap are byte arrays that come and go by the megabyte. */

/**
 * For glibc's malloc, which reads it when a process begins. By itself it takes ever larger arrays from its heap, up to 32 MiB, and between
 * those that are left nothing of another size fits: the resident set grows on and on (docs/benchmarks.md). With the threshold where it was at first they are
 * given back when they are freed. Naming one threshold fixes the other, too, at a value at which small arrays give pages back and take them
 * again all the time. Arenas are one for each thread and give nothing to each other.
 */
export const ALLOCATOR: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: String(128 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(64 * 1024 * 1024),
  MALLOC_ARENA_MAX: "2",
};

/**
 * Begins this process anew with it, under the same process id: call before anything is open. Returns where that cannot be, where somebody
 * has chosen another allocator or set this one, and so the second time.
 */
export function beginWithAllocator({ env, execPath, execArgv, argv, platform, channel, execve } = process): void {
  const isChosen = env.LD_PRELOAD !== undefined || Object.keys(ALLOCATOR).some((name) => env[name] !== undefined);
  // A channel to whoever forked this process would not survive; Node has this call since 22.15.
  if (platform !== "linux" || isChosen || channel !== undefined || typeof execve !== "function") return;
  try {
    execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...env, ...ALLOCATOR });
  } catch {
    // Where the process may not do that, it goes on as it is.
  }
}

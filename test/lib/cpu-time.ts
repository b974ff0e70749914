/**
 * Milliseconds that this process itself has computed: for claims that something costs little. Wall-clock time would also
 * count what else runs on the machine, and fail on a busy one.
 */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

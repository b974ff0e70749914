/** What the doctor found, and what to do about it. */
export interface Finding {
  readonly name: string;
  /** `info` needs no action; `warning` works but should be changed; `problem` stops the member or weakens it. */
  readonly level: "ok" | "info" | "warning" | "problem";
  /** Whether the cause is on this machine or elsewhere. */
  readonly where: "here" | "elsewhere";
  readonly message: string;
  /** What to do; for warnings and problems. */
  readonly advice?: string;
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "shortMessage" in error ? String(error.shortMessage) : error.message;
}

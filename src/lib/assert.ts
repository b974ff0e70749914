/** Thrown when one of our own invariants is broken: a bug (or memory corruption), never bad input. The process must stop. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Asserts an invariant of ours. For other people's input use a typed error instead. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks a branch that the type system proves impossible. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${String(value)}`);
}

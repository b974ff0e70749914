/**
 * The one error base class. `code` is for programs, `shortMessage` for people, `details` for logs.
 * Rooms declare their own codes as a union and pass them through `ClocklessError<Code>`.
 */
export interface ClocklessErrorOptions {
  /** Values that a caller can act on or an operator needs; must contain no secret. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** Where the documentation explains this code. */
  readonly docsPath?: string | undefined;
  /** True when the same call may succeed later without any change. */
  readonly isTransient?: boolean | undefined;
  readonly cause?: unknown;
}

export class ClocklessError<Code extends string = string> extends Error {
  override readonly name: string = "ClocklessError";
  readonly code: Code;
  readonly shortMessage: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly docsPath: string | undefined;
  readonly isTransient: boolean;

  constructor(code: Code, shortMessage: string, options: ClocklessErrorOptions = {}) {
    super(`${shortMessage} [${code}]`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.shortMessage = shortMessage;
    this.details = options.details ?? {};
    this.docsPath = options.docsPath;
    this.isTransient = options.isTransient ?? false;
  }
}

export function isClocklessError(value: unknown, code?: string): value is ClocklessError {
  return value instanceof ClocklessError && (code === undefined || value.code === code);
}

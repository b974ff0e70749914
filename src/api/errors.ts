import { ClocklessError, type ClocklessErrorOptions } from "../lib/errors.ts";

/**
 * Codes a member's API answers with, and the HTTP status of each. Every error body is `{ error: { code, message, details } }`.
 * - badRequest: a parameter or the body is not what the endpoint takes; `details.issues` names the fields
 * - bodyTooLarge, urlTooLong, headersTooLarge: a limit of this member; nothing was read beyond it
 * - unsupportedMediaType: a body that is not application/json
 * - unknownInstruction, unknownSequence, unknownChain, unknownAccount, unknownLane, unknownEntry: well-formed, but not known here (any more)
 * - unknownEpoch: no such epoch here, or its snapshot is not held (any more); unknownDeals: nothing was dealt, or not so many
 * - unknownCheckpoint: this member has made none in this epoch yet, or it is not held any more
 * - unknownRoute, methodNotAllowed: no such endpoint
 * - rateLimited: too many requests from this address; `details.retryAfterMs`
 * - tooManyConnections, unavailable: this member cannot answer now; another can
 * - requestTimeout: the request did not arrive whole in time
 * - internal: a bug of the member; its log has the cause, the answer has not
 */
export const API_ERROR_STATUS = {
  badRequest: 400,
  unknownInstruction: 404,
  unknownSequence: 404,
  unknownChain: 404,
  unknownAccount: 404,
  unknownLane: 404,
  unknownEntry: 404,
  unknownEpoch: 404,
  unknownDeals: 404,
  unknownCheckpoint: 404,
  unknownRoute: 404,
  methodNotAllowed: 405,
  requestTimeout: 408,
  bodyTooLarge: 413,
  urlTooLong: 414,
  unsupportedMediaType: 415,
  rateLimited: 429,
  headersTooLarge: 431,
  internal: 500,
  tooManyConnections: 503,
  unavailable: 503,
} as const;

export type ServerErrorCode = keyof typeof API_ERROR_STATUS;

/**
 * What only the client can find:
 * - networkFailure: no answer (refused, reset, name not found)
 * - timeout: no whole answer within `timeoutMs`
 * - aborted: the caller's signal
 * - badAnswer: the answer is not what the schema says; a faulty or foreign server
 * - answerTooLarge: the answer passes `maxAnswerBytes`
 * - badUrl: the API's address is no http(s) URL
 */
export type ClientErrorCode = "networkFailure" | "timeout" | "aborted" | "badAnswer" | "answerTooLarge" | "badUrl";

export type ApiErrorCode = ServerErrorCode | ClientErrorCode;

const TRANSIENT: ReadonlySet<ApiErrorCode> = new Set<ApiErrorCode>([
  "requestTimeout",
  "rateLimited",
  "internal",
  "tooManyConnections",
  "unavailable",
  "networkFailure",
  "timeout",
]);

export class ApiError extends ClocklessError<ApiErrorCode> {
  override readonly name = "ApiError";
  /** HTTP status of the answer; undefined when there was none. */
  readonly status: number | undefined;

  constructor(
    code: ApiErrorCode,
    shortMessage: string,
    options: ClocklessErrorOptions & { readonly status?: number } = {},
  ) {
    super(code, shortMessage, { docsPath: `errors#api-${code}`, isTransient: TRANSIENT.has(code), ...options });
    this.status = options.status ?? (isServerErrorCode(code) ? API_ERROR_STATUS[code] : undefined);
  }
}

export function isServerErrorCode(value: unknown): value is ServerErrorCode {
  return typeof value === "string" && Object.hasOwn(API_ERROR_STATUS, value);
}

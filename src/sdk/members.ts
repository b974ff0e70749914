/** Several members' APIs as one source: asks until somebody gives an answer that passes the caller's own checks. */
import { type ApiClient, type CallOptions, createApiClient } from "../api/client.ts";
import type { ServerErrorCode } from "../api/errors.ts";
import { ClocklessError } from "../lib/errors.ts";
import { SdkError } from "./errors.ts";

export interface Members {
  readonly clients: readonly ApiClient[];
  /**
   * Runs `read` with one member after another until one succeeds. `read` verifies what it got and throws if it does not hold, so that
   * a lying member costs one more question and nothing else.
   * @throws SdkError notFound when all that answered know nothing, noAnswer otherwise, aborted
   */
  ask<T>(what: string, options: CallOptions, read: (client: ApiClient) => Promise<T>): Promise<T>;
  /**
   * Runs `read` with all members at once; failures are left out unless all fail. Waits for all of them, or until the answers so far
   * are enough: then a slow or silent member costs nothing. @throws SdkError as {@link ask}
   */
  askAll<T>(
    what: string,
    options: CallOptions,
    read: (client: ApiClient) => Promise<T>,
    isEnough?: (answers: readonly T[]) => boolean,
  ): Promise<readonly T[]>;
}

export interface Failure {
  readonly url: string;
  readonly code: string;
  readonly message: string;
}

export interface MembersOptions {
  readonly apis: readonly (string | ApiClient)[];
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly timeoutMs?: number | undefined;
}

/** @throws SdkError badParameters */
export function createMembers({ apis, fetch, timeoutMs }: MembersOptions): Members {
  if (apis.length === 0) throw new SdkError("badParameters", "name at least one member's API");
  const clients = apis.map((api) => (typeof api === "string" ? createApiClient({ url: api, fetch, timeoutMs }) : api));
  if (new Set(clients.map(({ url }) => url)).size !== clients.length)
    throw new SdkError("badParameters", "an API is named twice; agreement would count it twice");
  // Whoever answered last is asked first: a dead or lying member is not waited for at every call.
  let preferred = 0;

  return {
    clients,
    async ask(what, options, read) {
      const failures: Failure[] = [];
      let cause: unknown;
      for (let k = 0; k < clients.length; k++) {
        const index = (preferred + k) % clients.length;
        const client = clients[index]!;
        try {
          const answer = await read(client);
          preferred = index;
          return answer;
        } catch (error) {
          throwIfAborted(options.signal, error);
          failures.push(failureOf(client, error));
          cause = error;
        }
      }
      throw summarise(what, failures, cause);
    },
    async askAll<T>(
      what: string,
      options: CallOptions,
      read: (client: ApiClient) => Promise<T>,
      isEnough: (answers: readonly T[]) => boolean = () => false,
    ) {
      const answers: T[] = [];
      const failures: Failure[] = [];
      await new Promise<void>((resolve, reject) => {
        let open = clients.length;
        const one = async (client: ApiClient): Promise<void> => {
          try {
            answers.push(await read(client));
            if (isEnough(answers)) resolve();
          } catch (error) {
            throwIfAborted(options.signal, error);
            failures.push(failureOf(client, error));
          }
          if (--open === 0) resolve();
        };
        for (const client of clients) one(client).catch(reject);
      });
      if (answers.length === 0) throw summarise(what, failures, undefined);
      return answers;
    },
  };
}

/** The 404s of an API that does exist: an answer, not a failure. */
const NOT_FOUND: ReadonlySet<string> = new Set<ServerErrorCode>([
  "unknownInstruction",
  "unknownSequence",
  "unknownChain",
  "unknownAccount",
  "unknownLane",
  "unknownEntry",
]);

function throwIfAborted(signal: AbortSignal | undefined, cause: unknown): void {
  if (signal?.aborted === true) throw new SdkError("aborted", "aborted by the caller", { cause });
}

/** Foreign values fail in one of our typed errors; anything else is a bug of ours and goes through. */
function failureOf(client: ApiClient, error: unknown): Failure {
  if (!(error instanceof ClocklessError)) throw error;
  return { url: client.url, code: error.code, message: error.shortMessage };
}

function summarise(what: string, failures: readonly Failure[], cause: unknown): SdkError {
  const unknown = failures.filter(({ code }) => NOT_FOUND.has(code)).length;
  const details = { what, failures };
  if (unknown > 0 && unknown === failures.length)
    return new SdkError("notFound", `no member knows ${what}`, { details, cause });
  return new SdkError("noAnswer", `no member gave a usable answer for ${what}`, { details, cause });
}

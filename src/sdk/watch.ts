/** Certificates as they come, each verified, in rising order. */
import { ApiError } from "../api/errors.ts";
import { pause } from "../api/sse.ts";
import type { Certificate } from "../batch/types.ts";
import { ClocklessError } from "../lib/errors.ts";
import type { Suite } from "../threshold/types.ts";
import { requireFollowed } from "./certificates.ts";
import type { ReadContext } from "./context.ts";
import { SdkError } from "./errors.ts";

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: any suite whose key is pinned; a sequence comes once. */
  readonly suite?: Suite | undefined;
  /** Told whenever the stream moves on from a member, with the reason. */
  readonly onError?: ((error: ClocklessError, url: string) => void) | undefined;
  /** Pause after every member failed once. Default 1,000. */
  readonly retryMs?: number | undefined;
  /** A member that shows nothing new for so long is left for the next: it may hold back what the others have. Default 30,000. */
  readonly staleMs?: number | undefined;
}

const DEFAULT_RETRY_MS = 1_000;
const DEFAULT_STALE_MS = 30_000;

/**
 * Streams certificates from one member and moves on to the next when it breaks, goes silent, lies or shows nothing new for a while. Sequences rise; some may be left
 * out, because a newer certificate covers them. Ends when `signal` aborts.
 */
export async function* certificates(
  context: ReadContext,
  options: WatchOptions = {},
): AsyncGenerator<Certificate, void> {
  const { members } = context;
  const isStopped = (): boolean => options.signal?.aborted === true;
  let newest = 0n;
  for (let k = 0; !isStopped(); k++) {
    const client = members.clients[k % members.clients.length]!;
    // One connection per turn: our own rotation replaces the client's reconnecting.
    const turn = new AbortController();
    const onAbort = (): void => turn.abort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    let isStale = false;
    const onStale = (): void => {
      isStale = members.clients.length > 1;
      if (isStale) turn.abort();
    };
    let timer = setTimeout(onStale, options.staleMs ?? DEFAULT_STALE_MS);
    let failure: ClocklessError = new ApiError("networkFailure", "the stream ended");
    const onReconnect = (error: ApiError): void => {
      failure = error;
      turn.abort();
    };
    try {
      for await (const event of client.events({ signal: turn.signal, types: ["certificate"], onReconnect })) {
        if (event.type !== "certificate") continue;
        const { certificate } = event;
        if (options.suite !== undefined && certificate.suite !== options.suite) continue;
        if (context.committee.groupKeys[certificate.suite] === undefined || certificate.header.sequence <= newest)
          continue;
        await requireFollowed(context, client, certificate, { signal: turn.signal });
        newest = certificate.header.sequence;
        clearTimeout(timer);
        yield certificate;
        if (isStopped()) return;
        timer = setTimeout(onStale, options.staleMs ?? DEFAULT_STALE_MS);
      }
    } catch (error) {
      if (!(error instanceof ClocklessError)) throw error;
      failure = error;
    } finally {
      clearTimeout(timer);
      turn.abort();
      options.signal?.removeEventListener("abort", onAbort);
    }
    if (isStopped()) return;
    if (isStale) continue; // in a quiet committee that is nobody's fault
    options.onError?.(failure, client.url);
    if ((k + 1) % members.clients.length === 0) await pause(options.retryMs ?? DEFAULT_RETRY_MS, options.signal);
  }
}

/** Callback form of {@link certificates}. Returns the function that stops it. */
export function watchCertificates(
  context: ReadContext,
  options: WatchOptions & { readonly onCertificate: (certificate: Certificate) => void },
): () => void {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  options.signal?.addEventListener("abort", stop, { once: true });
  if (options.signal?.aborted === true) stop();
  const run = async (): Promise<void> => {
    for await (const certificate of certificates(context, { ...options, signal: controller.signal }))
      options.onCertificate(certificate);
  };
  run().catch((cause: unknown) => {
    // A throwing callback is the caller's bug: it stops the watch and is reported, never swallowed.
    const error =
      cause instanceof ClocklessError ? cause : new SdkError("badParameters", "a callback threw", { cause });
    options.onError?.(error, "");
  });
  return () => {
    options.signal?.removeEventListener("abort", stop);
    stop();
  };
}

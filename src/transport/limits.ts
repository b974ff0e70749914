/** Every bound of the transport and its reason. All per peer: one peer's excess costs only that peer. */
import { assert } from "../lib/assert.ts";

export interface TransportLimits {
  /** Largest message in bytes; refused from its length prefix, before anything is allocated for it. */
  readonly maxFrameBytes: number;
  /** Outgoing messages waiting for one peer, in bytes. Beyond it the oldest go: consensus re-sends what is asked for. */
  readonly maxQueuedBytes: number;
  /** Outgoing messages waiting for one peer: bounds the overhead of tiny ones. */
  readonly maxQueuedMessages: number;
  /** Sustained inbound bytes per second of one peer; a peer beyond it is read more slowly, nothing is lost. */
  readonly maxInboundBytesPerSecond: number;
  /** What waits for a peer that is not connected is dropped after so long: it asks for what it lacks when it is back. */
  readonly maxOfflineMs: number;
  /** A frame that a peer has begun may take so long, and its bytes' time at `minFrameBytesPerSecond`; then its stream is closed. */
  readonly frameGraceMs: number;
  readonly minFrameBytesPerSecond: number;
  /** First pause between dials in milliseconds; doubles up to `maxBackoffMs`, with jitter. */
  readonly minBackoffMs: number;
  /** Longest pause between dials in milliseconds: how long a healed partition may go unnoticed. */
  readonly maxBackoffMs: number;
  /** A dial or the opening of a stream that takes longer is given up. */
  readonly dialTimeoutMs: number;
  /** How often every connection is probed; a dead one (power loss, dropped NAT entry) is noticed after this plus `probeTimeoutMs`. */
  readonly probeIntervalMs: number;
  /** Answers may take this long before the connection is closed; generous, for slow links and busy peers are honest. */
  readonly probeTimeoutMs: number;
  /** Longest mute in milliseconds: a wrong verdict must heal by itself. */
  readonly maxMuteMs: number;
  /** Who is no member any more is sent the last of what waits for it for so long. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: TransportLimits = {
  // Far above any honest block (consensus limits them to a few MiB); a fetch reply with many blocks is split by its sender.
  maxFrameBytes: 8 * 1024 * 1024,
  // Four largest frames. A committee of 100 then holds at most 3.2 GiB for peers that are all offline, and in practice shares
  // the bytes between queues, since a broadcast is one buffer.
  maxQueuedBytes: 32 * 1024 * 1024,
  maxQueuedMessages: 16_384,
  // A hundred members at this rate saturate a 25 Gbit/s link; one member cannot take the process for itself.
  maxInboundBytesPerSecond: 32 * 1024 * 1024,
  // A lost link heals within; a member that was away for longer would spend its return on what is settled (half of it, measured).
  maxOfflineMs: 5_000,
  // Longer than a dead connection takes to be noticed; the largest frame takes nine minutes at the least rate.
  frameGraceMs: 30_000,
  minFrameBytesPerSecond: 16 * 1024,
  minBackoffMs: 100,
  maxBackoffMs: 10_000,
  dialTimeoutMs: 10_000,
  probeIntervalMs: 10_000,
  probeTimeoutMs: 20_000,
  maxMuteMs: 10 * 60_000,
  lingerMs: 10_000,
};

/** Completes and checks limits. A wrong pair is our own configuration bug and fails at start. */
export function resolveLimits(given: Partial<TransportLimits> = {}): TransportLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits))
    assert(Number.isSafeInteger(value) && value > 0, `${name} must be positive`);
  assert(limits.maxFrameBytes < 2 ** 32, "maxFrameBytes must fit the 4-byte length prefix");
  assert(limits.maxQueuedBytes >= limits.maxFrameBytes, "maxQueuedBytes must hold the largest frame");
  assert(limits.maxBackoffMs >= limits.minBackoffMs, "maxBackoffMs must not be below minBackoffMs");
  return limits;
}

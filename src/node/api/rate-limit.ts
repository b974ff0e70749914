/** A token bucket per client address. Not security, only fairness: an attacker with many addresses is stopped by the other limits. */

export interface RateLimit {
  /** Requests per second in the long run. */
  readonly perSecond: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

export interface RateLimiter {
  /**
   * 0 when the request may pass, otherwise the milliseconds until it may. `cost`: how many requests it counts as; more than a burst
   * counts as a whole burst, since it could never pass otherwise.
   */
  take(address: string, nowMs: number, cost?: number): number;
}

/** Addresses remembered; beyond it the least recently seen is forgotten and starts with a full bucket again. */
const MAX_ADDRESSES = 16_384;

export function createRateLimiter({ perSecond, burst }: RateLimit): RateLimiter {
  // Insertion order is order of use, because every use re-inserts.
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(address, nowMs, cost = 1) {
      const key = bucketKey(address);
      const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
      // A clock that steps back must not drain anybody.
      const elapsedMs = Math.max(0, nowMs - bucket.atMs);
      bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs * perSecond) / 1000);
      bucket.atMs = nowMs;
      buckets.delete(key);
      buckets.set(key, bucket);
      if (buckets.size > MAX_ADDRESSES) {
        const oldest = buckets.keys().next().value;
        if (oldest !== undefined) buckets.delete(oldest);
      }
      const price = Math.min(cost, burst);
      if (bucket.tokens < price) return Math.ceil(((price - bucket.tokens) * 1000) / perSecond);
      bucket.tokens -= price;
      return 0;
    },
  };
}

/** IPv6 by its /64, which is what one customer gets: otherwise one host has 2^64 buckets. */
export function bucketKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1] ?? address;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("%")[0]!.toLowerCase().split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}

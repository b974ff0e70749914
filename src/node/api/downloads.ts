/**
 * Large answers, each of which may take its client minutes: so many at once, so many to one address, so many bytes that are held for them
 * alone, and none slower than a least rate. Otherwise a few clients that read a byte now and then are all that a member serves.
 */
import type { ServerResponse } from "node:http";
import { ApiError } from "../../api/errors.ts";
import type { Clock } from "../../transport/clock.ts";
import { answerBytes } from "./answers.ts";
import { bucketKey } from "./rate-limit.ts";

export interface DownloadLimits {
  readonly maxDownloads: number;
  readonly maxDownloadsPerAddress: number;
  /** Of answers that were made for one client. */
  readonly maxLargeAnswerBytes: number;
  /** A client that takes nothing for so long is dropped; and one that is later than this and its bytes at `minBytesPerSecond`. */
  readonly stallMs: number;
  readonly minBytesPerSecond: number;
}

export interface Download {
  readonly bytes: Uint8Array;
  readonly type: string;
  readonly status: number;
  readonly immutable: boolean;
  /** The bytes are held for this answer alone; others are held anyhow. */
  readonly isOwn: boolean;
}

export interface Downloads {
  /** Before anything is read from the disk. @throws ApiError unavailable */
  requireRoom(address: string): void;
  /** Resolves when the answer is out or the client gone. @throws ApiError unavailable, before anything is sent */
  send(response: ServerResponse, address: string, download: Download): Promise<void>;
}

const RETRY_MS = 5_000;

export function createDownloads(limits: DownloadLimits, clock: Clock): Downloads {
  const running = new Map<string, number>();
  let count = 0;
  let ownBytes = 0;
  const tooMany = (): ApiError =>
    new ApiError("unavailable", "too many downloads at once", { details: { retryAfterMs: RETRY_MS } });
  const requireRoom = (address: string): void => {
    const own = running.get(bucketKey(address)) ?? 0;
    if (count >= limits.maxDownloads || own >= limits.maxDownloadsPerAddress) throw tooMany();
  };
  return {
    requireRoom,
    async send(response, address, { bytes, isOwn, ...kind }) {
      const key = bucketKey(address);
      if (isOwn) {
        if (ownBytes > 0 && ownBytes + bytes.length > limits.maxLargeAnswerBytes) throw tooMany();
        ownBytes += bytes.length;
      } else {
        requireRoom(address);
        count++;
        running.set(key, (running.get(key) ?? 0) + 1);
      }
      try {
        await answerBytes(response, bytes, { ...kind, ...limits, clock });
      } finally {
        if (isOwn) ownBytes -= bytes.length;
        else {
          count--;
          const left = (running.get(key) ?? 1) - 1;
          if (left > 0) running.set(key, left);
          else running.delete(key);
        }
      }
    },
  };
}

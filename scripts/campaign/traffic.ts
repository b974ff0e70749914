/**
 * Users who submit over HTTP to whoever answers, one instruction after the other per lane, and never give one up: what a member lost in
 * a crash before others had it is handed in again, the same bytes, until it has its receipt or is refused at the door for good.
 */
import { createApiClient } from "../../src/api/client.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import type { InstructionBody, Receipt, SignedInstruction } from "../../src/ledger/types.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import type { Random } from "../../src/testing/random.ts";
import type { User } from "../demo/users.ts";

export interface Submitted {
  readonly id: Hex;
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
  /** Undefined while it is under way. A code without a receipt: refused at the door. */
  outcome: { readonly receipt: Receipt | undefined; readonly code: string } | undefined;
  /** Times it was handed in. */
  attempts: number;
}

export interface Traffic {
  readonly submitted: readonly Submitted[];
  /** No new ones from now on; resolves when all have their outcome, or when `signal` aborts. */
  finish(): Promise<void>;
}

export interface TrafficOptions {
  readonly committeeId: Hex;
  readonly asset: Hex;
  readonly users: readonly User[];
  readonly lanesPerUser: number;
  readonly apiUrls: readonly string[];
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** More than anybody has: refused by the ledger, with a receipt. */
const OVERDRAFT = 10n ** 15n;
/** How long one member may take before another one is asked. */
const PATIENCE_MS = 3_000;
const POLL_MS = 60;
/** Refusals that say something of the member: it is behind the batch that is named, full, leaving, or knows of a receipt already. */
const NOT_FINAL: ReadonlySet<string> = new Set(["early", "mempoolFull", "retired", "repeated", "nonceUsed"]);
/** Refusals with a receipt that leave the lane's nonce free; so does every refusal at the door. */
const NONCE_FREE: ReadonlySet<string> = new Set(["late", "nonceUsed", "unknownSigner", "tooManyLanes"]);

export function ownerOf(user: User): Address {
  return user.account.address.toLowerCase() as Address; // CAST: an address stays one in lower case
}

export function startTraffic(options: TrafficOptions): Traffic {
  const { committeeId, asset, users, lanesPerUser, apiUrls, random, signal } = options;
  const clients = apiUrls.map((url) => createApiClient({ url, timeoutMs: 2_000 }));
  const submitted: Submitted[] = [];
  let isFinishing = false;
  let certified = 0n;

  /** What any member answers; undefined: this one did not. */
  const ask = async <T>(question: (client: (typeof clients)[number]) => Promise<T>): Promise<T | undefined> => {
    try {
      return await question(random.pick(clients));
    } catch (error) {
      if (!isClocklessError(error)) throw error;
      await pause(POLL_MS);
      return undefined;
    }
  };
  const receiptOf = async (id: Hex): Promise<Receipt | undefined> =>
    (await ask((client) => client.instruction(id)))?.receipt;

  const settle = async (signed: SignedInstruction, entry: Submitted): Promise<void> => {
    while (!signal.aborted) {
      const [result] = (await ask((client) => client.submit([signed]))) ?? [];
      entry.attempts++;
      if (result?.status === "refused" && !NOT_FINAL.has(result.code ?? "")) {
        entry.outcome = { receipt: undefined, code: result.code ?? "" };
        return;
      }
      const until = performance.now() + PATIENCE_MS;
      while (result !== undefined && performance.now() < until && !signal.aborted) {
        await pause(POLL_MS);
        const receipt = await receiptOf(entry.id);
        if (receipt === undefined) continue;
        entry.outcome = { receipt, code: receipt.code };
        return;
      }
    }
  };
  const run = async (from: number, lane: bigint): Promise<void> => {
    const user = users[from]!;
    for (let nonce = 0n; !isFinishing && !signal.aborted; ) {
      const to = (from + 1 + random.below(users.length - 1)) % users.length;
      const amount = random.chance(50) ? OVERDRAFT : BigInt(1 + random.below(100));
      const status = await ask((client) => client.status());
      if (status !== undefined && status.certifiedSequence > certified) certified = status.certifiedSequence;
      const body: InstructionBody = {
        kind: "transfer",
        from: accountIdOf(ownerOf(user)),
        to: accountIdOf(ownerOf(users[to]!)),
        ...{ asset, amount },
      };
      const head = { signer: ownerOf(user), lane, nonce, namedBatch: certified };
      const signed = signInstruction(user.secret, committeeId, { head, body });
      const entry: Submitted = {
        ...{ id: instructionId(signed.instruction), from, to, amount },
        ...{ outcome: undefined, attempts: 0 },
      };
      submitted.push(entry);
      await settle(signed, entry);
      const { outcome } = entry;
      if (outcome?.receipt !== undefined && !NONCE_FREE.has(outcome.code)) nonce += 1n;
      await pause(POLL_MS);
    }
  };
  const running = Promise.all(
    users.flatMap((_, from) => Array.from({ length: lanesPerUser }, (_, lane) => run(from, BigInt(lane)))),
  );
  running.catch(() => undefined);
  return {
    submitted,
    async finish() {
      isFinishing = true;
      await running;
    },
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

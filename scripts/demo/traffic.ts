/**
 * Instructions that never pause: users pass one unit around and back, so that in the end nobody has more or less. Every single
 * one is followed until it is final; one that is refused or lost fails the demo.
 */
import { createApiClient } from "../../src/api/client.ts";
import { accountIdOf, instructionId, signInstruction } from "../../src/ledger/instruction.ts";
import type { SignedInstruction } from "../../src/ledger/types.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import type { Address, Hex } from "../../src/lib/hex.ts";
import { DemoFailure, type Tracker } from "./tracker.ts";
import type { User } from "./users.ts";

/** Owners' lanes of the main job are numbered 0. */
const TRAFFIC_LANE = 1n;
const INTERVAL_MS = 150;
/** An entrance may be between two epochs, or just leaving. */
const SUBMIT_TIMEOUT_MS = 60_000;

export interface Traffic {
  readonly submitted: number;
  /** Fails when an instruction was refused or could not be submitted. */
  check(): void;
  /** Sends back what is out, and waits until everything is final. Answers how many instructions that was. */
  finish(timeoutMs: number, onProgress: (done: number, total: number) => void): Promise<number>;
}

export interface TrafficOptions {
  readonly committeeId: Hex;
  readonly asset: Hex;
  readonly users: readonly User[];
  /** Members that take submissions, at the moment of asking. */
  readonly entrances: () => readonly string[];
  readonly tracker: Tracker;
}

export function startTraffic({ committeeId, asset, users, entrances, tracker }: TrafficOptions): Traffic {
  const ids: Hex[] = [];
  const nonces = new Map<number, bigint>();
  let stopping = false;
  let failure: unknown;

  const transfer = async (from: User, to: User): Promise<void> => {
    const nonce = nonces.get(from.index) ?? 0n;
    nonces.set(from.index, nonce + 1n);
    const [source, target] = [accountOf(from), accountOf(to)];
    const body = { kind: "transfer", from: source, to: target, asset, amount: 1n } as const;
    const namedBatch = await withSomebody(
      entrances,
      async (url) => (await createApiClient({ url }).status()).certifiedSequence,
    );
    const signer = from.account.address.toLowerCase() as Address; // CAST: an address stays one in lower case
    const signed = signInstruction(from.secret, committeeId, {
      head: { signer, lane: TRAFFIC_LANE, nonce, namedBatch },
      body,
    });
    const id = instructionId(signed.instruction);
    tracker.submitted(id);
    ids.push(id);
    await withSomebody(entrances, (url) => submit(url, signed));
  };
  const run = async (): Promise<void> => {
    for (let turn = 0; !stopping; turn++) {
      const from = users[turn % users.length]!;
      const to = users[(turn + 1) % users.length]!;
      await transfer(from, to);
      await pause();
      await transfer(to, from);
      await pause();
    }
  };
  const running = run().catch((error: unknown) => {
    failure = error;
  });
  const check = (): void => {
    if (failure !== undefined) throw failure;
  };
  return {
    get submitted() {
      return ids.length;
    },
    check,
    async finish(timeoutMs, onProgress) {
      stopping = true;
      await running;
      check();
      await tracker.waitFinal(ids, timeoutMs, (done) => onProgress(done, ids.length));
      return ids.length;
    },
  };
}

async function submit(url: string, signed: SignedInstruction): Promise<void> {
  const [result] = await createApiClient({ url, timeoutMs: 10_000 }).submit([signed]);
  if (result?.status === "refused") {
    throw new DemoFailure(`a member refused an instruction: ${result.code} ${JSON.stringify(result.figures)}`);
  }
}

/** Asks one entrance after the other until one answers; each turn asks for the list anew. */
async function withSomebody<T>(entrances: () => readonly string[], ask: (url: string) => Promise<T>): Promise<T> {
  const deadline = performance.now() + SUBMIT_TIMEOUT_MS;
  for (let turn = 0; ; turn++) {
    const urls = entrances();
    try {
      return await ask(urls[turn % urls.length]!);
    } catch (error) {
      if (!isClocklessError(error) || !error.isTransient || performance.now() > deadline) throw error;
      await pause();
    }
  }
}

function accountOf({ account }: User): Hex {
  return accountIdOf(account.address.toLowerCase() as Address); // CAST: as above
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
}

/**
 * Follows one member's event stream and believes nothing: every certificate is verified under the group key before it counts,
 * the pinned one or one that handovers lead to.
 * Answers when an instruction was final, and measures how long that took.
 */
import type { ApiClient } from "../../src/api/client.ts";
import type { Receipt } from "../../src/ledger/types.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { minBigint } from "../../src/lib/math.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import type { Engine, Suite } from "../../src/threshold/types.ts";
import { createKeyFollower } from "./key-follower.ts";

export interface Tracker {
  submitted(id: Hex): void;
  /** Resolves when all are final; throws when one was refused or the time is over. */
  waitFinal(ids: readonly Hex[], timeoutMs: number, onProgress: (done: number) => void): Promise<void>;
  /** Milliseconds from submission to the verified certificates of all required suites. */
  readonly latenciesMs: readonly number[];
  /** By instruction: when it was submitted and which batch settled it. */
  readonly settled: ReadonlyMap<Hex, { readonly submittedMs: number; readonly sequence: bigint }>;
  readonly certificates: number;
  readonly newestSequence: bigint;
  /** Throws what went wrong while nobody waited. */
  check(): void;
  stop(): void;
}

export class DemoFailure extends Error {
  override readonly name = "DemoFailure";
}

export function startTracker(api: ApiClient, committee: Committee, engines: Readonly<Record<Suite, Engine>>): Tracker {
  const stop = new AbortController();
  const keys = createKeyFollower(api, committee, engines);
  const submitted = new Map<Hex, number>();
  const receipts = new Map<Hex, Receipt>();
  const settled = new Map<Hex, { submittedMs: number; sequence: bigint }>();
  const certified = new Map<Suite, bigint>(committee.requiredSuites.map((suite) => [suite, 0n]));
  const latenciesMs: number[] = [];
  const waitingFor = new Map<Hex, Receipt>();
  let certificates = 0;
  let failure: unknown;

  /** A newer certificate covers everything before it. */
  const finalSequence = (): bigint => [...certified.values()].reduce((lowest, sequence) => minBigint(sequence, lowest));
  const settle = (): void => {
    const final = finalSequence();
    for (const [id, receipt] of waitingFor) {
      if (receipt.sequence > final) continue;
      waitingFor.delete(id);
      const submittedMs = submitted.get(id)!;
      settled.set(id, { submittedMs, sequence: receipt.sequence });
      latenciesMs.push(performance.now() - submittedMs);
    }
  };
  const follow = async (): Promise<void> => {
    for await (const event of api.events({ signal: stop.signal, types: ["receipt", "certificate"] })) {
      if (event.type === "receipt") {
        receipts.set(event.receipt.instructionId, event.receipt);
        if (submitted.has(event.receipt.instructionId)) waitingFor.set(event.receipt.instructionId, event.receipt);
        settle();
      } else if (event.type === "certificate") {
        const { suite, header } = event.certificate;
        const isValid = await keys.verify(event.certificate);
        if (!isValid) throw new DemoFailure(`certificate ${header.sequence} (${suite}) does not verify`);
        certificates++;
        if (header.sequence > certified.get(suite)!) certified.set(suite, header.sequence);
        settle();
      }
    }
  };
  follow().catch((error: unknown) => {
    failure = error;
  });

  const check = (): void => {
    if (failure !== undefined) throw failure;
  };

  return {
    check,
    latenciesMs,
    settled,
    get certificates() {
      return certificates;
    },
    get newestSequence() {
      return finalSequence();
    },
    submitted(id) {
      submitted.set(id, performance.now());
      const known = receipts.get(id);
      if (known !== undefined) waitingFor.set(id, known);
    },
    async waitFinal(ids, timeoutMs, onProgress) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        check();
        let done = 0;
        for (const id of ids) {
          const receipt = receipts.get(id);
          if (receipt?.status === "refused") {
            throw new DemoFailure(`instruction ${id} was refused: ${receipt.code} ${JSON.stringify(receipt.figures)}`);
          }
          if (settled.has(id)) done++;
        }
        onProgress(done);
        if (done === ids.length) return;
        if (performance.now() > deadline)
          throw new DemoFailure(`only ${done} of ${ids.length} instructions are final after ${timeoutMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    stop: () => stop.abort(),
  };
}

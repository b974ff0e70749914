/** What the API tells about epochs: the ledger's live view of a change, and the store's record of how each epoch began. */
import type { EpochAnswer } from "../api/reconfiguration.ts";
import { headerDigest } from "../batch/header.ts";
import type { EpochsView } from "../ledger/reconfiguration/types.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { epochGenesis } from "../member/member.ts";
import type { TransactionCode } from "../member/types.ts";
import type { Store } from "../storage/port.ts";
import type { Committee } from "../threshold/committee.ts";
import { dealsOf, reconfigurationOf } from "./api/reconfiguration.ts";
import type { EpochsNodeView } from "./api/view.ts";
import { committeeAnswerOf } from "./committee-file.ts";
import { loadEpochRecord } from "./epoch-start.ts";

export interface EpochViewParts {
  /** Of the committee file: epoch 0. */
  readonly first: Committee;
  readonly genesis: LedgerGenesis;
  readonly store: Store;
  /** The ledger's; undefined where it changes no committee. */
  readonly epochs: () => EpochsView | undefined;
  readonly submit: (transactions: readonly Uint8Array[]) => Promise<readonly TransactionCode[]>;
}

export interface EpochView extends EpochsNodeView {
  /** The newest epoch that has begun here: what started it is on disk. */
  readonly current: EpochAnswer;
}

/** Answers have some kilobytes, and epochs are days apart. */
const KEPT_ANSWERS = 64;
const KEPT_SNAPSHOT_MS = 30_000;

export function createEpochView({ first, genesis, store, epochs, submit }: EpochViewParts): EpochView {
  const answers = new Map<bigint, EpochAnswer>();
  /** For as long as somebody is being sent it. */
  const snapshots = new Map<bigint, WeakRef<Uint8Array>>();
  /** The last one asked for, for a while longer: who asks and hangs up must not have it read again and again. */
  let kept: Uint8Array | undefined;
  let timer: NodeJS.Timeout | undefined;
  const keep = (bytes: Uint8Array | undefined): Uint8Array | undefined => {
    if (bytes === undefined) return undefined;
    kept = bytes;
    clearTimeout(timer);
    timer = setTimeout(() => {
      kept = undefined;
    }, KEPT_SNAPSHOT_MS).unref();
    return kept;
  };

  const beginningOf = (epoch: bigint): EpochAnswer | undefined => {
    if (epoch === first.epoch) return { committee: committeeAnswerOf(first, genesis), peers: [], certificates: [] };
    // Strangers choose the number; the store's are below 2^63.
    const record = epoch >> 63n === 0n && epoch > 0n ? loadEpochRecord(store, epoch) : undefined;
    if (record === undefined) return undefined;
    const { committee, peers, header, certificates } = record;
    const genesisHash = epochGenesis(committee.id, headerDigest(header, committee.id));
    return { committee: { ...committeeAnswerOf(committee, genesis), genesisHash }, peers, header, certificates };
  };
  const epochOf = (epoch: bigint): EpochAnswer | undefined => {
    const known = answers.get(epoch) ?? beginningOf(epoch);
    if (known === undefined) return undefined;
    answers.set(epoch, known);
    if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value!);
    return known;
  };
  const current = (): EpochAnswer => {
    // Between the closing batch and its certificates the ledger is in an epoch that has not begun.
    const settled = epochs()?.committee.epoch ?? first.epoch;
    const answer = epochOf(settled) ?? epochOf(settled - 1n);
    assert(answer !== undefined, "the beginning of the epoch that this node is in is stored");
    return answer;
  };

  return {
    get current() {
      return current();
    },
    epoch: (epoch) => (epoch === undefined ? current() : epochOf(epoch)),
    snapshot(epoch) {
      const shared = snapshots.get(epoch)?.deref();
      if (shared !== undefined) return keep(shared);
      snapshots.delete(epoch);
      const bytes = epoch >> 63n === 0n && epoch > 0n ? store.snapshot(epoch) : undefined;
      if (bytes !== undefined) snapshots.set(epoch, new WeakRef(bytes));
      return keep(bytes);
    },
    reconfiguration() {
      const live = epochs();
      return reconfigurationOf(live?.committee ?? first, live);
    },
    deals: (from) => dealsOf(epochs(), from),
    handovers: () => epochs()?.handovers ?? [],
    async submitTransactions(transactions) {
      const codes = await submit(transactions);
      return codes.map((code) => ({ code }));
    },
  };
}

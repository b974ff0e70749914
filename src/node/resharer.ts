/**
 * What a member asks of its node while its committee changes: to deal, to have others' deals verified ahead, to open its share. The
 * work is done by a thread, secrets come from and go to the key folder, and the answers go back into the member.
 *
 * Dealing twice in one attempt is a fault, and dealing the same randomness twice would give the share away: what was dealt is
 * written whole before a byte of it leaves, and after a restart the same bytes are sent again.
 */
import * as z from "zod";
import { hexBytes, uint64 } from "../api/wire.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import { encodeTransaction } from "../ledger/reconfiguration/codec.ts";
import { makeDealTransaction, type SignDigest } from "../ledger/reconfiguration/make.ts";
import type { AttemptView } from "../ledger/reconfiguration/types.ts";
import { bytesToHex, hexToBytes } from "../lib/hex.ts";
import type { MemberInput, ReshareTask, Shares } from "../member/types.ts";
import { type Store, StoreError } from "../storage/port.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import { type Engine, SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";
import type { ReshareWorker } from "./reshare-port.ts";
import { ReshareThreadError } from "./reshare-thread.ts";
import type { Verdicts } from "./verdicts.ts";

export interface ResharerParts {
  readonly worker: ReshareWorker;
  readonly verdicts: Verdicts;
  readonly keys: EpochKeys;
  readonly engines: Readonly<Record<Suite, Engine>>;
  readonly sign: SignDigest;
  readonly store: Pick<Store, "meta" | "write">;
  /** The committee whose shares of ours are known to be on disk; undefined: of none. */
  readonly holds: Committee | undefined;
  readonly logger: Logger;
  /** Back into the member. */
  readonly push: (input: MemberInput) => void;
  /** The store failed: the member must not go on. */
  readonly onFatal: (error: unknown) => void;
}

export interface Resharer {
  take(task: ReshareTask): void;
  /**
   * An epoch began and its start is on disk. Whatever opens older epochs is erased as soon as its own shares are on disk, too; at
   * once when we are no member of it (`self` undefined).
   */
  began(committee: Committee, self: number | undefined): void;
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>;
}

const THREAD_RETRIES = 2;

/** Newest deal of our own. */
const DEAL_KEY = "reshare/deal";
const storedDeal = z.object({ epoch: uint64, attempt: uint64, transaction: hexBytes });

export function createResharer(parts: ResharerParts): Resharer {
  const { worker, verdicts, keys, engines, sign, store, holds, logger, push, onFatal } = parts;
  const opening = new Set<string>();
  const underWay = new Set<Promise<void>>();
  /** Public keys that the shares on disk were checked against: opening a keystore takes a second, on purpose. */
  let checked: { readonly epoch: bigint; readonly keys: PublicKeys } | undefined = holds;
  let current: { readonly committee: Committee; readonly self: number | undefined } | undefined;

  const lastDeal = (): z.infer<typeof storedDeal> | undefined => {
    const text = store.meta(DEAL_KEY);
    return text === undefined ? undefined : storedDeal.parse(JSON.parse(text));
  };

  const isOver = (epoch: bigint): boolean => current !== undefined && current.committee.epoch >= epoch;

  const deal = async ({ proposal, contexts, kind }: AttemptView, dealer: number): Promise<void> => {
    const { epoch, attempt } = proposal;
    // A member that catches up is asked for what is over when its answer would come.
    if (isOver(epoch)) return;
    const last = lastDeal();
    if (last !== undefined && (last.epoch > epoch || (last.epoch === epoch && last.attempt >= attempt))) {
      // An older attempt than the one we dealt in last was superseded: nothing of it is wanted any more.
      if (last.epoch === epoch && last.attempt === attempt)
        push({ kind: "transactions", transactions: [hexToBytes(last.transaction)] });
      return;
    }
    const shares = await keys.shares(epoch - 1n);
    if (shares === undefined) {
      logger.warn("this member has no share of the current epoch and deals nothing", { epoch, attempt });
      return;
    }
    logger.info("dealing to the next committee", { epoch, attempt, attemptKind: kind });
    const dealt = await worker.deal(contexts, dealer, shares).finally(() => erase(shares));
    if (isOver(epoch)) return;
    const { dealers } = contexts["bls12-381"];
    const transaction = encodeTransaction(makeDealTransaction(contexts["bls12-381"], dealers[dealer]!, dealt, sign));
    const record = { epoch, attempt, transaction: bytesToHex(transaction) };
    store.write({ meta: [[DEAL_KEY, JSON.stringify(z.encode(storedDeal, record))]] });
    push({ kind: "transactions", transactions: [transaction] });
  };

  const open = async (task: ReshareTask & { readonly kind: "open" }): Promise<void> => {
    const { epoch, attempt } = task;
    const name = `${epoch}/${attempt}`;
    // Asked once for the attempt, and once more when its epoch begins meanwhile: one answer serves both.
    if (opening.has(name)) return;
    opening.add(name);
    try {
      await openOnce(task);
    } finally {
      opening.delete(name);
    }
  };

  const openOnce = async (task: ReshareTask & { readonly kind: "open" }): Promise<void> => {
    const { epoch, attempt, contexts, qualified, index, keys: publicKeys } = task;
    const answer = (shares: Shares): void => push({ kind: "shares", epoch, attempt, shares });
    const known = await keys.shares(epoch);
    if (known !== undefined && isShareOf(engines, publicKeys, index, known)) {
      checked = { epoch, keys: publicKeys };
      return answer(known);
    }
    const announced = contexts["bls12-381"].recipients[index]!.encryptionKey;
    const secret = await keys.encryptionKey(epoch, attempt, announced);
    if (secret === undefined) {
      logger.error(
        "the encryption key that was announced for this member is not in its key folder: it cannot open its share",
        {
          epoch,
          attempt,
          announced,
        },
      );
      return;
    }
    try {
      const shares = await worker.open(contexts, qualified, publicKeys, index, secret);
      await keys.saveShares(epoch, shares, publicKeys, index);
      checked = { epoch, keys: publicKeys };
      if (current?.committee.epoch === epoch) await eraseOld();
      logger.info("opened and stored this member's shares of the next epoch", { epoch, attempt });
      answer(shares);
    } finally {
      secret.fill(0);
    }
  };

  const isStored = async ({ epoch, keys: publicKeys }: Committee, self: number): Promise<boolean> => {
    if (checked?.epoch === epoch && isSame(checked.keys, publicKeys)) return true;
    const shares = await keys.shares(epoch);
    if (shares === undefined) return false;
    const isOurs = isShareOf(engines, publicKeys, self, shares);
    erase(shares);
    if (!isOurs) return false;
    checked = { epoch, keys: publicKeys };
    return true;
  };

  const eraseOld = async (): Promise<void> => {
    if (current === undefined) return;
    const { committee, self } = current;
    const { epoch } = committee;
    // Until they are opened, the encryption key is the only way to them.
    if (self !== undefined && !(await isStored(committee, self))) return;
    const erased = keys.eraseBefore(epoch);
    if (erased.length > 0) logger.info("erased the keys of epochs that are over", { epoch, erased });
  };

  const carryOut = async (task: ReshareTask): Promise<void> => {
    switch (task.kind) {
      case "deal":
        return deal(task.attempt, task.dealer);
      case "verify":
        for (const suite of SUITES) {
          const bytes = task.bundle.deals[suite];
          if (bytes !== undefined) await verdicts.prepare(task.contexts[suite], task.bundle.dealer, bytes);
        }
        return;
      case "open":
        return open(task);
    }
  };

  const run = (what: string, action: () => Promise<void>): void => {
    const attempt = async (left: number): Promise<void> => {
      try {
        await action();
      } catch (error) {
        if (error instanceof StoreError) return onFatal(error);
        // A thread ends when memory does. What it was asked for can be asked again; after a close it is refused for good.
        if (error instanceof ReshareThreadError && left > 0) return attempt(left - 1);
        logger.error(`could not ${what}; it is tried again when the node starts`, { error });
      }
    };
    const work = attempt(THREAD_RETRIES);
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };

  return {
    take: (task) => run(`${task.kind} for the next committee`, () => carryOut(task)),
    began(committee, self) {
      current = { committee, self };
      run("erase the keys of epochs that are over", eraseOld);
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

function erase(shares: Shares): void {
  for (const suite of SUITES) shares[suite].fill(0);
}

type PublicKeys = Readonly<Record<Suite, ThresholdKey>>;

function isSame(a: PublicKeys, b: PublicKeys): boolean {
  return SUITES.every((suite) => a[suite].publicShares.every((share, i) => share === b[suite].publicShares[i]));
}

/** True for the shares whose public halves the keys list at this index. */
export function isShareOf(
  engines: Readonly<Record<Suite, Engine>>,
  keys: Readonly<Record<Suite, ThresholdKey>>,
  index: number,
  shares: Shares,
): boolean {
  return SUITES.every(
    (suite) => bytesToHex(engines[suite].publicKey(shares[suite])) === keys[suite].publicShares[index],
  );
}

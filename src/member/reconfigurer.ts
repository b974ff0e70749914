/**
 * A member's part in changing its committee: which transactions it holds and proposes, what it asks its node to deal, verify and
 * open, and what it signs itself (READY with its new share, the handover with its old one). What all of it leads to is the
 * ledger's matter; this follows the ledger's view and never decides anything.
 */

import { LedgerError } from "../ledger/codes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { MAX_PAYLOAD_TRANSACTIONS } from "../ledger/limits.ts";
import { encodeTransaction, transactionId, tryDecodeTransaction } from "../ledger/reconfiguration/codec.ts";
import { makeHandoverPartial, makeReady } from "../ledger/reconfiguration/make.ts";
import type { AttemptView, EpochsView, EpochTransaction, ReshareScheme } from "../ledger/reconfiguration/types.ts";
import { assert } from "../lib/assert.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { EffectBuffer } from "./effect-buffer.ts";
import { assertShares, type Epoch } from "./epoch.ts";
import { tryDecodePayload } from "./payload.ts";
import type { SignOnce } from "./sign-once.ts";
import { faultOfTransaction } from "./transaction-check.ts";
import { TransactionPool } from "./transaction-pool.ts";
import type { MemberConfig, ReshareTask, Shares, TransactionCode } from "./types.ts";

/** Different deals of one dealer that are verified ahead: an honest one makes one, and others' cost us workers' time. */
const MAX_AHEAD = 2;

/** Answers every question of cryptography with yes: for what was checked when it came. */
const CHECKED_BEFORE: ReshareScheme = {
  faultOfDeal: () => undefined,
  aggregate: () => {
    throw new LedgerError("malformedBytes", "nothing is aggregated here");
  },
  verify: () => true,
  combine: () => "0x",
  faultOfAnnouncements: () => undefined,
  isSignedBy: () => true,
};

interface OpenedShares {
  readonly epoch: bigint;
  readonly attempt: bigint;
  readonly shares: Shares;
}

export class Reconfigurer {
  readonly #config: MemberConfig;
  readonly #scheme: ReshareScheme;
  /** Who we are, whatever the epoch; undefined for a learner. */
  readonly #address: Address | undefined;
  readonly #ledger: Ledger;
  readonly #out: EffectBuffer;
  readonly #register: SignOnce;
  readonly #pool: TransactionPool;
  /** Of the newest attempt that our node opened something for: an older one is superseded or over. */
  #opened: OpenedShares | undefined;
  /** Tasks that were given already for the current attempt. */
  readonly #given = new Set<ReshareTask["kind"]>();
  /** Deals of the current attempt that were given to be verified, by dealer. */
  readonly #ahead = new Map<number, Set<Hex>>();
  /** The task to open the current epoch's own shares was given. */
  #isOpening = false;
  #attempt: Hex | undefined;
  #phase: AttemptView["phase"] | undefined;

  constructor(
    config: MemberConfig,
    scheme: ReshareScheme,
    address: Address | undefined,
    { ledger, out, register }: { readonly ledger: Ledger; readonly out: EffectBuffer; readonly register: SignOnce },
  ) {
    this.#config = config;
    this.#scheme = scheme;
    this.#address = address;
    this.#ledger = ledger;
    this.#out = out;
    this.#register = register;
    this.#pool = new TransactionPool(Math.max(1, Math.floor(config.retainedRounds / 2)));
  }

  /** The ledger counts the rounds until the epoch closes: rounds must go on although nothing else waits. */
  get isClosing(): boolean {
    return this.#phase === "closing";
  }

  hasDue(round: number): boolean {
    return this.#pool.hasDue(round);
  }

  /** For a block of this round. */
  due(round: number, maxBytes: number): Uint8Array[] {
    return this.#pool.take(round, maxBytes, MAX_PAYLOAD_TRANSACTIONS);
  }

  /** Checks what somebody handed in, and holds it until it is ordered. A deal is worth verifying before that. */
  offer(bytes: Uint8Array): TransactionCode {
    const transaction = tryDecodeTransaction(bytes);
    if (transaction === undefined) return "malformed";
    const fault = faultOfTransaction(transaction, this.#epochs, this.#scheme);
    if (fault !== undefined) return fault;
    const code = this.#pool.add(transaction, bytes.slice());
    if (code === "accepted") this.#verifyAhead(transaction, bytes);
    return code;
  }

  /** Somebody's accepted block, not output yet: deals take long to verify, and while the order is made workers can. */
  lookAhead(payload: Uint8Array): void {
    if (this.#phase !== "dealing" || payload.length === 0) return;
    for (const bytes of tryDecodePayload(payload)?.transactions ?? []) {
      const transaction = tryDecodeTransaction(bytes);
      if (transaction?.kind !== "deal") continue;
      if (faultOfTransaction(transaction, this.#epochs, this.#scheme) === undefined)
        this.#verifyAhead(transaction, bytes);
    }
  }

  ordered(bytes: Uint8Array): void {
    this.#pool.ordered(bytes);
  }

  /** Shares that our node opened and stored. */
  opened(epoch: bigint, attempt: bigint, shares: Shares): void {
    if (this.#opened !== undefined && isOlder({ epoch, attempt }, this.#opened)) return;
    this.#opened = { epoch, attempt, shares };
  }

  /** The shares of the epoch that the ledger is in, if they were opened. */
  get shares(): Shares | undefined {
    const opened = this.#opened;
    const { committee, dealt } = this.#epochs;
    const attempt = dealt?.contexts["bls12-381"].attempt;
    return opened?.epoch === committee.epoch && opened.attempt === attempt ? opened.shares : undefined;
  }

  /** Everything of the old epoch is over. */
  renew(): void {
    this.#pool.clear();
    this.#begin(undefined);
    this.#isOpening = false;
    this.#phase = undefined;
  }

  /** Looks at the ledger after it went on (or at start), does what is due and asks the node for the rest. */
  refresh(epoch: Epoch): void {
    const epochs = this.#epochs;
    const { attempt } = epochs;
    if (attempt?.digest !== this.#attempt) this.#begin(attempt?.digest);
    this.#phase = attempt?.phase;
    this.#pool.prune((transaction) => faultOfTransaction(transaction, epochs, CHECKED_BEFORE) === undefined);
    const address = this.#address;
    if (address === undefined) return;
    this.#openCurrent(epochs, epoch);
    switch (attempt?.phase) {
      case "dealing":
        this.#deal(attempt, epoch, address);
        break;
      case "opening":
        this.#open(attempt, address);
        this.#ready(epochs, attempt, address);
        break;
      case "handover":
        this.#open(attempt, address);
        this.#handOver(attempt, epoch, address);
        break;
      case "closing":
        this.#open(attempt, address);
        break;
    }
  }

  get #epochs(): EpochsView {
    const { epochs } = this.#ledger;
    assert(epochs !== undefined, "a ledger that can change its committee knows its epochs");
    return epochs;
  }

  #deal(attempt: AttemptView, epoch: Epoch, address: Address): void {
    const dealer = epoch.self;
    // A generation deals fresh secrets, but only members that take part in this epoch are waited for.
    if (dealer === undefined || !epoch.isSigner || attempt.dealt.includes(address)) return;
    this.#once({ kind: "deal", attempt, dealer });
  }

  #open(attempt: AttemptView, address: Address): void {
    const { proposal, contexts, qualified, keys } = attempt;
    const index = proposal.members.findIndex((member) => member.address === address);
    if (index < 0 || keys === undefined || this.#sharesOf(attempt) !== undefined) return;
    const { epoch, attempt: number } = proposal;
    this.#once({ kind: "open", epoch, attempt: number, contexts, qualified, index, keys });
  }

  /** A member of this very epoch that has not opened its shares yet: what was dealt stays in the ledger for it. */
  #openCurrent({ committee, dealt }: EpochsView, { self, isSigner }: Epoch): void {
    if (self === undefined || isSigner || dealt === undefined || this.#isOpening) return;
    this.#isOpening = true;
    const { contexts, qualified } = dealt;
    const { attempt } = contexts["bls12-381"];
    const { epoch, keys } = committee;
    this.#ask({ kind: "open", epoch, attempt, contexts, qualified, index: self, keys });
  }

  /** READY: we hold the new share in every suite, and show it. */
  #ready({ committee }: EpochsView, attempt: AttemptView, address: Address): void {
    const shares = this.#sharesOf(attempt);
    const { proposal, keys, readyDigest, ready } = attempt;
    if (shares === undefined || keys === undefined || readyDigest === undefined || ready.includes(address)) return;
    if (this.#pool.has("ready", address, proposal.attempt)) return;
    const index = proposal.members.findIndex((member) => member.address === address);
    assertShares(this.#config, { keys }, index, shares);
    const { engines } = this.#config;
    this.#hold(
      makeReady(committee.id, engines, proposal, readyDigest, address, shares, (digest) => this.#sign(digest)),
    );
  }

  /** The old share's word for the new key. One digest per number for ever: the register of the member sees to that. */
  #handOver({ proposal, handover }: AttemptView, { self, shares }: Epoch, address: Address): void {
    if (handover === undefined || self === undefined || shares === undefined) return;
    if (handover.signed.includes(address) || this.#pool.has("handover", address, proposal.attempt)) return;
    const { statement, digest } = handover;
    if (this.#register.mayRegister("handover", statement.number, digest))
      this.#out.persistRegister("handover", statement.number, digest);
    this.#hold(makeHandoverPartial(this.#config.engines, proposal, digest, address, shares));
  }

  #begin(attempt: Hex | undefined): void {
    this.#attempt = attempt;
    this.#given.clear();
    this.#ahead.clear();
  }

  #hold(transaction: EpochTransaction): void {
    this.#pool.add(transaction, encodeTransaction(transaction));
  }

  #sign(digest: Hex): Hex {
    return this.#config.identities.sign(this.#config.secrets!.identity, digest);
  }

  #sharesOf({ proposal: { epoch, attempt } }: AttemptView): Shares | undefined {
    const opened = this.#opened;
    return opened?.epoch === epoch && opened.attempt === attempt ? opened.shares : undefined;
  }

  #verifyAhead(transaction: EpochTransaction, bytes: Uint8Array): void {
    const { committee, attempt } = this.#epochs;
    if (transaction.kind !== "deal" || attempt === undefined) return;
    const dealer = committee.members.findIndex(({ address }) => address === transaction.dealer);
    const known = this.#ahead.get(dealer) ?? new Set();
    const id = transactionId(bytes);
    if (known.has(id) || known.size >= MAX_AHEAD) return;
    this.#ahead.set(dealer, known.add(id));
    this.#ask({ kind: "verify", contexts: attempt.contexts, bundle: { dealer, deals: transaction.deals } });
  }

  #once(task: ReshareTask): void {
    if (this.#given.has(task.kind)) return;
    this.#given.add(task.kind);
    this.#ask(task);
  }

  #ask(task: ReshareTask): void {
    this.#out.show({ kind: "task", task });
  }
}

function isOlder(
  a: { readonly epoch: bigint; readonly attempt: bigint },
  b: { readonly epoch: bigint; readonly attempt: bigint },
): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.attempt < b.attempt);
}

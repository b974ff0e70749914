/**
 * Replays traces of epochs.qnt into the ledger: everything that the specification orders becomes a signed transaction in a round of
 * its own, and after each of them the ledger's epoch, approvals, deals and READYs must be what the specification says.
 *
 * What differs by design: the specification turns the page with the last READY, the ledger 8 output rounds later (they are output here
 * at once); a READY without a share, which the specification lets the malicious have, is one with a share here; approvals and deals
 * that come when there are enough are dropped by the ledger.
 */
import type { EpochTransaction, Proposal } from "../../src/ledger/reconfiguration/types.ts";
import { assert } from "../../src/lib/assert.ts";
import { people, World } from "../../test/ledger/reconfiguration/world.ts";
import { plain } from "./traces.ts";

const Q = 3;
const LAST_EPOCH = 2;

interface TracedEvent {
  readonly kind: "batch" | "approve" | "deal" | "ready";
  readonly by: number;
  readonly epoch: number;
  readonly isGood: boolean;
}

interface Meaning {
  readonly epoch: number;
  readonly approvals: readonly number[];
  readonly dealers: readonly number[];
  readonly readies: readonly number[];
  readonly headers: readonly { readonly epoch: number; readonly isClosing: boolean }[];
}

export interface EpochReplay {
  readonly events: number;
  readonly approvals: number;
  readonly deals: number;
  readonly badDeals: number;
  readonly readies: number;
  /** Transactions for an epoch that was over. */
  readonly late: number;
  readonly changes: number;
  /** What differs; empty when specification and code agree. */
  readonly differences: readonly string[];
}

/** `trace`: a parsed file in the Informal Trace Format. */
export function replayEpochTrace(trace: unknown): EpochReplay {
  const { order, meanings } = lastState(trace);
  const replay = new EpochReplayer();
  const differences: string[] = [];
  for (const [i, event] of order.entries()) {
    const meaning = meanings[i + 1]!;
    if (meanings[i]!.epoch < LAST_EPOCH) replay.follow(event);
    const differs = replay.compare(meaning);
    if (differs !== undefined) {
      differences.push(`event ${i} (${event.kind} by ${event.by}): ${differs}`);
      break;
    }
  }
  return { events: order.length, ...replay.counts, differences };
}

/** Variables have the names of the modules before their own. */
function lastState(trace: unknown): { readonly order: readonly TracedEvent[]; readonly meanings: readonly Meaning[] } {
  // CAST: written by quint from epochs.qnt; a file that is anything else fails in the replay
  const { states } = plain(trace) as { states: Record<string, unknown>[] };
  const variables = Object.entries(states.at(-1)!).map(([name, value]) => [name.split("::").at(-1), value]);
  // CAST: as above
  return Object.fromEntries(variables) as { order: TracedEvent[]; meanings: Meaning[] };
}

const MEMBERS = people("abcd");

class EpochReplayer {
  readonly counts = { approvals: 0, deals: 0, badDeals: 0, readies: 0, late: 0, changes: 0 };
  readonly #world = new World(MEMBERS);
  readonly #proposals: Proposal[] = [];
  /** Of epochs that are over, to be sent again by whoever is late. */
  readonly #sent = new Map<string, EpochTransaction>();

  follow(event: TracedEvent): void {
    const transaction = this.#transactionOf(event);
    if (transaction === undefined) this.#world.idle();
    else this.#world.carry(event.by, transaction);
    const { attempt } = this.#world.epochs;
    if (attempt?.phase !== "closing") return;
    const next = new Map(MEMBERS.map((who) => [who.address, this.#world.open(who)]));
    while (this.#world.idle()?.closes === undefined);
    this.#world.shares = next;
    this.counts.changes++;
  }

  /** What the ledger says otherwise than the specification. */
  compare({ epoch, approvals, dealers, readies, headers }: Meaning): string | undefined {
    const { ledger, epochs } = this.#world;
    if (Number(ledger.epoch) !== epoch) return `epoch ${epoch}, by the code ${ledger.epoch}`;
    const closings = this.#world.batches.filter((batch) => batch.closes !== undefined);
    const closed = headers.filter(({ isClosing }) => isClosing).map((header) => header.epoch);
    const byCode = closings.map(({ header }) => Number(header.epoch));
    if (byCode.join() !== closed.join()) return `closed epochs ${closed}, by the code ${byCode}`;
    const { attempt, open } = epochs;
    if ((attempt === undefined) !== approvals.length < Q)
      return `${approvals.length} approvals, no attempt by the code`;
    if (attempt === undefined) return difference("approvals", approvals, open[0]?.approvals ?? []);
    const dealt = attempt.qualified.map(({ dealer }) => MEMBERS[dealer]!.address);
    return difference("deals", dealers, dealt) ?? difference("READYs", readies, attempt.ready);
  }

  #transactionOf({ kind, by, epoch, isGood }: TracedEvent): EpochTransaction | undefined {
    const world = this.#world;
    const who = MEMBERS[by]!;
    if (kind === "batch") return undefined;
    const name = `${kind} ${by} ${epoch} ${isGood}`;
    if (epoch !== Number(world.ledger.epoch)) {
      const again = this.#sent.get(name);
      if (again !== undefined) this.counts.late++;
      return again;
    }
    const { attempt } = world.epochs;
    const make = (): EpochTransaction | undefined => {
      if (kind === "approve") {
        this.counts.approvals++;
        this.#proposals[epoch] ??= world.proposal(MEMBERS);
        return world.approve(this.#proposals[epoch], who);
      }
      if (kind === "deal" && attempt !== undefined) {
        this.counts[isGood ? "deals" : "badDeals"]++;
        return isGood ? world.deal(who) : this.#badDeal(by);
      }
      if (kind !== "ready" || attempt?.phase !== "opening") return undefined;
      this.counts.readies++;
      return world.ready(who);
    };
    const made = make();
    if (made !== undefined) this.#sent.set(name, made);
    return made;
  }

  /** Signed and well formed, but of another's share: not what the dealer has to deal. */
  #badDeal(by: number): EpochTransaction {
    const { shares } = this.#world;
    const own = shares.get(MEMBERS[by]!.address);
    const other = shares.get(MEMBERS[(by + 1) % MEMBERS.length]!.address);
    assert(own !== undefined && other !== undefined, "members have shares");
    this.#world.shares = new Map(shares).set(MEMBERS[by]!.address, other);
    const deal = this.#world.deal(MEMBERS[by]!);
    this.#world.shares = shares;
    return deal;
  }
}

function difference(what: string, members: readonly number[], addresses: readonly string[]): string | undefined {
  const specified = members.map((member) => MEMBERS[member]!.address).sort();
  const found = [...addresses].sort();
  return specified.join() === found.join() ? undefined : `${what} of ${members}, by the code ${found}`;
}

/**
 * The decision rule a second time, as plainly as consensus.md states it: everything is recomputed from the set of blocks, no
 * increments, no tables, no pruning. Shares no code with src/consensus but the block type. Variants are the controls of the
 * design page: each is a rule that looks right and forks.
 */
import type { BlockRef, VerifiedBlock } from "../../src/consensus/types.ts";

export type Variant =
  | "rule"
  /** When deciding by an anchor, look for certificates of the last window only. */
  | "anchorsReadLastWindowOnly"
  /** When deciding by an anchor, ignore the last window. */
  | "anchorsIgnoreLastWindow"
  /** Anchors at r + 4, r + 8, … */
  | "anchorsAtFour"
  /** Skip on the second window. */
  | "skipOnSecondWindow"
  /** Skip on the first window. */
  | "skipOnFirstWindow"
  /** Support walks parents in sorted order, the own block last. */
  | "ownBlockLast"
  /** Skip as soon as one twin lacks votes. */
  | "skipOneTwin"
  /** Q = 2f + 1. */
  | "quorumTwoFPlusOne";

export interface OracleOptions {
  readonly n: number;
  readonly blocks: readonly VerifiedBlock[];
  /** Coin leader of a round whose coin this view knows. */
  readonly coinLeader: (round: number) => number | undefined;
  readonly retainedRounds: number;
  readonly activityWindow: number;
  readonly variant?: Variant;
}

export type OracleStatus = { kind: "commit"; block: VerifiedBlock } | { kind: "skip" } | { kind: "undecided" };

export interface OracleRound {
  readonly round: number;
  readonly commits: readonly { readonly leader: string; readonly blocks: readonly string[] }[];
}

/** Thrown where the rule says "stop". */
export class OracleStop extends Error {}

export class Oracle {
  readonly #options: OracleOptions;
  readonly #n: number;
  readonly #quorum: number;
  readonly #byDigest: Map<string, VerifiedBlock>;
  readonly #memo = new Map<string, VerifiedBlock | undefined>();
  readonly #statuses = new Map<string, OracleStatus>();

  constructor(options: OracleOptions) {
    this.#options = options;
    this.#n = options.n;
    const f = Math.floor((options.n - 1) / 3);
    this.#quorum = options.variant === "quorumTwoFPlusOne" ? 2 * f + 1 : options.n - f;
    this.#byDigest = new Map(options.blocks.map((block) => [block.digest, block]));
  }

  at(round: number, author?: number): VerifiedBlock[] {
    return this.#options.blocks.filter(
      (block) => block.round === round && (author === undefined || block.author === author),
    );
  }

  /** Depth first over parents[0] and strong parents in stored order; the first block of (author, round) found. */
  support(from: VerifiedBlock, author: number, round: number): VerifiedBlock | undefined {
    if (from.round <= round) return from.round === round && from.author === author ? from : undefined;
    const key = `${from.digest}/${author}/${round}`;
    if (this.#memo.has(key)) return this.#memo.get(key);
    let refs: readonly BlockRef[] = from.parents.filter((ref, i) => i === 0 || ref.round === from.round - 1);
    if (this.#options.variant === "ownBlockLast") refs = [...refs.slice(1), refs[0]!];
    let found: VerifiedBlock | undefined;
    for (const ref of refs) {
      const parent = this.#byDigest.get(ref.digest);
      if (parent === undefined) continue;
      found = this.support(parent, author, round);
      if (found !== undefined) break;
    }
    this.#memo.set(key, found);
    return found;
  }

  /** c.round = v + 1 and ≥ Q distinct authors among c's parents of round v support L. */
  isCertificate(c: VerifiedBlock, v: number, leader: VerifiedBlock): boolean {
    if (c.round !== v + 1) return false;
    const authors = new Set<number>();
    for (const ref of c.parents) {
      const parent = this.#byDigest.get(ref.digest);
      if (ref.round !== v || parent === undefined) continue;
      if (this.support(parent, leader.author, leader.round) === leader) authors.add(ref.author);
    }
    return authors.size >= this.#quorum;
  }

  status(round: number, author: number): OracleStatus {
    const key = `${round}/${author}`;
    const known = this.#statuses.get(key);
    if (known !== undefined) return known;
    const status = this.#direct(round, author) ?? this.#indirect(round, author);
    this.#statuses.set(key, status);
    return status;
  }

  #direct(round: number, author: number): OracleStatus | undefined {
    const leaders = this.at(round, author);
    const committed = leaders.filter((leader) =>
      [1, 2, 3].some((window) => {
        const holders = this.at(round + window + 1).filter((c) => this.isCertificate(c, round + window, leader));
        return new Set(holders.map((c) => c.author)).size >= this.#quorum;
      }),
    );
    if (committed.length > 1) throw new OracleStop("two twins committed");
    const skipped = this.#isSkipped(round, author, leaders);
    if (skipped && committed.length > 0) throw new OracleStop("Commit beside Skip");
    const leader = committed[0];
    if (leader !== undefined) return { kind: "commit", block: leader };
    return skipped ? { kind: "skip" } : undefined;
  }

  #isSkipped(round: number, author: number, leaders: readonly VerifiedBlock[]): boolean {
    const { variant } = this.#options;
    const window = variant === "skipOnSecondWindow" ? 2 : variant === "skipOnFirstWindow" ? 1 : 3;
    const against = (isAgainst: (block: VerifiedBlock) => boolean): boolean =>
      new Set(
        this.at(round + window)
          .filter(isAgainst)
          .map((block) => block.author),
      ).size >= this.#quorum;
    if (variant === "skipOneTwin" && leaders.length > 0) {
      return leaders.some((leader) => against((block) => this.support(block, author, round) !== leader));
    }
    return against((block) => this.support(block, author, round) === undefined);
  }

  #indirect(round: number, author: number): OracleStatus {
    const step = this.#options.variant === "anchorsAtFour" ? 4 : 5;
    const highest = Math.max(0, ...this.#options.blocks.map((block) => block.round));
    for (let q = round + step; q <= highest; q += step) {
      const leader = this.#options.coinLeader(q);
      if (leader === undefined) return { kind: "undecided" };
      const anchor = this.status(q, leader);
      if (anchor.kind === "skip") continue;
      if (anchor.kind === "undecided") return anchor;
      return this.#byAnchor(round, author, anchor.block);
    }
    return { kind: "undecided" };
  }

  #byAnchor(round: number, author: number, anchor: VerifiedBlock): OracleStatus {
    const { variant } = this.#options;
    const windows =
      variant === "anchorsReadLastWindowOnly" ? [3] : variant === "anchorsIgnoreLastWindow" ? [1, 2] : [1, 2, 3];
    const cone = this.cone(anchor);
    const certified = this.at(round, author).filter((leader) =>
      [...cone].some((c) => windows.some((window) => this.isCertificate(c, round + window, leader))),
    );
    if (certified.length > 1) throw new OracleStop("two certified twins");
    const leader = certified[0];
    return leader === undefined ? { kind: "skip" } : { kind: "commit", block: leader };
  }

  /** All ancestors, weak links included, and the block itself. */
  cone(block: VerifiedBlock): Set<VerifiedBlock> {
    const cone = new Set([block]);
    for (const entry of cone) {
      for (const ref of entry.parents) {
        const parent = this.#byDigest.get(ref.digest);
        if (parent !== undefined) cone.add(parent);
      }
    }
    return cone;
  }

  /** Everything that is output, by rounds; with `partial`, the commits of the round in progress come last. */
  output(): OracleRound[] {
    const { retainedRounds, activityWindow } = this.#options;
    const done = new Set<VerifiedBlock>();
    const rounds: OracleRound[] = [];
    const present: Set<number>[] = [new Set()];
    const skipped: Set<number>[] = [new Set()];
    let committedRound = 0;
    for (let round = 1; ; round++) {
      const commits: { leader: string; blocks: string[] }[] = [];
      const nowPresent = new Set<number>();
      const nowSkipped = new Set<number>();
      for (const author of this.#slots(round, activityWindow, present, skipped)) {
        const status = this.status(round, author);
        if (status.kind === "undecided") return rounds;
        if (status.kind === "skip") {
          nowSkipped.add(author);
          continue;
        }
        const floor = committedRound - retainedRounds;
        const fresh = [...this.cone(status.block)].filter((block) => !done.has(block) && block.round > floor);
        fresh.sort((a, b) => a.round - b.round || a.author - b.author || (a.digest < b.digest ? -1 : 1));
        for (const block of fresh) {
          done.add(block);
          nowPresent.add(block.author);
        }
        commits.push({ leader: status.block.digest, blocks: fresh.map((block) => block.digest) });
        committedRound = round;
      }
      rounds.push({ round, commits });
      present.push(nowPresent);
      skipped.push(nowSkipped);
    }
  }

  /** Those that are there and not left out, and if these are fewer than Q the others, whoever is back soonest first. */
  #slots(round: number, window: number, present: Set<number>[], skipped: Set<number>[]): number[] {
    const queue = Array.from({ length: this.#n }, (_, place) => {
      const author = (round + place) % this.#n;
      let seen = 0;
      let from = 0;
      let length = 0;
      for (let r = 1; r < round; r++) {
        if (present[r]!.has(author)) seen = r;
        if (!skipped[r]!.has(author)) continue;
        const end = from + length;
        if (length === 0 || r > end + 4 * length) length = window;
        else if (r > end) length = Math.min(length * 4, window * 16);
        from = r;
      }
      const isAbsent = seen < round - window;
      const isOut = length > 0 && round <= from + length;
      return { author, place, class: isAbsent ? 2 : isOut ? 1 : 0, end: from + length };
    });
    const first = [...queue].sort(
      (a, b) => a.class - b.class || (a.class === 1 ? a.end - b.end : 0) || a.place - b.place,
    );
    const slots = new Set(first.filter((entry, i) => entry.class === 0 || i < this.#quorum));
    return queue.filter((entry) => slots.has(entry)).map(({ author }) => author);
  }
}

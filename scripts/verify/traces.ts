/** Replays traces of consensus.qnt into the shipping code: every verdict on a block, every status of every slot. */
import { COIN_DELAY } from "../../src/consensus/limits.ts";
import type { Status } from "../../src/testing/dag/rule.ts";
import { isShippable, ShippingView } from "../../src/testing/dag/shipping.ts";
import { Sketch, type SketchBlock } from "../../src/testing/dag/sketch.ts";

const N = 4;
const SKIP = -1;
const UNDECIDED = -2;

interface TracedBlock {
  readonly author: number;
  readonly round: number;
  readonly parents: readonly number[];
  readonly isValid: boolean;
  readonly cone: readonly number[];
}

interface TracedState {
  readonly blocks: readonly TracedBlock[];
  readonly accepted: ReadonlyMap<number, readonly number[]>;
  /** By member, then by "round/author". */
  readonly statuses: ReadonlyMap<number, ReadonlyMap<string, number>>;
  readonly coin: ReadonlyMap<number, number>;
}

export interface Replay {
  readonly states: number;
  readonly valid: number;
  readonly invalid: number;
  readonly commits: number;
  readonly skips: number;
  /** Slots that only an anchor decided. */
  readonly byAnchor: number;
  /** What differs; empty when specification and code agree. */
  readonly differences: readonly string[];
}

/** `trace`: a parsed file in the Informal Trace Format. */
export function replayTrace(trace: unknown): Replay {
  const states = statesOf(trace);
  const last = states.at(-1)!;
  const differences: string[] = [];
  const verdicts = { valid: 0, invalid: 0 };
  const taken = new Set<number>();
  for (const [id, block] of last.blocks.entries()) {
    if (block.round === 0) continue;
    const parents = block.parents.map((parent) => ({ ...last.blocks[parent]!, id: parent }));
    const isTaken = isShippable(N, { author: block.author, round: block.round, parents });
    verdicts[isTaken ? "valid" : "invalid"]++;
    if (isTaken) taken.add(id);
    if (isTaken !== block.isValid) differences.push(`block ${id}: ${isTaken ? "taken" : "refused"} by the code only`);
  }
  const { sketch, map } = sketchOf(last.blocks, taken);
  const seen = { commits: 0, skips: 0, byAnchor: 0 };
  let before: TracedState | undefined;
  for (const [index, state] of states.entries()) {
    for (const [member, accepted] of state.accepted) {
      if (before?.accepted.get(member)?.length === accepted.length) continue;
      const blocks = [...accepted].sort((a, b) => a - b).map((id) => map.get(id));
      if (blocks.includes(undefined)) {
        differences.push(`state ${index}: member ${member} accepted a block that rests on an invalid one`);
        continue;
      }
      // CAST: checked above
      compare(
        sketch,
        blocks as SketchBlock[],
        state,
        member,
        (what) => differences.push(`state ${index}: ${what}`),
        seen,
      );
    }
    before = state;
  }
  return { states: states.length, ...verdicts, ...seen, differences };

  function compare(
    sketch: Sketch,
    blocks: readonly SketchBlock[],
    state: TracedState,
    member: number,
    differ: (what: string) => void,
    counts: { commits: number; skips: number; byAnchor: number },
  ): void {
    const coin = coinOfView(blocks, state.coin);
    const view = new ShippingView(sketch, { coin, retainedRounds: 30, activityWindow: 3 });
    for (const block of blocks) view.add(block);
    for (const [slot, status] of state.statuses.get(member)!) {
      const [round, author] = slot.split("/").map(Number);
      const shipped = view.status(round!, author!);
      if (codeOf(shipped, map) !== status)
        differ(`member ${member}, slot ${slot}: ${status}, by the code ${shipped.kind}`);
      if (shipped.kind === "commit") counts.commits++;
      if (shipped.kind === "skip") counts.skips++;
      if (shipped.kind !== "undecided" && view.direct(round!, author!) === undefined) counts.byAnchor++;
    }
  }
}

function codeOf(status: Status, map: ReadonlyMap<number, SketchBlock>): number {
  if (status.kind !== "commit") return status.kind === "skip" ? SKIP : UNDECIDED;
  for (const [id, block] of map) if (block === status.block) return id;
  return Number.NaN;
}

/** Q authors have a block of round q + COIN_DELAY or later. */
function coinOfView(
  blocks: readonly SketchBlock[],
  coin: ReadonlyMap<number, number>,
): (q: number) => number | undefined {
  return (q) => {
    const authors = new Set(blocks.filter((block) => block.round >= q + COIN_DELAY).map((block) => block.author));
    return authors.size >= N - 1 ? coin.get(q) : undefined;
  };
}

/** Blocks that the code takes and that rest on such. */
function sketchOf(
  blocks: readonly TracedBlock[],
  taken: ReadonlySet<number>,
): { sketch: Sketch; map: Map<number, SketchBlock> } {
  const sketch = new Sketch(N);
  const map = new Map<number, SketchBlock>();
  for (const [id, block] of blocks.entries()) {
    if (block.round === 0) map.set(id, sketch.blocks[id]!);
    else if (block.cone.every((ancestor) => taken.has(ancestor) || blocks[ancestor]!.round === 0)) {
      const [previous, ...rest] = block.parents.map((parent) => map.get(parent)!);
      map.set(id, sketch.add(block.author, block.round, previous!, rest));
    }
  }
  return { sketch, map };
}

function statesOf(trace: unknown): TracedState[] {
  // CAST: written by quint from consensus.qnt; a file that is anything else fails in the replay
  const { states } = plain(trace) as { states: readonly Record<string, unknown>[] };
  return states.map((state) => {
    // CAST: as above; sets are arrays and maps are arrays of pairs after `plain`
    const { blocks, accepted, statuses, coin } = state as {
      blocks: TracedBlock[];
      accepted: [number, number[]][];
      statuses: [number, [[number, number], number][]][];
      coin: [number, number][];
    };
    return {
      blocks,
      accepted: new Map(accepted),
      coin: new Map(coin),
      statuses: new Map(
        statuses.map(([member, slots]) => [
          member,
          new Map(slots.map(([[round, author], status]) => [`${round}/${author}`, status])),
        ]),
      ),
    };
  });
}

/** The Informal Trace Format without its tags. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  // CAST: a non-null object
  const object = value as Record<string, unknown>;
  if (typeof object["#bigint"] === "string") return Number(object["#bigint"]);
  const inner = object["#set"] ?? object["#map"] ?? object["#tup"];
  if (inner !== undefined) return plain(inner);
  return Object.fromEntries(Object.entries(object).map(([key, entry]) => [key, plain(entry)]));
}

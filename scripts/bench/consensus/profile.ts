/** Where a member spends its time, from the CPU profile that it wrote. */
import { readFileSync } from "node:fs";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface HotSpot {
  /** Function, file and line. */
  readonly name: string;
  /** Share of the time that the process was not idle: in the function itself, and with what it called. */
  readonly self: number;
  readonly total: number;
}

/** Functions by their total share, largest first. */
export function hotSpots(file: string, limit: number): HotSpot[] {
  // CAST: written by V8's profiler
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as Profile;
  const parents = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const spots = new Map<string, { self: number; total: number }>();
  const spotOf = (name: string): { self: number; total: number } => {
    const spot = spots.get(name) ?? { self: 0, total: 0 };
    spots.set(name, spot);
    return spot;
  };
  let busy = 0;
  for (const [i, sample] of samples.entries()) {
    const spent = timeDeltas[i] ?? 0;
    const name = names.get(sample) ?? "";
    if (name.startsWith("(idle)") || name.startsWith("(root)")) continue;
    busy += spent;
    spotOf(name).self += spent;
    const seen = new Set<string>();
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      const caller = names.get(id) ?? "";
      if (!seen.has(caller)) spotOf(caller).total += spent;
      seen.add(caller);
    }
  }
  return [...spots]
    .map(([name, { self, total }]) => ({ name, self: self / busy, total: total / busy }))
    .filter(({ name }) => !name.startsWith("(root)"))
    .sort((a, b) => b.total - a.total)
    .slice(0, limit);
}

function nameOf({ functionName, url, lineNumber }: ProfileNode["callFrame"]): string {
  const place = url === "" ? "" : ` ${url.replace(/^.*\/(?=node_modules\/|src\/|scripts\/)/, "")}:${lineNumber + 1}`;
  return `${functionName === "" ? "(anonymous)" : functionName}${place}`;
}

/**
 * Exhaustive search over small DAGs (src/testing/dag/search.ts): the rule must never contradict itself, every control must.
 *
 *   node scripts/verify/search.ts [--json] [--long]     about a minute; --long compares the shipping code on every last state
 */
import { fileURLToPath } from "node:url";
import type { RuleName } from "../../src/testing/dag/rule.ts";
import { type SearchOptions, search } from "../../src/testing/dag/search.ts";
import type { Line } from "./lines.ts";
import { runLines } from "./lines.ts";

interface Task extends SearchOptions {
  readonly name: string;
  readonly isControl?: boolean;
}

export function searchTasks(isLong: boolean): Task[] {
  const verifyEvery = isLong ? 1 : 20;
  const tasks: Task[] = [];
  for (const evil of [0, 1, 2, 3]) {
    const base = { malicious: [evil], verifyEvery };
    tasks.push(
      { ...base, name: `equivocator ${evil}, its own slot, jumps`, slotAuthor: evil, hasJumps: true },
      {
        ...base,
        name: `equivocator ${evil}, an honest slot, jumps`,
        slotAuthor: (evil + 1) % 4,
        hasJumps: true,
        verifyEvery: 1,
      },
    );
  }
  tasks.push(
    {
      name: "three twins, jumps",
      slotAuthor: 1,
      malicious: [1],
      twins: 3,
      hasJumps: true,
      verifyEvery: 10 * verifyEvery,
    },
    { name: "every last state against the shipping code", slotAuthor: 0, verifyEvery: 1 },
    { name: "n = 5 (Q = 4, not 3)", n: 5, slotAuthor: 0, verifyEvery: 10 * verifyEvery },
    { name: "n = 5, an honest slot, jumps", n: 5, slotAuthor: 1, hasJumps: true, verifyEvery },
  );
  const controls: readonly RuleName[] = [
    "last-window-only",
    "ignore-last-window",
    "anchor-early",
    "early-skip",
    "first-skip",
    "twin-skip",
    "own-last",
  ];
  for (const rule of controls) tasks.push({ name: `control ${rule}`, rule, slotAuthor: 0, isControl: true });
  tasks.push({ name: "control two-f-plus-one", rule: "two-f-plus-one", n: 5, slotAuthor: 0, isControl: true });
  tasks.push({ name: "control f-plus-one", slotAuthor: 0, malicious: [0, 3], isControl: true });
  return tasks;
}

export function* searchLines(isLong: boolean): IterableIterator<Line> {
  for (const { name, isControl = false, ...options } of searchTasks(isLong)) {
    const started = performance.now();
    const { states, steps, verified, seen, isComplete, fork } = search(options);
    const isRight = isControl
      ? fork !== undefined
      : fork === undefined && isComplete && verified > 0 && seen.commit > 0 && seen.open > 0;
    const found =
      fork === undefined ? "no contradiction" : `contradiction: ${fork.what} (${fork.blocks.length} blocks)`;
    const size = `${states} states, ${steps} choices of parents, ${verified} DAGs against the shipping code`;
    yield {
      check: `search: ${name}`,
      isRight,
      figures: `${found}; ${isControl ? `${states} states` : size}; ${Math.round(performance.now() - started)} ms`,
    };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) runLines(searchLines(process.argv.includes("--long")));

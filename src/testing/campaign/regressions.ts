/**
 * Runs that once failed, with what was wrong. Run by every `npm test` and by `clockless simulate --regressions`. What the seed draws
 * changes with the simulator, so an entry is worth less the older it is; it stays because it costs little.
 */
import type { RunConfig } from "./plan.ts";

export interface Regression {
  readonly config: RunConfig;
  readonly why: string;
}

const base = { delays: "uniform", owners: 6 } as const;

export const REGRESSIONS: readonly Regression[] = [
  {
    config: { ...base, members: 7, adversary: "crash", seed: 104n, rounds: 120 },
    why: "a member never asked for what it had missed, and waited for it for ever",
  },
  {
    config: { ...base, members: 4, adversary: "garbage+lag", seed: 1n, rounds: 90, owners: 4 },
    why: "nothing was certified for more than K rounds, and what a member that came back then lacked had been dropped",
  },
  {
    config: { members: 4, adversary: "reshare", seed: 5003n, rounds: 35, delays: "unit", owners: 6 },
    why: "a member that opened its shares late took the next epoch's, which it had opened before, for its own, and stopped",
  },
  {
    config: { ...base, members: 7, adversary: "swarm", seed: 65n, rounds: 35 },
    why: "a member served a block whose signature had rotted on its disk, which its digest does not show, and was blamed for it",
  },
  {
    config: { ...base, members: 7, adversary: "mutate", seed: 811n, rounds: 15, owners: 5 },
    why: "the simulator took a list of two partials with the end cut off for one in which nothing is good",
  },
  {
    config: { ...base, members: 4, adversary: "garbage", seed: 5650n, rounds: 29, owners: 3 },
    why: "the simulator blamed a bad message for what was due at any message",
  },
  {
    config: { ...base, members: 4, adversary: "swarm", seed: 7434n, rounds: 45, owners: 2 },
    why: "a restarted member stood below the others' floor, and refused the checkpoint that led on because it had settled that batch",
  },
  {
    config: { ...base, members: 4, adversary: "mutate", seed: 9083n, rounds: 33, owners: 3 },
    why: "a reference with the digest of a block and another round was taken for that block, and stopped whoever accepted it",
  },
  {
    config: { members: 4, adversary: "reshare", seed: 14320n, rounds: 1, delays: "unit", owners: 4 },
    why: "the simulator never started a node again that had left a committee while it was behind, and was elected later",
  },
  {
    config: { ...base, members: 4, adversary: "equivocate", seed: 16183n, rounds: 30, owners: 2 },
    why: "the simulator wanted twins noticed of which everybody had got the same one",
  },
  {
    config: { ...base, members: 4, adversary: "reshare+mutate", seed: 2000n, rounds: 38, owners: 4 },
    why: "the simulator did not know of certificates that a malicious member was first to combine and to publish",
  },
  {
    config: { members: 4, adversary: "reshare+torn-disk", seed: 700087n, rounds: 40, delays: "unit", owners: 4 },
    why: "nobody told a member whose old peers were in no committee any more that its epoch was over, although it had been elected again",
  },
];

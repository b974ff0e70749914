/** What one member's view of the DAG is made of. Each file beside this one names, with `Pick`, what it works on. */
import { quorumOf } from "../lib/math.ts";
import { Activity } from "./activity.ts";
import { BlockCodec } from "./block.ts";
import { Bundles } from "./bundles.ts";
import { CoinPool } from "./coin-pool.ts";
import type { CommitterParts, DecisionRule } from "./committer.ts";
import { Dag } from "./dag.ts";
import { Exposure } from "./exposure.ts";
import { Fetcher } from "./fetcher.ts";
import { Linearizer } from "./linearizer.ts";
import { Pacing } from "./pacing.ts";
import { Peers } from "./peers.ts";
import { Pending } from "./pending.ts";
import { Proposer } from "./proposer.ts";
import { createBlockSigner } from "./signer.ts";
import { createFind } from "./stored-block.ts";
import type { BlockSigner, ConsensusConfig, VerifiedBlock } from "./types.ts";
import { Votes } from "./votes.ts";

export type CreateRule = (parts: CommitterParts) => DecisionRule;

export interface Parts {
  readonly config: ConsensusConfig;
  readonly n: number;
  readonly quorum: number;
  readonly codec: BlockCodec;
  readonly signer: BlockSigner;
  /** By author. */
  readonly genesis: readonly VerifiedBlock[];
  readonly dag: Dag;
  readonly votes: Votes;
  readonly activity: Activity;
  readonly linearizer: Linearizer;
  readonly committer: DecisionRule;
  readonly coins: CoinPool;
  readonly exposure: Exposure;
  readonly pending: Pending;
  readonly fetcher: Fetcher;
  readonly proposer: Proposer;
  readonly pacing: Pacing;
  readonly peers: Peers;
  readonly bundles: Bundles;
}

/** At genesis, or where the checkpoint ends. */
export function createParts(config: ConsensusConfig, createRule: CreateRule): Parts {
  const { self, retainedRounds, activityWindow, limits, checkpoint, readBlock } = config;
  const n = config.members.length;
  const quorum = quorumOf(n);
  const codec = config.createCodec?.(config) ?? new BlockCodec(config);
  const linearizer = new Linearizer(retainedRounds, {
    index: checkpoint?.commitIndex ?? 0n,
    digest: checkpoint?.commitDigest ?? config.genesisHash,
    committedRound: checkpoint?.committedRound ?? 0,
  });
  const genesis = codec.genesisBlocks();
  const dag = new Dag({
    n,
    self,
    retainedRounds,
    genesis,
    floor: linearizer.floor,
    checkpoint,
    find: readBlock === undefined ? undefined : createFind(codec, readBlock),
    budget: limits.maxHeldBytes,
  });
  const votes = new Votes(n, quorum);
  const activity = new Activity(n, quorum, activityWindow, checkpoint);
  const coins = new CoinPool(config.coin, quorum);
  const committer = createRule({
    n,
    dag,
    votes,
    activity,
    linearizer,
    coinLeader: (round) => coins.leader(round),
    round: (checkpoint?.round ?? 0) + 1,
  });
  const exposure = new Exposure(dag, n);
  const bundles = new Bundles(dag, n, n - quorum);
  const fetcher = new Fetcher(n, self, limits.maxFetchRefs, (ref) => bundles.fetched(ref.author));
  return {
    config,
    n,
    quorum,
    codec,
    signer: config.signer ?? createBlockSigner(),
    genesis,
    dag,
    votes,
    activity,
    linearizer,
    committer,
    coins,
    exposure,
    pending: new Pending(limits, n, (ref) => fetcher.want(ref, ref.author, 0, false)),
    fetcher,
    proposer: new Proposer(dag, exposure, limits),
    pacing: new Pacing(n),
    peers: new Peers(n, self),
    bundles,
  };
}

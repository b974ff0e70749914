/**
 * What a member is within one epoch: the DAG, the certifier and the coin of one committee and one set of shares. Nothing in here
 * knows another epoch: when the committee changes, the member lets go of this object whole and makes the next.
 */
import type { Certificate } from "../batch/types.ts";
import { decodeOrderTail, deriveCheckpoint } from "../consensus/checkpoint.ts";
import { Consensus } from "../consensus/consensus.ts";
import { MAX_PARTIALS as MAX_BLOCK_PARTIALS } from "../consensus/limits.ts";
import type {
  BatchPartial,
  CoinScheme,
  ConsensusConfig,
  ConsensusEffect,
  ProposalContent,
  VerifiedBlock,
} from "../consensus/types.ts";
import type { SettledBatch } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { SUITES } from "../threshold/types.ts";
import { Certifier } from "./certifier.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { MemberConfig, Shares } from "./types.ts";

export interface EpochParts {
  readonly committee: Committee;
  /** Binds the committee and what its ledger starts from. */
  readonly genesisHash: Hex;
  /** Batch that the epoch starts after. */
  readonly sequence: bigint;
  readonly self: number | undefined;
  readonly shares: Shares | undefined;
  /** Where the order goes on from within the epoch, and the digest of its last commit, which a certified header names. */
  readonly resume?: { readonly order: Uint8Array; readonly commit: Hex } | undefined;
}

export class Epoch {
  readonly committee: Committee;
  readonly self: number | undefined;
  readonly consensus: Consensus;
  readonly certifier: Certifier;
  readonly checkpoints: Checkpoints;
  readonly #config: MemberConfig;
  /** Accepted blocks with a payload that are not output yet, by digest: while there are any, rounds must go on quickly. */
  readonly #unsettled = new Map<Hex, number>();
  /** What was output before the checkpoint that we started from. */
  readonly #outputBefore: ReadonlySet<Hex>;
  /** Own partials not yet carried by an own block. */
  readonly #carried: BatchPartial[] = [];
  #shares: Shares | undefined;
  #coin: CoinScheme;

  /** Throws ConsensusError `badCheckpoint`. */
  constructor(config: MemberConfig, { committee, genesisHash, sequence, self, shares, resume }: EpochParts) {
    this.#config = config;
    this.committee = committee;
    this.self = self;
    this.#shares = shares;
    this.#coin = config.createCoin(committee, shares?.["bls12-381"]);
    this.certifier = new Certifier(committee, config.engines, config.limits.maxFuturePartials, sequence);
    const { retainedRounds, activityWindow } = config;
    const rules = { members: committee.members.length, genesisHash, retainedRounds, activityWindow };
    const tail = resume === undefined ? undefined : decodeOrderTail(resume.order);
    const checkpoint =
      resume === undefined || tail === undefined ? undefined : deriveCheckpoint(tail, resume.commit, rules);
    this.#outputBefore = new Set(checkpoint?.output.map(({ digest }) => digest));
    this.checkpoints = new Checkpoints(rules, { rounds: config.checkpointRounds, bytes: config.checkpointBytes }, tail);
    const consensus: ConsensusConfig = {
      committeeId: committee.id,
      epoch: committee.epoch,
      genesisHash,
      members: committee.members.map((member) => member.address),
      self,
      // Through us, because the share may come later than the epoch.
      coin: {
        share: (round) => this.#coin.share(round),
        combine: (round, shares) => this.#coin.combine(round, shares),
        verify: (round, signature) => this.#coin.verify(round, signature),
        leader: (round, signature) => this.#coin.leader(round, signature),
      },
      retainedRounds,
      activityWindow,
      limits: config.consensusLimits,
      signer: config.blockSigner,
      readBlock: config.readBlock,
      createCodec: config.createCodec,
      checkpoint,
    };
    this.consensus = new Consensus(consensus, config.createRule);
    this.keepServable(0);
  }

  /** What others need who start from a checkpoint of ours stays servable until there are newer ones. */
  keepServable(nowMs: number): readonly ConsensusEffect[] {
    const { servedFloor, finalFloor } = this.checkpoints;
    return servedFloor === undefined ? [] : this.consensus.serveAbove(servedFloor, finalFloor, nowMs);
  }

  get number(): bigint {
    return this.committee.epoch;
  }

  /** True when this member can propose and sign here. */
  get isSigner(): boolean {
    return this.self !== undefined && this.#shares !== undefined;
  }

  get shares(): Shares | undefined {
    return this.#shares;
  }

  get hasUnsettled(): boolean {
    return this.#unsettled.size > 0;
  }

  /** The round in which a block of ours may carry what is added now. */
  get nextRound(): number {
    return this.consensus.lastOwnRound + 1;
  }

  /** Shares that were opened after the epoch began: from now on this member signs. */
  take(shares: Shares): void {
    assert(this.self !== undefined && this.#shares === undefined, "shares come once, to a member of the committee");
    assertShares(this.#config, this.committee, this.self, shares);
    this.#shares = shares;
    this.#coin = this.#config.createCoin(this.committee, shares["bls12-381"]);
  }

  /** Own partials for a settled batch in every required suite that still needs them. */
  signBatch({ header, digest }: Pick<SettledBatch, "header" | "digest">): BatchPartial[] {
    const shares = this.#shares;
    if (this.self === undefined || shares === undefined) return [];
    const partials: BatchPartial[] = [];
    for (const suite of this.committee.requiredSuites) {
      if (!this.certifier.isOpen(header.sequence, suite)) continue;
      const signature = this.#config.engines[suite].sign(shares[suite], hexToBytes(digest));
      partials.push({ sequence: header.sequence, suite, digest, signature });
    }
    this.#carried.push(...partials);
    return partials;
  }

  /** A block entered the DAG. */
  accepted(block: VerifiedBlock): void {
    if (block.payload.length > 0 && !this.#outputBefore.has(block.digest))
      this.#unsettled.set(block.digest, block.round);
  }

  /** A block was output. */
  settled(digest: Hex): void {
    this.#unsettled.delete(digest);
  }

  /** What sank below the floor will not be output any more. */
  forgetSunk(): void {
    const { orderFloor } = this.consensus;
    for (const [digest, round] of this.#unsettled) if (round <= orderFloor) this.#unsettled.delete(digest);
  }

  /** After the log was replayed: what was accepted and not output, of which `output` holds the digests. */
  findUnsettled(output: ReadonlySet<Hex>): void {
    for (let round = Math.max(1, this.consensus.orderFloor + 1); round <= this.consensus.highestRound; round++) {
      for (const block of this.consensus.blocksAt(round)) if (!output.has(block.digest)) this.accepted(block);
    }
  }

  /** A block's content: the payload, and as many of the own partials as fit. */
  content(payload: Uint8Array): ProposalContent {
    return { payload, partials: this.#carried.splice(0, MAX_BLOCK_PARTIALS) };
  }

  /** Whether a certificate is what this epoch's group key signed. */
  isSigned({ suite, signature }: Certificate, digest: Hex): boolean {
    const groupKey = hexToBytes(this.committee.keys[suite].groupKey);
    return this.#config.engines[suite].verify(groupKey, hexToBytes(digest), hexToBytes(signature));
  }
}

/** Whether this is what a member of the committee signs with: shares that another attempt dealt are not. */
export function areSharesOf(
  { engines }: MemberConfig,
  { keys }: Pick<Committee, "keys">,
  index: number,
  shares: Shares,
): boolean {
  return SUITES.every(
    (suite) => keys[suite].publicShares[index] === bytesToHex(engines[suite].publicKey(shares[suite])),
  );
}

/** Shares come from our own disk: wrong ones are a broken installation, and what they sign would only get us blamed. */
export function assertShares(
  { engines }: MemberConfig,
  { keys }: Pick<Committee, "keys">,
  index: number,
  shares: Shares,
): void {
  for (const suite of SUITES) {
    const expected = keys[suite].publicShares[index];
    assert(
      expected === bytesToHex(engines[suite].publicKey(shares[suite])),
      `the ${suite} share does not belong to member ${index} of the committee`,
    );
  }
}

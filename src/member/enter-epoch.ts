/** Into an epoch: at its beginning, or within it from a checkpoint. */
import { headerDigest } from "../batch/header.ts";
import { genesisHash } from "../ledger/genesis.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { assert } from "../lib/assert.ts";
import { keccakOfHex } from "../lib/hash.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { Epoch } from "./epoch.ts";
import type { Checkpoint, MemberConfig, Shares } from "./types.ts";

/**
 * Genesis of an epoch's DAG: binds the committee and everything that its ledger starts from: the ledger genesis in the first epoch,
 * after that the digest of the batch that closed the one before.
 */
export function epochGenesis(committeeId: Hex, startsFrom: Hex): Hex {
  return keccakOfHex(committeeId, startsFrom);
}

/** Our index in a committee; undefined for a learner, and for whoever is no member of it. */
export function indexIn({ members }: Committee, address: Address | undefined): number | undefined {
  const index = members.findIndex((member) => member.address === address);
  return index < 0 ? undefined : index;
}

/** The operator's word counts: whoever lost what it signed in an epoch signs nothing more in it. */
export function signsIn(config: MemberConfig, epoch: bigint): boolean {
  return config.signsIn?.(epoch) ?? true;
}

/** `ledger` stands at the batch that closed the epoch before, or at the checkpoint's. Throws ConsensusError `badCheckpoint`. */
export function enterEpoch(
  config: MemberConfig,
  { sequence, digest }: Ledger,
  committee: Committee,
  self: number | undefined,
  shares: Shares | undefined,
  checkpoint?: Checkpoint,
): Epoch {
  const { genesis, start } = config;
  const isFirst = committee.epoch === genesis.epoch;
  assert(checkpoint === undefined || isFirst || start !== undefined, "a later epoch's genesis is in what started it");
  const closing = checkpoint === undefined || start === undefined ? digest : headerDigest(start.header, committee.id);
  const startsFrom = isFirst ? genesisHash(genesis) : closing;
  return new Epoch(config, {
    committee,
    genesisHash: epochGenesis(committee.id, startsFrom),
    sequence,
    self,
    shares: self !== undefined && signsIn(config, committee.epoch) ? shares : undefined,
    resume: checkpoint === undefined ? undefined : { order: checkpoint.order, commit: checkpoint.header.commit },
  });
}

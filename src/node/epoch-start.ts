/**
 * Where an epoch after the first begins: what a node that restarts, joins or fell behind needs before it can take part in it.
 * Nobody is trusted for any of it: the certificates sign the header under the group key, the header's `state` commits to the
 * snapshot, and the snapshot says who the committee is (`Ledger.restore` refuses anything else).
 */
import * as z from "zod";
import { proposedMember } from "../api/reconfiguration.ts";
import * as wire from "../api/wire.ts";
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import type { ProposedMember } from "../ledger/reconfiguration/types.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import type { Address } from "../lib/hex.ts";
import type { Store, StoredEpoch } from "../storage/port.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import { type Engine, SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";
import type { ReshareWorker } from "./reshare-port.ts";

/** An epoch's beginning without the ledger: small, kept and served for every epoch. */
export interface EpochRecord {
  /** Header of the batch that closed the epoch before. */
  readonly header: BatchHeader;
  /** Of that batch, in every suite that the epoch before required. */
  readonly certificates: readonly Certificate[];
  /** Of the epoch that begins; `committee.epoch` ≥ 1. */
  readonly committee: Committee;
  /** Where its members are found, by index. */
  readonly peers: readonly ProposedMember[];
}

export interface EpochStart extends EpochRecord {
  /** The ledger after the closing batch. */
  readonly snapshot: Uint8Array;
}

/**
 * What learning an epoch over HTTP has to go on (join.ts, catch-up.ts). It resolves with the start of an epoch above `after` whose
 * committee has us, everything in it verified. Our shares of it are in `keys` then, if they could be opened; whoever lacks them
 * follows the epoch as a learner, and opens them from the deals that its ledger keeps.
 */
export interface LearnContext {
  readonly apis: readonly string[];
  /** What is trusted from the start: the committee file's, or the newest this node took part in. */
  readonly committee: Committee;
  readonly genesis: LedgerGenesis;
  /** secp256k1 secret. */
  readonly identity: Uint8Array;
  readonly keys: EpochKeys;
  readonly worker: ReshareWorker;
  readonly engines: Readonly<Record<Suite, Engine>>;
  /** Newest epoch that this node knows; undefined: none, the first would do as well, but then it would be in the committee file. */
  readonly after: bigint | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const MAX_MEMBERS = 4096;

const thresholdKey: z.ZodType<ThresholdKey> = z.object({
  suite: wire.suite,
  threshold: z.int().positive(),
  groupKey: wire.hexBytes,
  publicShares: wire.list(wire.hexBytes, MAX_MEMBERS),
});

const committee: z.ZodType<Committee> = z.object({
  id: wire.bytes32,
  epoch: wire.uint64,
  members: wire.list(z.object({ address: wire.address }), MAX_MEMBERS),
  keys: z.object({ "bls12-381": thresholdKey, bn254: thresholdKey }),
  requiredSuites: wire.list(wire.suite, SUITES.length),
});

const epochRecord: z.ZodType<EpochRecord> = z.object({
  header: wire.batchHeader,
  certificates: wire.list(wire.certificate, SUITES.length),
  committee,
  peers: wire.list(proposedMember, MAX_MEMBERS),
});

/** JSON as the store keeps it. */
export function encodeEpochRecord({ header, certificates, committee, peers }: EpochRecord): string {
  return JSON.stringify(z.encode(epochRecord, { header, certificates, committee, peers }));
}

export function decodeEpochRecord(json: string): EpochRecord {
  return epochRecord.parse(JSON.parse(json));
}

/** Row of the store; `ours`: this node takes part in the epoch, so that the log of the one before is dropped. */
export function storedEpochOf(start: EpochStart, ours: boolean): StoredEpoch & { snapshot: Uint8Array; ours: boolean } {
  assert(start.committee.epoch >= 1n, "the first epoch begins at its genesis");
  return { epoch: start.committee.epoch, json: encodeEpochRecord(start), snapshot: start.snapshot, ours };
}

/** The newest epoch that this node takes part in; undefined before the first change it went through. */
export function loadEpochStart(store: Store): EpochStart | undefined {
  const stored = store.epochStart();
  return stored && { ...decodeEpochRecord(stored.json), snapshot: stored.snapshot };
}

/** Any epoch ≥ 1 that this node went through; undefined otherwise. */
export function loadEpochRecord(store: Store, epoch: bigint): EpochRecord | undefined {
  const stored = store.epoch(epoch);
  return stored && decodeEpochRecord(stored.json);
}

export function indexOf(committee: Committee, address: Address): number | undefined {
  const index = committee.members.findIndex((member) => member.address === address);
  return index < 0 ? undefined : index;
}

/**
 * Whether an epoch began as somebody says. Trusted is one committee, by configuration or because this node took part in it; from
 * there on keys sign: a group key the handover to the next one, and the header that closed the epoch before. The header's `state`
 * commits to the ledger's snapshot, and the ledger says who the new committee is. Nothing else that a member serves is used.
 *
 * What this cannot find out: whether there is a newer epoch than all of the asked members admit. And whoever got hold of t shares of
 * a key that was handed over can tell a stranger another story from that epoch on; so trust what is newest, not what is oldest.
 */
import type { EpochAnswer } from "../api/reconfiguration.ts";
import { verifyCertificate } from "../batch/certificate.ts";
import { groupKeyHash, verifyHandover } from "../batch/handover.ts";
import { headerDigest } from "../batch/header.ts";
import type { BatchHeader, Certificate } from "../batch/types.ts";
import type { ProposedMember, SignedHandover } from "../ledger/reconfiguration/types.ts";
import { equalBytes } from "../lib/bytes.ts";
import { ClocklessError } from "../lib/errors.ts";
import { type Hex, hexToBytes } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { encodePublicKeyForVerifier } from "../threshold/evm.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";

/**
 * - `wrongCommittee`: another committee than the trusted one, or than the one that the ledger names.
 * - `badHandover`: a handover that the key before did not sign, that is not the next one, or that names another key than is served.
 * - `badCertificate`: the header that closed the epoch before is not certified in every required suite by that epoch's key.
 * - `badSnapshot`: not the ledger that the header commits to, or not one that begins an epoch.
 * - `staleEpoch`: an epoch that this node has left behind.
 * - `badProposal`: a change whose announcements are not in order, or with another digest than is told.
 * - `wrongDeals`: deals that are not valid, or not what makes the keys that are told.
 * - `refusedReady`: no member takes our READY, so that we were told of other deals or another attempt than theirs.
 * - `aborted`: the caller's signal.
 */
export type JoinErrorCode =
  | "wrongCommittee"
  | "badHandover"
  | "badCertificate"
  | "badSnapshot"
  | "staleEpoch"
  | "badProposal"
  | "wrongDeals"
  | "refusedReady"
  | "aborted";

export class JoinError extends ClocklessError<JoinErrorCode> {
  override readonly name = "JoinError";
}

export type GroupKeys = Readonly<Record<Suite, Hex>>;

/** What everything is verified against. */
export interface Trust {
  readonly committee: Committee;
  readonly engines: Readonly<Record<Suite, Engine>>;
}

/** The certified end of an epoch; the ledger is still to be seen. */
export interface Beginning {
  readonly header: BatchHeader;
  /** One for each required suite. */
  readonly certificates: readonly Certificate[];
}

/**
 * The group keys that signed in `epoch`, not before the trusted committee's: from its key along the handovers.
 * @throws JoinError badHandover
 */
export function keysAt({ committee, engines }: Trust, handovers: readonly SignedHandover[], epoch: bigint): GroupKeys {
  const refuse = (reason: string, number: bigint): never => {
    throw new JoinError("badHandover", `handover ${number} ${reason}`, { details: { number } });
  };
  let keys: GroupKeys = {
    "bls12-381": committee.keys["bls12-381"].groupKey,
    bn254: committee.keys.bn254.groupKey,
  };
  let next: bigint | undefined;
  for (const { statement, signatures, epoch: since, groupKeys } of handovers) {
    if (since > epoch) break;
    // Those before the trusted committee's key are nothing to us.
    const isOfOurs = SUITES.some((suite) => statement.oldKeyHashes[suite] === groupKeyHash(suite, keys[suite]));
    if (next === undefined && !isOfOurs) continue;
    if (next !== undefined && statement.number !== next) refuse("is not the next one", statement.number);
    if (since <= committee.epoch) refuse("is from before an epoch that still had the old key", statement.number);
    for (const suite of SUITES) {
      if (!verifyHandover(engines[suite], keys[suite], committee.id, statement, signatures[suite]))
        refuse(`is not signed by the ${suite} key before it`, statement.number);
      if (!isEncoded(suite, groupKeys[suite], statement.newKeys[suite]))
        refuse(`names another ${suite} key than it comes with`, statement.number);
    }
    keys = groupKeys;
    next = statement.number + 1n;
  }
  return keys;
}

/**
 * The header that closed the epoch before the served one, certified by that epoch's keys.
 * @throws JoinError wrongCommittee, staleEpoch, badHandover, badCertificate
 */
export function verifyBeginning(
  trust: Trust,
  { committee: served, header, certificates }: EpochAnswer,
  handovers: readonly SignedHandover[],
): Beginning {
  const { committee, engines } = trust;
  if (served.committeeId !== committee.id)
    throw new JoinError("wrongCommittee", "an epoch of another committee", {
      details: { served: served.committeeId, trusted: committee.id },
    });
  if (header === undefined || served.epoch <= committee.epoch)
    throw new JoinError("staleEpoch", "no later epoch than the trusted one", {
      details: { served: served.epoch, trusted: committee.epoch },
    });
  if (header.epoch + 1n !== served.epoch)
    throw new JoinError("badCertificate", "the header is not of the epoch before", {
      details: { header: header.epoch, epoch: served.epoch },
    });
  const keys = keysAt(trust, handovers, header.epoch);
  const digest = headerDigest(header, committee.id);
  const chosen = committee.requiredSuites.map((suite) => {
    const certificate = certificates.find((candidate) => candidate.suite === suite);
    const isOf = certificate !== undefined && headerDigest(certificate.header, committee.id) === digest;
    if (!isOf || !verifyCertificate(engines[suite], keys[suite], committee.id, certificate))
      throw new JoinError("badCertificate", `the end of the epoch before is not certified in ${suite}`, {
        details: { suite, sequence: header.sequence, epoch: header.epoch },
      });
    return certificate;
  });
  return { header, certificates: chosen };
}

/** What a ledger made from a snapshot says of itself (ledger/ledger.ts). */
export interface RestoredLedger {
  readonly committee: Committee;
  readonly peers: readonly ProposedMember[];
}

/**
 * The ledger that an epoch began with. `restore` refuses snapshots that `header.state` does not commit to.
 * @throws JoinError badSnapshot
 */
export function verifySnapshot<L extends RestoredLedger>(
  { header }: Beginning,
  snapshot: Uint8Array,
  restore: (header: BatchHeader, snapshot: Uint8Array) => L,
): L {
  let ledger: L;
  try {
    ledger = restore(header, snapshot);
  } catch (cause) {
    // Whatever foreign bytes did in there: it is not the ledger that was certified.
    throw new JoinError("badSnapshot", "the snapshot is not the ledger that the certified header commits to", {
      details: { sequence: header.sequence, bytes: snapshot.length },
      cause,
    });
  }
  // Every batch is certified, but only the last of an epoch begins another one.
  if (ledger.committee.epoch !== header.epoch + 1n)
    throw new JoinError("badSnapshot", "the batch did not end its epoch", {
      details: { sequence: header.sequence, epoch: header.epoch },
    });
  return ledger;
}

/** Whoever tells of another committee than the certified ledger's lies. @throws JoinError wrongCommittee */
export function requireServed(answer: EpochAnswer, { committee, peers }: RestoredLedger): void {
  if (!isServed(answer, committee, peers))
    throw new JoinError("wrongCommittee", "the committee is not the one that the ledger names", {
      details: { epoch: committee.epoch },
    });
}

function isServed(answer: EpochAnswer, committee: Committee, peers: readonly ProposedMember[]): boolean {
  const served = answer.committee;
  const isSameKey = (suite: Suite): boolean => {
    const { groupKey, publicShares, threshold } = committee.keys[suite];
    const other = served.keys[suite];
    return (
      other !== undefined &&
      other.groupKey === groupKey &&
      served.threshold === threshold &&
      isSameList(other.publicShares, publicShares, (a, b) => a === b)
    );
  };
  return (
    served.committeeId === committee.id &&
    served.epoch === committee.epoch &&
    isSameList(served.members, committee.members, (a, b) => a.address === b.address) &&
    isSameList(served.requiredSuites, committee.requiredSuites, (a, b) => a === b) &&
    SUITES.every(isSameKey) &&
    isSameList(answer.peers, peers, isSamePeer)
  );
}

function isSamePeer(a: ProposedMember, b: ProposedMember): boolean {
  return (
    a.address === b.address &&
    a.publicKey === b.publicKey &&
    a.encryptionKey === b.encryptionKey &&
    a.proof === b.proof &&
    a.signature === b.signature &&
    isSameList(a.multiaddrs, b.multiaddrs, (x, y) => x === y)
  );
}

function isSameList<A, B>(a: readonly A[], b: readonly B[], isSame: (a: A, b: B) => boolean): boolean {
  return a.length === b.length && a.every((item, i) => isSame(item, b[i]!));
}

function isEncoded(suite: Suite, groupKey: Hex, verifierKey: Hex): boolean {
  try {
    return equalBytes(encodePublicKeyForVerifier(suite, hexToBytes(groupKey)), hexToBytes(verifierKey));
  } catch {
    // No public key of the suite: strangers choose these bytes.
    return false;
  }
}

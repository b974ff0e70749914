/**
 * Everything of `Epochs` as bytes: for snapshots whole, and for the state root with each deal replaced by the digest that its dealer
 * signed. One encoder for both, so that the root commits to all that a snapshot restores.
 */
import { type Handover, handoverDigest } from "../../batch/handover.ts";
import { keccak256 } from "../../lib/hash.ts";
import { type Address, bytesToHex, type Hex } from "../../lib/hex.ts";
import { compareText } from "../../lib/math.ts";
import type { DealContext } from "../../threshold/associated-data.ts";
import { dealBundleDigest } from "../../threshold/deal-select.ts";
import { SUITES, type Suite, type ThresholdKey } from "../../threshold/types.ts";
import { type ByteReader, ByteWriter, badSnapshot } from "../snapshot/bytes.ts";
import { Attempt, type KeptDeal } from "./attempt.ts";
import { decodeMembers, encodeMembers } from "./codec.ts";
import { proposalDigest, readyDigest } from "./digests.ts";
import { type Dealt, Epochs } from "./epochs.ts";
import { contextsOf, type Holders } from "./proposal.ts";
import type { AttemptKind, AttemptPhase, EpochFault, Proposal, ReshareScheme, SignedHandover } from "./types.ts";

const KINDS: readonly AttemptKind[] = ["reshare", "generation"];
const PHASES: readonly AttemptPhase[] = ["dealing", "opening", "handover", "closing"];
const FAULTS: readonly EpochFault["code"][] = [
  "wrongLength",
  "unsoundRounds",
  "nonCanonicalScalar",
  "invalidCommitment",
  "wrongSecret",
  "wrongTranscript",
  "dealtTwice",
  "wrongPartial",
  "approvedTwice",
];
const KEY_BYTES: Readonly<Record<Suite, number>> = { "bls12-381": 96, bn254: 128 };
const SIGNATURE_BYTES: Readonly<Record<Suite, number>> = { "bls12-381": 48, bn254: 64 };
const VERIFIER_KEY_BYTES: Readonly<Record<Suite, number>> = { "bls12-381": 256, bn254: 128 };

type PerSuite<T> = Readonly<Record<Suite, T>>;

function perSuite<T>(of: (suite: Suite) => T): PerSuite<T> {
  return { "bls12-381": of("bls12-381"), bn254: of("bn254") };
}

/** The state root's word for `epochs`. */
export function commitToEpochs(epochs: Epochs): Uint8Array {
  const out = new ByteWriter();
  write(out, epochs, ({ id }) => out.hex(id));
  return keccak256(out.done());
}

export function writeEpochs(out: ByteWriter, epochs: Epochs): void {
  write(out, epochs, ({ deals }) => {
    for (const suite of SUITES) out.blob(deals[suite]!);
  });
}

function write(out: ByteWriter, epochs: Epochs, writeDeal: (deal: KeptDeal) => void): void {
  const writeDeals = (deals: readonly KeptDeal[]): void => {
    out.list(deals, (deal) => {
      out.u32(deal.dealer);
      writeDeal(deal);
    });
  };
  const { committee, approvals, attempt, dealt } = epochs;
  out.u64(committee.epoch);
  out.list(committee.requiredSuites, (suite) => out.u8(SUITES.indexOf(suite)));
  writeAddresses(
    out,
    committee.members.map(({ address }) => address),
  );
  writeKeys(out, committee.keys);
  out.blob(encodeMembers(epochs.peers));
  out.list(epochs.past, ({ members, threshold }) => writeAddresses(out.u32(threshold), members));
  out.u64(epochs.lastAttempt);
  const open = [...approvals.proposals].sort(([a], [b]) => compareText(a, b));
  out.list(open, ([, proposal]) => writeProposal(out, proposal));
  const votes = [...approvals.votes].sort(([a], [b]) => compareText(a, b));
  out.list(votes, ([member, vote]) => {
    out.hex(member).u64(vote.attempt).hex(vote.digest).flag(vote.isTwice);
  });
  const examined = [...approvals.examined].sort(([a], [b]) => compareText(a, b));
  out.list(examined, ([member, count]) => out.hex(member).u32(count));
  out.list(epochs.handovers, ({ statement, signatures, epoch, groupKeys }) => {
    writeStatement(out, statement);
    for (const suite of SUITES) out.hex(signatures[suite]).hex(groupKeys[suite]);
    out.u64(epoch);
  });
  out.flag(dealt !== undefined);
  if (dealt !== undefined) {
    out.u8(KINDS.indexOf(dealt.kind)).u64(dealt.attempt);
    writeAddresses(out, dealt.dealers);
    writeKeys(out, dealt.oldKeys);
    writeDeals(dealt.qualified);
  }
  out.flag(attempt !== undefined);
  if (attempt !== undefined) writeAttempt(out, attempt, writeDeals);
}

function writeAttempt(out: ByteWriter, attempt: Attempt, writeDeals: (deals: readonly KeptDeal[]) => void): void {
  const { proposal, kind, phase, keys, statement, closesIn, faults } = attempt;
  writeProposal(out, proposal);
  out.u8(KINDS.indexOf(kind)).u8(PHASES.indexOf(phase));
  out.list(
    [...attempt.dealt].sort(([a], [b]) => a - b),
    ([dealer, id]) => out.u32(dealer).hex(id),
  );
  writeDeals(attempt.qualified);
  out.flag(keys !== undefined);
  if (keys !== undefined) writeKeys(out, keys);
  out.list(
    [...attempt.ready].sort((a, b) => a - b),
    (index) => out.u32(index),
  );
  out.flag(statement !== undefined);
  if (statement !== undefined) writeStatement(out, statement.statement);
  out.list(
    [...attempt.handoverPartials].sort(([a], [b]) => a - b),
    ([index, partials]) => out.u32(index).hex(partials["bls12-381"]).hex(partials.bn254),
  );
  out.u8(closesIn === undefined ? 0 : closesIn + 1);
  out.list(faults, ({ member, code, suite }) => {
    out.hex(member).u8(FAULTS.indexOf(code));
    out.u8(suite === undefined ? 0 : SUITES.indexOf(suite) + 1);
  });
}

function writeAddresses(out: ByteWriter, addresses: readonly Address[]): void {
  out.list(addresses, (address) => out.hex(address));
}

function writeKeys(out: ByteWriter, keys: PerSuite<ThresholdKey>): void {
  for (const suite of SUITES) {
    const { threshold, groupKey, publicShares } = keys[suite];
    out.u32(threshold).hex(groupKey);
    out.list(publicShares, (share) => out.hex(share));
  }
}

function writeProposal(out: ByteWriter, { attempt, members }: Proposal): void {
  out.u64(attempt).blob(encodeMembers(members));
}

function writeStatement(out: ByteWriter, { number, oldKeyHashes, newKeys }: Handover): void {
  out.u64(number);
  for (const suite of SUITES) out.hex(oldKeyHashes[suite]).hex(newKeys[suite]);
}

/** Inverse of {@link writeEpochs}. Throws LedgerError `badSnapshot`, `malformedBytes`, `tooLarge`. */
export function readEpochs(reader: ByteReader, id: Hex, scheme: ReshareScheme): Epochs {
  const epoch = reader.u64();
  const requiredSuites = reader.list(1, () => reader.pick(SUITES));
  const members = readAddresses(reader).map((address) => ({ address }));
  const keys = readKeys(reader);
  const epochs = new Epochs({ id, epoch, members, keys, requiredSuites }, scheme);
  epochs.peers = decodeMembers(reader.blob());
  epochs.past = reader.list(8, (): Holders => ({ threshold: reader.u32(), members: readAddresses(reader) }));
  epochs.lastAttempt = reader.u64();
  const { approvals, nextEpoch } = epochs;
  reader.list(12, () => {
    const proposal = readProposal(reader, nextEpoch);
    approvals.proposals.set(proposalDigest(id, proposal), proposal);
  });
  reader.list(61, () => {
    const member = reader.hex(20);
    const attempt = reader.u64();
    approvals.votes.set(member, {
      attempt,
      digest: reader.hex(32),
      isTwice: reader.flag(),
    });
  });
  reader.list(24, () => approvals.examined.set(reader.hex(20), reader.u32()));
  epochs.handovers = reader.list(800, (): SignedHandover => {
    const statement = readStatement(reader);
    const signed = perSuite((suite) => [reader.hex(SIGNATURE_BYTES[suite]), reader.hex(KEY_BYTES[suite])] as const);
    const signatures = perSuite((suite) => signed[suite][0]);
    return { statement, signatures, epoch: reader.u64(), groupKeys: perSuite((suite) => signed[suite][1]) };
  });
  if (reader.flag()) epochs.dealt = readDealt(reader, epochs);
  if (reader.flag()) epochs.attempt = readAttempt(reader, epochs);
  return epochs;
}

function readDealt(reader: ByteReader, { committee, peers }: Epochs): Dealt {
  const kind = reader.pick(KINDS);
  const attempt = reader.u64();
  const dealers = readAddresses(reader);
  const oldKeys = readKeys(reader);
  const proposal = { epoch: committee.epoch, attempt, members: peers };
  const contexts = contextsOf(committee.id, dealers, oldKeys, proposal, kind);
  return { kind, attempt, dealers, oldKeys, qualified: readDeals(reader, contexts) };
}

function readAttempt(reader: ByteReader, { committee, scheme, nextEpoch }: Epochs): Attempt {
  const proposal = readProposal(reader, nextEpoch);
  const digest = proposalDigest(committee.id, proposal);
  const attempt = new Attempt(committee, scheme, proposal, digest, reader.pick(KINDS));
  attempt.phase = reader.pick(PHASES);
  reader.list(36, () => attempt.dealt.set(reader.u32(), reader.hex(32)));
  attempt.qualified.push(...readDeals(reader, attempt.contexts));
  if (reader.flag()) {
    attempt.keys = readKeys(reader);
    attempt.readyDigest = readyDigest(committee.id, proposal, digest, attempt.keys);
  }
  reader.list(4, () => attempt.ready.add(reader.u32()));
  if (reader.flag()) {
    const statement = readStatement(reader);
    attempt.statement = { statement, digest: handoverDigest(statement, committee.id) };
  }
  reader.list(116, () => {
    const index = reader.u32();
    attempt.handoverPartials.set(
      index,
      perSuite((suite) => reader.hex(SIGNATURE_BYTES[suite])),
    );
  });
  const closesIn = reader.u8();
  attempt.closesIn = closesIn === 0 ? undefined : closesIn - 1;
  reader.list(22, () => {
    const fault = { member: reader.hex(20), code: reader.pick(FAULTS) };
    const suite = reader.pick([undefined, ...SUITES].map((which) => ({ which }))).which;
    attempt.faults.push(suite === undefined ? fault : { ...fault, suite });
  });
  return attempt;
}

function readDeals(reader: ByteReader, contexts: PerSuite<DealContext>): KeptDeal[] {
  const context = contexts["bls12-381"];
  return reader.list(12, () => {
    const dealer = reader.u32();
    if (context.dealers[dealer] === undefined) throw badSnapshot("a deal by nobody", { dealer });
    // Copies: what is kept must not keep the whole snapshot alive.
    const bundle = { dealer, deals: perSuite(() => reader.blob().slice()) };
    return { ...bundle, id: dealBundleDigest(context, bundle) };
  });
}

function readAddresses(reader: ByteReader): Address[] {
  return reader.list(20, () => reader.hex(20));
}

function readKeys(reader: ByteReader): PerSuite<ThresholdKey> {
  return perSuite((suite) => {
    const threshold = reader.u32();
    const groupKey = reader.hex(KEY_BYTES[suite]);
    const publicShares = reader.list(KEY_BYTES[suite], () => reader.hex(KEY_BYTES[suite]));
    return { suite, threshold, groupKey, publicShares };
  });
}

function readProposal(reader: ByteReader, epoch: bigint): Proposal {
  return { epoch, attempt: reader.u64(), members: decodeMembers(reader.blob()) };
}

function readStatement(reader: ByteReader): Handover {
  const number = reader.u64();
  const parts = perSuite((suite) => [reader.hex(32), bytesToHex(reader.raw(VERIFIER_KEY_BYTES[suite]))] as const);
  const newKeys: PerSuite<Hex> = perSuite((suite) => parts[suite][1]);
  return { number, oldKeyHashes: perSuite((suite) => parts[suite][0]), newKeys };
}

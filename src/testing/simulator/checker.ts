/** What must hold whatever the schedule does; every violation is reported with the members and positions that show it. */
import type { Certificate } from "../../batch/types.ts";
import type { Commit, VerifiedBlock } from "../../consensus/types.ts";
import type { SettledBatch } from "../../ledger/types.ts";
import type { Hex } from "../../lib/hex.ts";

export interface Checker {
  /** Agreement: the same commits for the same index of the same epoch, at everybody and over every restart. */
  commit(member: number, commit: Commit): void;
  /** S1, S2: one content per sequence, in whichever epoch it is made; one receipt per instruction. */
  batch(member: number, batch: SettledBatch): void;
  certificate(member: number, certificate: Certificate, digest: Hex): void;
  /** S6: one digest per (member, kind, position), over any restart. */
  signed(member: number, kind: string, position: bigint, digest: Hex): void;
  /** An honest member accuses a person: never an honest one. */
  blamed(by: number, person: number, code: string, details: Readonly<Record<string, unknown>>): void;
  /** An honest member has two blocks of one round: never of an honest author, and they must be what they claim to be. */
  exposed(by: number, person: number, first: VerifiedBlock, second: VerifiedBlock): void;
  violation(text: string): void;
  /** Whom some honest member can convict. */
  readonly convicts: ReadonlySet<number>;
  isCertified(sequence: bigint, suite: string): boolean;
  readonly violations: readonly string[];
  readonly commits: number;
  readonly batches: number;
  readonly certificates: number;
}

/** More say nothing new, and a broken run makes millions. */
const MAX_VIOLATIONS = 100;

/** @param isHonest of a person; what the others say is nowhere looked at. */
export function createChecker(isHonest: (person: number) => boolean): Checker {
  const violations: string[] = [];
  const commits = new Map<string, Hex>();
  const batches = new Map<bigint, Hex>();
  const certificates = new Map<string, Hex>();
  const signed = new Map<string, Hex>();
  const convicts = new Set<number>();
  const receipts = new Map<Hex, bigint>();
  const violation = (text: string): void => {
    if (violations.length < MAX_VIOLATIONS) violations.push(text);
  };
  // The text is made when there is something to say, which is hardly ever.
  const agree = <K>(known: Map<K, Hex>, key: K, digest: Hex, what: () => string): void => {
    const other = known.get(key);
    if (other === undefined) known.set(key, digest);
    else if (other !== digest) violation(`${what()}: ${digest} against ${other}`);
  };
  return {
    commit(member, { index, digest, blocks }) {
      const epoch = blocks[0]?.epoch ?? 0n;
      agree(
        commits,
        `${epoch}/${index}`,
        digest,
        () => `agreement: member ${member}, commit ${index} of epoch ${epoch}`,
      );
    },
    batch(member, { header: { sequence }, digest, receipts: made }) {
      agree(batches, sequence, digest, () => `S1: member ${member}, batch ${sequence}`);
      for (const { instructionId: id } of made) {
        const earlier = receipts.get(id) ?? sequence;
        receipts.set(id, sequence);
        if (earlier !== sequence) violation(`instruction ${id} was settled in batch ${earlier} and in ${sequence}`);
      }
    },
    certificate(member, { header, suite }, digest) {
      agree(
        certificates,
        `${header.sequence}/${suite}`,
        digest,
        () => `S1: member ${member}, certificate ${header.sequence} ${suite}`,
      );
      agree(
        batches,
        header.sequence,
        digest,
        () => `S1: member ${member}, certificate beside batch ${header.sequence}`,
      );
    },
    signed(member, kind, position, digest) {
      agree(
        signed,
        `${member}/${kind}/${position}`,
        digest,
        () => `S6: member ${member} signed twice for ${kind} ${position}`,
      );
    },
    blamed(by, person, code, details) {
      if (!isHonest(person)) return;
      const text = JSON.stringify(details, (_, value) => (typeof value === "bigint" ? value.toString() : value));
      violation(`honest member ${person} was blamed by ${by}: ${code} ${text}`);
    },
    exposed(by, person, first, second) {
      convicts.add(person);
      if (isHonest(person)) violation(`honest member ${person} signed two blocks for round ${first.round}`);
      const isEvidence =
        first.digest !== second.digest &&
        first.epoch === second.epoch &&
        first.round === second.round &&
        first.author === second.author;
      if (!isEvidence) violation(`${by} exposed ${person} with blocks that prove nothing`);
    },
    violation,
    convicts,
    isCertified: (sequence, suite) => certificates.has(`${sequence}/${suite}`),
    violations,
    get commits() {
      return commits.size;
    },
    get batches() {
      return batches.size;
    },
    get certificates() {
      return certificates.size;
    },
  };
}

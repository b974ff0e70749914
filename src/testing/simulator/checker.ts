/** What must hold whatever the schedule does; every violation is reported with the members and positions that show it. */
import type { Certificate } from "../../batch/types.ts";
import type { OutputRound } from "../../consensus/types.ts";
import type { Hex } from "../../lib/hex.ts";

export interface Checker {
  /** Agreement: the same commits for the same index, at everybody and over every restart. */
  output(member: number, output: OutputRound): void;
  /** S1: one content per sequence. */
  batch(member: number, sequence: bigint, digest: Hex): void;
  certificate(member: number, certificate: Certificate, digest: Hex): void;
  /** S6: one digest per (member, kind, position), over any restart. */
  signed(member: number, kind: string, position: bigint, digest: Hex): void;
  violation(text: string): void;
  readonly violations: readonly string[];
  readonly commits: number;
  readonly batches: number;
  readonly certificates: number;
}

export function createChecker(): Checker {
  const violations: string[] = [];
  const commits = new Map<bigint, Hex>();
  const batches = new Map<bigint, Hex>();
  const certificates = new Map<string, Hex>();
  const signed = new Map<string, Hex>();
  const agree = <K>(known: Map<K, Hex>, key: K, digest: Hex, what: string): void => {
    const other = known.get(key);
    if (other === undefined) known.set(key, digest);
    else if (other !== digest) violations.push(`${what}: ${digest} against ${other}`);
  };
  return {
    output(member, { commits: made }) {
      for (const commit of made)
        agree(commits, commit.index, commit.digest, `agreement: member ${member}, commit ${commit.index}`);
    },
    batch(member, sequence, digest) {
      agree(batches, sequence, digest, `S1: member ${member}, batch ${sequence}`);
    },
    certificate(member, { header, suite }, digest) {
      agree(
        certificates,
        `${header.sequence}/${suite}`,
        digest,
        `S1: member ${member}, certificate ${header.sequence} ${suite}`,
      );
      agree(batches, header.sequence, digest, `S1: member ${member}, certificate beside batch ${header.sequence}`);
    },
    signed(member, kind, position, digest) {
      agree(
        signed,
        `${member}/${kind}/${position}`,
        digest,
        `S6: member ${member} signed twice for ${kind} ${position}`,
      );
    },
    violation(text) {
      violations.push(text);
    },
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

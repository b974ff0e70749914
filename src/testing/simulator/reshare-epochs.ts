/** The epochs of a run, as the first node that entered each said it was, and what everybody else's must agree with. */
import { verifyCertificate } from "../../batch/certificate.ts";
import { handoverDigest } from "../../batch/handover.ts";
import { headerDigest } from "../../batch/header.ts";
import { type Hex, hexToBytes } from "../../lib/hex.ts";
import type { PersistWrite } from "../../member/types.ts";
import type { Committee } from "../../threshold/committee.ts";
import { SUITES } from "../../threshold/types.ts";
import type { StoredEpoch } from "./disk.ts";
import type { Surroundings } from "./reshare-node.ts";

export class Epochs {
  readonly #world: Pick<Surroundings, "cluster" | "test" | "addresses">;
  readonly #epochs: { readonly stored: StoredEpoch; readonly digest: Hex }[];

  constructor(world: Pick<Surroundings, "cluster" | "test" | "addresses">) {
    this.#world = world;
    this.#epochs = [{ stored: { committee: world.test.committee, start: undefined }, digest: "0x" }];
  }

  get count(): number {
    return this.#epochs.length;
  }

  /** The newest that anybody is in. */
  get newest(): bigint {
    return this.#epochs.at(-1)!.stored.committee.epoch;
  }

  get newestCommittee(): Committee {
    return this.#epochs.at(-1)!.stored.committee;
  }

  /** Its committee, as persons. */
  get committee(): readonly number[] {
    const { addresses } = this.#world;
    return this.#epochs.at(-1)!.stored.committee.members.map(({ address }) => addresses.indexOf(address));
  }

  /** S2 and the keys: everybody enters the same epoch, from the same batch, with a key that is the old one or was handed over to. */
  entered(person: number, stored: StoredEpoch): void {
    const { cluster, test } = this.#world;
    const { committee, start } = stored;
    const digest = headerDigest(start!.header, test.committee.id);
    const known = this.#epochs[Number(committee.epoch)];
    if (known !== undefined) {
      if (known.digest !== digest)
        cluster.checker.violation(`S2: ${person} entered epoch ${committee.epoch} otherwise`);
      return;
    }
    const before = this.#epochs.at(-1)!.stored.committee;
    if (committee.epoch !== before.epoch + 1n) cluster.checker.violation(`${person} left out an epoch`);
    this.#closed(person, stored, before);
    this.#epochs.push({ stored, digest });
    cluster.trace.add(`epoch ${committee.epoch} ${digest}`);
    const handover = cluster.processes[person]!.member?.ledger.epochs?.handovers.at(-1);
    for (const suite of SUITES) {
      const [old, now] = [before.keys[suite].groupKey, committee.keys[suite].groupKey];
      if (old === now) continue;
      const isHandedOver =
        handover?.epoch === committee.epoch &&
        handover.groupKeys[suite] === now &&
        test.engines[suite].verify(
          hexToBytes(old),
          hexToBytes(handoverDigest(handover.statement, test.committee.id)),
          hexToBytes(handover.signatures[suite]),
        );
      if (!isHandedOver)
        cluster.checker.violation(`epoch ${committee.epoch}: the ${suite} key changed without a handover`);
    }
  }

  /**
   * What the epoch begins with proves itself. A malicious member may be the first to combine the certificates and to publish the epoch;
   * what it does is nowhere looked at, so until an honest one enters the checker does not know of them.
   */
  #closed(person: number, { start }: StoredEpoch, before: Committee): void {
    const { cluster, test } = this.#world;
    const { header, certificates } = start!;
    for (const suite of SUITES) {
      const certificate = certificates.find((candidate) => candidate.suite === suite);
      const isProof =
        certificate !== undefined &&
        headerDigest(certificate.header, test.committee.id) === headerDigest(header, test.committee.id) &&
        verifyCertificate(test.engines[suite], before.keys[suite].groupKey, test.committee.id, certificate);
      if (isProof) cluster.checker.certificate(person, certificate, headerDigest(header, test.committee.id));
      else cluster.checker.violation(`${person} entered epoch ${header.epoch + 1n} without a ${suite} certificate`);
    }
  }

  /** Nobody works in an epoch that may not come to be. */
  took(person: number, blocks: PersistWrite["blocks"]): void {
    const { checker } = this.#world.cluster;
    for (const { epoch, round } of blocks) {
      if (epoch === 0n) continue;
      const began = this.#epochs[Number(epoch)]?.stored.start?.header.sequence;
      const isFinal = began !== undefined && SUITES.every((suite) => checker.isCertified(began, suite));
      if (!isFinal)
        checker.violation(`${person} took block ${round} of epoch ${epoch} before the closing batch was certified`);
    }
  }
}

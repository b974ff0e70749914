/**
 * Certificates, handovers, destinations and outbox entries from members' APIs. No member is trusted: every value is checked
 * against the key in the hub's verifier on chain, or one that this key handed over to. A member that answers wrongly is asked
 * last for a while; one honest member is enough.
 */
import type { ApiClient } from "../api/client.ts";
import { verifyCertificate } from "../batch/certificate.ts";
import { type MultiProof, verifyMultiProof } from "../batch/multiproof.ts";
import { outboxEntryHash, verifyDestination } from "../batch/outbox.ts";
import type { BatchHeader, Certificate, OutboxEntry } from "../batch/types.ts";
import type { HubHead, HubIdentity, ProvenDestination } from "../chain/port.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { compareBigint } from "../lib/math.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import { RelayerError } from "./errors.ts";
import { type Anchor, anchorOf, extendPath, type KeyPath, pathFrom } from "./key-path.ts";

/** The newest head that a hub can be brought to, and what it needs before. */
export interface Lead {
  /** Verified under the hub's key, or under the key that `handovers` lead to. */
  readonly certificate: Certificate;
  /** What the hub must carry out before it can accept the certificate, in order; usually nothing. */
  readonly handovers: readonly SignedHandover[];
}

export interface SourceOptions {
  readonly apis: readonly ApiClient[];
  readonly engines: Readonly<Record<Suite, Engine>>;
  readonly logger: Logger;
  readonly now: () => number;
}

interface Member {
  readonly api: ApiClient;
  failures: number;
  pausedUntilMs: number;
}

const PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

export class CertificateSource {
  readonly #options: SourceOptions;
  readonly #members: readonly Member[];
  /** Newest verified certificate by the key that signed it: not verified again when several members serve it. */
  readonly #newest = new Map<Hex, Certificate>();
  /** By the hub's key (and its number): where verified handovers lead from there. */
  readonly #paths = new Map<string, KeyPath>();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#members = options.apis.map((api) => ({ api, failures: 0, pausedUntilMs: 0 }));
  }

  health(): { healthyApis: number; apis: number } {
    return { healthyApis: this.#members.filter((member) => member.failures === 0).length, apis: this.#members.length };
  }

  /**
   * The group key behind a hub's verifier, as the chain has it, after at least one member showed that it is of the same committee: it
   * has that key now, or signed handovers lead from it to the one it has. Throws RelayerError `foreignHub` when members answered but
   * none could show it, `noSource` when none answered.
   */
  async getAnchor(identity: HubIdentity, signal?: AbortSignal): Promise<Anchor> {
    const anchor = anchorOf(identity);
    const { committeeId, suite } = anchor;
    let answers = 0;
    for (const member of this.#ranked()) {
      const answer = await this.#ask(member, "committee", () => member.api.committee({ signal }));
      if (answer === undefined) continue;
      answers++;
      const groupKey = answer.keys[suite]?.groupKey;
      if (answer.committeeId !== committeeId || groupKey === undefined) continue;
      if (this.#pathOf(anchor).keys.includes(groupKey)) return anchor;
      await this.#lengthen(anchor, member, signal);
      if (this.#pathOf(anchor).keys.includes(groupKey)) return anchor;
    }
    throw answers > 0
      ? new RelayerError("foreignHub", "the hub believes a key that these members' APIs cannot show to be theirs", {
          details: { committeeId, suite, handovers: identity.handovers.toString() },
          // A hub that has followed already may be ahead of members that have not.
          isTransient: identity.handovers > 0n,
        })
      : noSource("committee");
  }

  /** The newest certificate that verifies, of all members that answer; undefined while there is none. */
  async getLead(anchor: Anchor, signal?: AbortSignal): Promise<Lead | undefined> {
    const { suite } = anchor;
    const candidates: { member: Member; certificate: Certificate }[] = [];
    let answers = 0;
    await Promise.all(
      this.#ranked().map(async (member) => {
        const certificate = await this.#ask(member, "latest certificate", async () => {
          try {
            return await member.api.latestCertificate({ suite, signal });
          } catch (error) {
            if (isClocklessError(error, "unknownSequence")) return "none";
            throw error;
          }
        });
        if (certificate !== undefined) answers++;
        if (certificate !== undefined && certificate !== "none") candidates.push({ member, certificate });
      }),
    );
    if (answers === 0) throw noSource("latest certificate");
    candidates.sort((a, b) => compareBigint(b.certificate.header.sequence, a.certificate.header.sequence));
    for (const { member, certificate } of candidates) {
      const lead = this.#leadOf(anchor);
      const isUnderNewestKey = lead?.handovers.length === this.#pathOf(anchor).handovers.length;
      if (isUnderNewestKey && certificate.header.sequence <= lead.certificate.header.sequence) break;
      if (this.#keep(anchor, 0, certificate)) continue;
      // Signed by a key that we have not heard of, perhaps. Whoever serves such a certificate has to show the way to its key.
      const { length } = this.#pathOf(anchor).keys;
      await this.#lengthen(anchor, member, signal);
      if (!this.#keep(anchor, length, certificate)) this.#distrust(member, "a certificate that does not verify");
    }
    return this.#leadOf(anchor);
  }

  /**
   * The newest certificate under the hub's very own key, for a hub that cannot follow a handover now: what the old key signed before
   * it handed over still serves there. `next` is the handover that the hub cannot carry out.
   */
  async getOwn(anchor: Anchor, next: SignedHandover, signal?: AbortSignal): Promise<Certificate | undefined> {
    const { committeeId, suite, groupKey } = anchor;
    for (const member of this.#ranked()) {
      const answer = await this.#ask(member, "epoch", () => member.api.epoch(next.epoch, { signal }));
      const closing = answer?.certificates.find((certificate) => certificate.suite === suite);
      if (closing === undefined) continue;
      const known = this.#newest.get(groupKey);
      if (known !== undefined && known.header.sequence >= closing.header.sequence) break;
      if (verifyCertificate(this.#options.engines[suite], groupKey, committeeId, closing)) {
        this.#newest.set(groupKey, closing);
        break;
      }
      this.#distrust(member, "the end of an epoch that does not verify");
    }
    return this.#newest.get(groupKey);
  }

  #pathOf(anchor: Anchor): KeyPath {
    return this.#paths.get(pathId(anchor)) ?? pathFrom(anchor);
  }

  /** Asks a member for handovers and takes up those that lead on from the newest key known. */
  async #lengthen(anchor: Anchor, member: Member, signal: AbortSignal | undefined): Promise<void> {
    const answer = await this.#ask(member, "handovers", () => member.api.handovers({ signal }));
    if (answer === undefined) return;
    const engine = this.#options.engines[anchor.suite];
    // Read only now: another hub's turn may have lengthened the same path meanwhile.
    const { path, isForged } = extendPath(engine, anchor, this.#pathOf(anchor), answer.handovers);
    this.#paths.set(pathId(anchor), path);
    if (isForged) this.#distrust(member, "a handover that the key before it did not sign");
  }

  /** Keeps a certificate that a key of the path, from number `from` on, has signed. */
  #keep(anchor: Anchor, from: number, certificate: Certificate): boolean {
    const engine = this.#options.engines[anchor.suite];
    const { signature, header } = certificate;
    // The newest key first: it is the likeliest.
    for (const key of this.#pathOf(anchor).keys.slice(from).reverse()) {
      const known = this.#newest.get(key);
      if (known?.signature === signature && known.header.sequence === header.sequence) return true;
      if (!verifyCertificate(engine, key, anchor.committeeId, certificate)) continue;
      if (known === undefined || known.header.sequence < header.sequence) this.#newest.set(key, certificate);
      return true;
    }
    return false;
  }

  /**
   * By the newest key that certified anything, not by the highest sequence: a key that was handed over may be in strangers' hands by
   * now, and what it says it did afterwards counts nowhere that the handover has arrived.
   */
  #leadOf(anchor: Anchor): Lead | undefined {
    const { keys, handovers } = this.#pathOf(anchor);
    for (let k = keys.length - 1; k >= 0; k--) {
      const certificate = this.#newest.get(keys[k] as Hex); // CAST: k is one of its positions
      if (certificate !== undefined) return { certificate, handovers: handovers.slice(0, k) };
    }
    return undefined;
  }

  /** The leaf of one hub in a certified header. Throws RelayerError `noSource` when no member gives one that verifies. */
  async getDestination(
    header: BatchHeader,
    chainId: bigint,
    hub: Address,
    signal?: AbortSignal,
  ): Promise<ProvenDestination> {
    for (const member of this.#ranked()) {
      const { sequence } = header;
      const answer = await this.#ask(member, "destination", () =>
        member.api.destination(chainId, { sequence, signal }),
      );
      if (answer === undefined) continue;
      const { destination, proof } = answer;
      const isOurs = destination.chainId === chainId && destination.hub === hub;
      if (isOurs && verifyDestination(header.outboxes, destination, proof)) return { destination, proof };
      this.#distrust(member, "a destination that the header does not hold");
    }
    throw noSource("destination");
  }

  /** Exactly these entries, proven against a head's outbox root. Throws RelayerError `noSource`. */
  async getEntries(
    chainId: bigint,
    hub: Address,
    indices: readonly bigint[],
    head: HubHead,
    signal?: AbortSignal,
  ): Promise<{ entries: readonly OutboxEntry[]; proof: MultiProof }> {
    const query = { indexes: indices, size: head.outboxSize, signal };
    for (const member of this.#ranked()) {
      const answer = await this.#ask(member, "outbox entries", () => member.api.outbox(chainId, query));
      if (answer === undefined) continue;
      const { entries, proof } = answer;
      if (proof !== undefined && provesExactly(entries, proof, indices, { chainId, hub }, head))
        return { entries, proof };
      this.#distrust(member, "outbox entries that the head does not hold");
    }
    throw noSource("outbox entries");
  }

  /** Healthy members first; all of them when all are paused, because waiting would help nobody. */
  #ranked(): Member[] {
    const now = this.#options.now();
    const ready = this.#members.filter((member) => member.pausedUntilMs <= now);
    const members = ready.length > 0 ? ready : [...this.#members];
    return members.sort((a, b) => a.failures - b.failures);
  }

  async #ask<T>(member: Member, what: string, ask: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await ask();
      // What was asked before a lie was found says nothing about the time after it.
      if (member.pausedUntilMs <= this.#options.now()) member.failures = 0;
      return answer;
    } catch (error) {
      if (!isClocklessError(error) || error.code === "aborted") throw error;
      // Not there (yet, or any more) says nothing against the member.
      if (!error.code.startsWith("unknown")) this.#pause(member);
      this.#options.logger.debug("a member's API did not answer", { what, code: error.code, api: member.api.url });
      return undefined;
    }
  }

  #distrust(member: Member, what: string): void {
    this.#pause(member);
    this.#options.logger.warn("a member's API gave something that does not verify; asking others first", {
      what,
      api: member.api.url,
    });
  }

  #pause(member: Member): void {
    member.failures++;
    member.pausedUntilMs =
      this.#options.now() + Math.min(PAUSE_MS * 2 ** Math.min(member.failures - 1, 10), MAX_PAUSE_MS);
  }
}

function provesExactly(
  entries: readonly OutboxEntry[],
  proof: MultiProof,
  indices: readonly bigint[],
  at: { chainId: bigint; hub: Address },
  head: HubHead,
): boolean {
  const isAsked = entries.length === indices.length && entries.every((entry, k) => entry.index === indices[k]);
  const isSame = proof.indexes.length === indices.length && proof.indexes.every((index, k) => index === indices[k]);
  if (!isAsked || !isSame || proof.size !== head.outboxSize) return false;
  try {
    const leaves = entries.map((entry) => outboxEntryHash(at, entry));
    return verifyMultiProof(head.outboxRoot, leaves, proof);
  } catch (error) {
    if (isClocklessError(error)) return false; // an entry that no ledger writes
    throw error;
  }
}

function pathId({ groupKey, handovers }: Anchor): string {
  return `${handovers} ${groupKey}`;
}

function noSource(what: string): RelayerError {
  return new RelayerError("noSource", `no member's API gave a ${what} that verifies`, { isTransient: true });
}

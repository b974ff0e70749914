/**
 * Certificates, destinations and outbox entries from members' APIs. No member is trusted: every value is checked against
 * the committee's group key, which itself is checked against the hub's verifier on chain. A member that answers wrongly
 * is asked last for a while; one honest member is enough.
 */
import type { ApiClient } from "../api/client.ts";
import { verifyCertificate } from "../batch/certificate.ts";
import { headerDigest } from "../batch/header.ts";
import { type MultiProof, verifyMultiProof } from "../batch/multiproof.ts";
import { outboxEntryHash, verifyDestination } from "../batch/outbox.ts";
import type { BatchHeader, Certificate, OutboxEntry } from "../batch/types.ts";
import type { HubHead, HubIdentity, ProvenDestination } from "../chain/port.ts";
import { isClocklessError } from "../lib/errors.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import type { Logger } from "../telemetry/port.ts";
import { encodePublicKeyForVerifier } from "../threshold/evm.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import { RelayerError } from "./errors.ts";

/** Whom a hub believes, in this side's encoding. */
export interface Anchor {
  readonly committeeId: Hex;
  readonly suite: Suite;
  readonly groupKey: Hex;
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
  /** Newest verified certificate per suite: not verified again when several members serve it. */
  readonly #newest = new Map<Hex, Certificate>();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#members = options.apis.map((api) => ({ api, failures: 0, pausedUntilMs: 0 }));
  }

  health(): { healthyApis: number; apis: number } {
    return { healthyApis: this.#members.filter((member) => member.failures === 0).length, apis: this.#members.length };
  }

  /**
   * The group key behind a hub's verifier. Members propose it, the chain decides: it must encode to exactly the verifier's
   * key. Throws RelayerError `foreignHub` when members answered but none knows it, `noSource` when none answered.
   */
  async getAnchor(identity: HubIdentity, signal?: AbortSignal): Promise<Anchor> {
    const { committeeId, suite, verifierKey } = identity;
    let answers = 0;
    for (const member of this.#ranked()) {
      const answer = await this.#ask(member, "committee", () => member.api.committee({ signal }));
      if (answer === undefined) continue;
      answers++;
      const groupKey = answer.keys[suite]?.groupKey;
      if (answer.committeeId !== committeeId || groupKey === undefined) continue;
      if (encodedKey(suite, groupKey) === verifierKey) return { committeeId, suite, groupKey };
    }
    throw answers > 0
      ? new RelayerError("foreignHub", "the hub believes a committee that these members do not belong to", {
          details: { committeeId, suite },
        })
      : noSource("committee");
  }

  /** The newest certificate that verifies, of all members that answer; undefined while there is none. */
  async getNewest(anchor: Anchor, signal?: AbortSignal): Promise<Certificate | undefined> {
    const { suite, groupKey } = anchor;
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
    const known = this.#newest.get(groupKey);
    candidates.sort((a, b) => (a.certificate.header.sequence > b.certificate.header.sequence ? -1 : 1));
    for (const { member, certificate } of candidates) {
      if (known !== undefined && certificate.header.sequence <= known.header.sequence) break;
      if (verifyCertificate(this.#options.engines[suite], groupKey, anchor.committeeId, certificate)) {
        this.#newest.set(groupKey, certificate);
        return certificate;
      }
      this.#distrust(member, "a certificate that does not verify");
    }
    return known;
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
      member.failures = 0;
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

/** Digest that a hub must show for this header. */
export function digestOf(certificate: Certificate, anchor: Anchor): Hex {
  return headerDigest(certificate.header, anchor.committeeId);
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

function encodedKey(suite: Suite, groupKey: Hex): Hex | undefined {
  try {
    return bytesToHex(encodePublicKeyForVerifier(suite, hexToBytes(groupKey)));
  } catch {
    return undefined; // a member's bytes that are no key
  }
}

function noSource(what: string): RelayerError {
  return new RelayerError("noSource", `no member's API gave a ${what} that verifies`, { isTransient: true });
}

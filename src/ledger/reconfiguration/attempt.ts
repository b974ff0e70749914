/**
 * One attempt at a change, from taking effect to closing: deals until they make the keys, READYs of the new members, for a new group
 * key the old one's signature over the handover. Every method takes one transaction whose author is known to be who it says, and
 * answers with what it amounts to; nothing throws on what strangers send.
 */

import { BatchError } from "../../batch/errors.ts";
import { createHandover, type Handover, handoverDigest } from "../../batch/handover.ts";
import { assert } from "../../lib/assert.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import { quorumOf } from "../../lib/math.ts";
import type { DealContext } from "../../threshold/associated-data.ts";
import type { Committee } from "../../threshold/committee.ts";
import { type DealBundle, dealBundleDigest, dealersNeeded } from "../../threshold/deal-select.ts";
import { ThresholdError } from "../../threshold/errors.ts";
import { SUITES, type Suite, type ThresholdKey } from "../../threshold/types.ts";
import { ACTIVATION_ROUNDS } from "../limits.ts";
import { readyDigest, readySignatureDigest } from "./digests.ts";
import { contextsOf } from "./proposal.ts";
import type {
  AttemptKind,
  AttemptPhase,
  AttemptView,
  EpochFault,
  EpochTransaction,
  Proposal,
  ReshareScheme,
  SignedHandover,
} from "./types.ts";

type Transaction<Kind extends EpochTransaction["kind"]> = Extract<EpochTransaction, { kind: Kind }>;
type PerSuite<T> = Readonly<Record<Suite, T>>;

/**
 * What a transaction amounts to: `unsigned`: not by whom it claims to be, so it tells nothing about anybody but its carrier;
 * `ignored`: changes nothing; `failed`: the attempt is over.
 */
export type Outcome = "unsigned" | "ignored" | "counted" | { readonly fault: EpochFault } | { readonly failed: string };

/** What the attempt keeps of a deal: `id` is what the dealer signed. */
export interface KeptDeal extends DealBundle {
  readonly id: Hex;
}

export class Attempt {
  readonly proposal: Proposal;
  readonly digest: Hex;
  readonly kind: AttemptKind;
  readonly contexts: PerSuite<DealContext>;
  phase: AttemptPhase = "dealing";
  /** By dealer's index: the id of its first bundle, whether it counts or not. */
  readonly dealt = new Map<number, Hex>();
  readonly qualified: KeptDeal[] = [];
  keys: PerSuite<ThresholdKey> | undefined;
  readyDigest: Hex | undefined;
  /** New members, by index. */
  readonly ready = new Set<number>();
  statement: { readonly statement: Handover; readonly digest: Hex } | undefined;
  /** By old member's index. */
  readonly handoverPartials = new Map<number, PerSuite<Hex>>();
  closesIn: number | undefined;
  readonly faults: EpochFault[] = [];
  private readonly committee: Committee;
  private readonly scheme: ReshareScheme;

  constructor(committee: Committee, scheme: ReshareScheme, proposal: Proposal, digest: Hex, kind: AttemptKind) {
    this.committee = committee;
    this.scheme = scheme;
    this.proposal = proposal;
    this.digest = digest;
    this.kind = kind;
    const dealers = committee.members.map(({ address }) => address);
    this.contexts = contextsOf(committee.id, dealers, committee.keys, proposal, kind);
  }

  get dealersNeeded(): number {
    return dealersNeeded(this.contexts["bls12-381"]);
  }

  get readyNeeded(): number {
    return quorumOf(this.proposal.members.length);
  }

  get handoversNeeded(): number {
    return quorumOf(this.committee.members.length);
  }

  isScopeOf({ epoch, attempt }: { readonly epoch: bigint; readonly attempt: bigint }): boolean {
    return epoch === this.proposal.epoch && attempt === this.proposal.attempt;
  }

  /** The selection of threshold/deal-select.ts, one bundle at a time: a deal is verified at most once, and none when enough count. */
  takeDeal({ dealer: address, deals, signature }: Transaction<"deal">): Outcome {
    const context = this.contexts["bls12-381"];
    const dealer = context.dealers.indexOf(address);
    if (dealer < 0 || this.isBlamedDealer(address)) return "ignored";
    const bundle = { dealer, deals };
    const id = dealBundleDigest(context, bundle);
    const earlier = this.dealt.get(dealer);
    if (earlier === id) return "ignored";
    if (!this.scheme.isSignedBy(address, id, signature)) return "unsigned";
    if (earlier !== undefined) return this.blame({ member: address, code: "dealtTwice" });
    this.dealt.set(dealer, id);
    if (this.phase !== "dealing") return "ignored";
    for (const suite of SUITES) {
      const code = this.scheme.faultOfDeal(this.contexts[suite], dealer, deals[suite]);
      if (code !== undefined) return this.blame({ member: address, code, suite });
    }
    this.qualified.push({ ...bundle, id });
    if (this.qualified.length < this.dealersNeeded) return "counted";
    return this.makeKeys();
  }

  private makeKeys(): Outcome {
    const key = (suite: Suite): ThresholdKey => this.scheme.aggregate(this.contexts[suite], this.qualified);
    try {
      this.keys = { "bls12-381": key("bls12-381"), bn254: key("bn254") };
    } catch (error) {
      // Dealers can make their deals cancel out, each of them valid. The committee goes on, with another attempt if it likes.
      if (error instanceof ThresholdError) return { failed: error.code };
      throw error;
    }
    this.readyDigest = readyDigest(this.committee.id, this.proposal, this.digest, this.keys);
    this.phase = "opening";
    return "counted";
  }

  /** The first READY of a member decides. */
  takeReady({ member, partials, signature }: Transaction<"ready">): Outcome {
    const index = this.proposal.members.findIndex(({ address }) => address === member);
    const { keys, readyDigest: digest } = this;
    if (index < 0 || keys === undefined || digest === undefined || this.ready.has(index)) return "ignored";
    if (this.faults.some((fault) => fault.member === member && fault.code === "wrongPartial")) return "ignored";
    const signed = readySignatureDigest(this.committee.id, digest, member, partials);
    if (!this.scheme.isSignedBy(member, signed, signature)) return "unsigned";
    for (const suite of SUITES) {
      if (!this.scheme.verify(suite, keys[suite].publicShares[index]!, digest, partials[suite])) {
        return this.blame({ member, code: "wrongPartial", suite });
      }
    }
    this.ready.add(index);
    return "counted";
  }

  /** True when READYs are enough for the first time. */
  get isReadyQuorum(): boolean {
    return this.phase === "opening" && this.ready.size >= this.readyNeeded;
  }

  /** From here on nothing supersedes the attempt. `number`: of the handover, if one is needed. */
  activate(number: bigint): Outcome {
    if (this.kind === "reshare") {
      this.close();
      return "counted";
    }
    const groupKeys = (keys: PerSuite<ThresholdKey>): PerSuite<Hex> => ({
      "bls12-381": keys["bls12-381"].groupKey,
      bn254: keys.bn254.groupKey,
    });
    assert(this.keys !== undefined, "READYs come after the keys");
    const make = this.scheme.createHandover?.bind(this.scheme) ?? createHandover;
    let statement: Handover;
    try {
      statement = make(number, groupKeys(this.committee.keys), groupKeys(this.keys));
    } catch (error) {
      if (error instanceof BatchError) return { failed: error.code };
      throw error;
    }
    this.statement = { statement, digest: handoverDigest(statement, this.committee.id) };
    this.phase = "handover";
    return "counted";
  }

  /** Partials are their own proof: a wrong one says nothing about the member it names. */
  takeHandover({ member, partials }: Transaction<"handover">): Outcome {
    const index = this.committee.members.findIndex(({ address }) => address === member);
    if (index < 0 || this.phase !== "handover" || this.handoverPartials.has(index)) return "ignored";
    const { digest } = this.statement!;
    for (const suite of SUITES) {
      const publicShare = this.committee.keys[suite].publicShares[index]!;
      if (!this.scheme.verify(suite, publicShare, digest, partials[suite])) return "unsigned";
    }
    this.handoverPartials.set(index, partials);
    return "counted";
  }

  /** The handover with the old key's signatures, once n − f partials are there; the epoch then closes. */
  signHandover(): SignedHandover | undefined {
    const { keys, statement } = this;
    if (this.phase !== "handover" || this.handoverPartials.size < this.handoversNeeded) return undefined;
    assert(keys !== undefined && statement !== undefined, "a handover has keys and a statement");
    const sign = (suite: Suite): Hex => {
      const partials = new Map([...this.handoverPartials].map(([index, partial]) => [index, partial[suite]]));
      const signature = this.scheme.combine(suite, partials);
      const groupKey = this.committee.keys[suite].groupKey;
      assert(this.scheme.verify(suite, groupKey, statement.digest, signature), "right partials make no signature");
      return signature;
    };
    const signatures = { "bls12-381": sign("bls12-381"), bn254: sign("bn254") };
    this.close();
    const groupKeys = { "bls12-381": keys["bls12-381"].groupKey, bn254: keys.bn254.groupKey };
    return { statement: statement.statement, signatures, epoch: this.proposal.epoch, groupKeys };
  }

  private close(): void {
    this.phase = "closing";
    this.closesIn = ACTIVATION_ROUNDS;
  }

  /** Once per dealer, as in the selection of deals: the first reason is enough. */
  private isBlamedDealer(address: Address): boolean {
    return this.faults.some(
      ({ member, code }) => member === address && code !== "wrongPartial" && code !== "approvedTwice",
    );
  }

  private blame(fault: EpochFault): Outcome {
    this.faults.push(fault);
    return { fault };
  }

  view(): AttemptView {
    const { proposal, digest, kind, phase, contexts, keys, closesIn, statement } = this;
    const byIndex = (indices: Iterable<number>, addresses: readonly Address[]): Address[] =>
      [...indices].sort((a, b) => a - b).map((index) => addresses[index]!);
    const old = contexts["bls12-381"].dealers;
    const signed = byIndex(this.handoverPartials.keys(), old);
    return {
      proposal,
      digest,
      kind,
      phase,
      contexts,
      qualified: [...this.qualified],
      dealt: byIndex(this.dealt.keys(), old),
      dealersNeeded: this.dealersNeeded,
      keys,
      readyDigest: this.readyDigest,
      ready: byIndex(
        this.ready,
        proposal.members.map(({ address }) => address),
      ),
      readyNeeded: this.readyNeeded,
      handover: statement === undefined ? undefined : { ...statement, signed },
      handoversNeeded: this.handoversNeeded,
      closesIn,
      faults: [...this.faults],
    };
  }
}

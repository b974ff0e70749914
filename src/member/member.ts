/**
 * One committee member: consensus orders, the ledger settles, the certifier signs. A state machine without I/O; the simulator
 * and the real node drive this same object. Effects come out in the order in which they must be carried out: one durable
 * write, then what may leave, then what may be shown.
 */
import { headerDigest } from "../batch/header.ts";
import type { Certificate } from "../batch/types.ts";
import { Consensus } from "../consensus/consensus.ts";
import { MAX_PARTIALS as MAX_BLOCK_PARTIALS } from "../consensus/limits.ts";
import type {
  BatchPartial,
  Commit,
  ConsensusEffect,
  ConsensusMessage,
  OutputRound,
  VerifiedBlock,
} from "../consensus/types.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../consensus/wire.ts";
import { decodePayload } from "../ledger/codec.ts";
import { genesisHash } from "../ledger/genesis.ts";
import { instructionId } from "../ledger/instruction.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { BatchItem, SettledBatch, SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { keccakOfHex } from "../lib/hash.ts";
import { type Hex, hexToBytes } from "../lib/hex.ts";
import { SUITES } from "../threshold/types.ts";
import { Admission, inMessages } from "./admission.ts";
import { CertificateCache } from "./certificate-cache.ts";
import { Certifier, type CertifierResult } from "./certifier.ts";
import { EffectBuffer } from "./effect-buffer.ts";
import { Mempool } from "./mempool.ts";
import { SignatureCache } from "./signature-cache.ts";
import type { MemberConfig, MemberEffect, MemberInput, Recovered } from "./types.ts";
import { decodeMessage, encodeMessage, MAX_CERTIFICATES, MAX_PARTIALS } from "./wire.ts";

/** Genesis of the first epoch: binds the committee and everything its ledger starts from. */
export function epochGenesis(committeeId: Hex, ledgerGenesis: Hex): Hex {
  return keccakOfHex(committeeId, ledgerGenesis);
}

export class Member {
  readonly #config: MemberConfig;
  readonly #consensus: Consensus;
  readonly #ledger: Ledger;
  readonly #certifier: Certifier;
  readonly #mempool: Mempool;
  readonly #admission: Admission;
  readonly #certificates = new CertificateCache();
  readonly #signatures: SignatureCache;
  /** Accepted blocks with a payload that are not output yet, by digest: while there are any, rounds must go on quickly. */
  readonly #unsettled = new Map<Hex, number>();
  /** Own partials not yet carried by an own block. */
  #carried: BatchPartial[] = [];
  #lastProposalMs = Number.NEGATIVE_INFINITY;
  #lastAskMs = Number.NEGATIVE_INFINITY;
  #nextPeer = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #wakeAtMs: number | undefined;
  readonly #out = new EffectBuffer();
  #registered: (kind: "batch", position: bigint) => Hex | undefined = () => undefined;

  constructor(config: MemberConfig) {
    this.#config = config;
    const { committee } = config;
    this.#signatures = new SignatureCache(config.identities);
    this.#ledger = new Ledger(config.genesis, { verify: this.#signatures.verify });
    this.#certifier = new Certifier(committee, config.engines, config.limits.maxFuturePartials);
    this.#mempool = new Mempool(config.limits, config.retainedRounds, committee.members.length);
    this.#admission = new Admission(committee.id, this.#ledger, this.#mempool, this.#signatures);
    this.#consensus = new Consensus({
      committeeId: committee.id,
      epoch: committee.epoch,
      genesisHash: epochGenesis(committee.id, genesisHash(config.genesis)),
      members: committee.members.map((member) => member.address),
      self: config.self,
      coin: config.coin,
      retainedRounds: config.retainedRounds,
      activityWindow: config.activityWindow,
      limits: config.consensusLimits,
      signer: config.blockSigner,
    });
  }

  /** The settled ledger; read only. */
  get ledger(): Ledger {
    return this.#ledger;
  }

  /** The DAG; read only. */
  get consensus(): Consensus {
    return this.#consensus;
  }

  /** Highest sequence certified without a gap in every required suite. */
  get certifiedSequence(): bigint {
    return this.#certifier.certifiedSequence();
  }

  get pendingInstructions(): number {
    return this.#mempool.size;
  }

  isPending(id: Hex): boolean {
    return this.#mempool.has(id);
  }

  /** When the next `tick` has something to do, if nothing else happens before. */
  get wakeAtMs(): number | undefined {
    return this.#wakeAtMs;
  }

  /**
   * Replays what the store kept; call once, before the first step. Delivers batches again (the ledger is rebuilt from the log)
   * and at the end a write for partials that were not registered before the crash. Nothing is sent: peers ask, or connect.
   */
  restore(recovered: Recovered, deliver: (effect: MemberEffect) => void): void {
    assert(this.#consensus.lastOwnRound === 0, "restore comes before the first step");
    this.#registered = (kind, position) => recovered.registered(kind, position);
    for (const certificate of recovered.certificates) this.#certificates.restore(certificate);
    const output = new Set<Hex>();
    for (const effect of this.#consensus.restore(recovered.log)) {
      if (effect.kind === "output")
        for (const { blocks } of effect.output.commits) for (const block of blocks) output.add(block.digest);
      this.#perform(effect);
      for (const shown of this.#out.drainShown()) deliver(shown);
    }
    this.#certificates.trim();
    this.#findUnsettled(output);
    // The partials of the newest batches may not have left before the crash; peers that lack them get them again.
    for (const effect of this.#out.drain()) if (effect.kind !== "send") deliver(effect);
  }

  /** Takes one input and says what to do, in this order: persist, send, show. Never throws on foreign input. */
  step(input: MemberInput, nowMs: number): MemberEffect[] {
    switch (input.kind) {
      case "message":
        this.#receive(input.from, input.bytes, nowMs);
        break;
      case "connected":
        this.#performAll(this.#consensus.connected(input.peer, nowMs));
        this.#sendOpenPartials(input.peer, this.#certifier.certifiedSequence() + 1n);
        break;
      case "submit":
        this.#submit(input.instructions);
        break;
      case "observe":
        this.#mempool.observe(input.observations, this.#consensus.lastOwnRound + 1);
        break;
      case "tick":
        break;
    }
    // Retries are due by time, not by silence: under traffic the next timer would always be put off.
    if (nowMs >= this.#retryAtMs) this.#retry(nowMs);
    this.#propose(nowMs);
    return this.#out.drain();
  }

  #retry(nowMs: number): void {
    this.#retryAtMs = nowMs + this.#config.pacing.retryMs;
    this.#performAll(this.#consensus.tick(nowMs));
    this.#askForCertificates(nowMs);
  }

  #receive(from: number, bytes: Uint8Array, nowMs: number): void {
    let message: ReturnType<typeof decodeMessage>;
    let consensusMessage: ConsensusMessage | undefined;
    try {
      message = decodeMessage(bytes);
      if (message.kind === "consensus") consensusMessage = decodeConsensusMessage(message.bytes);
    } catch (error) {
      this.#out.show({ kind: "punish", member: from, code: "malformedMessage", details: { reason: String(error) } });
      return;
    }
    if (consensusMessage !== undefined) {
      this.#performAll(this.#consensus.receive(from, consensusMessage, nowMs));
      return;
    }
    switch (message.kind) {
      case "partials":
        for (const partial of message.partials) this.#performCertified(this.#certifier.receive(from, partial));
        break;
      case "certificates":
        for (const certificate of message.certificates) this.#receiveCertificate(from, certificate);
        break;
      case "certificatesWanted":
        this.#answerCertificates(from, message.from);
        break;
      case "instructions":
        this.#receiveGossip(from, message.instructions);
        break;
    }
  }

  /** Honest members verify before they gossip, so the first false signature ends what a message may cost us. */
  #receiveGossip(from: number, instructions: readonly SignedInstruction[]): void {
    for (const signed of instructions) {
      const { code, instructionId: id } = this.#admission.admit(signed, from, this.#consensus.lastOwnRound + 1);
      if (code !== "badSignature") continue;
      this.#out.show({ kind: "punish", member: from, code: "badInstruction", details: { instructionId: id } });
      return;
    }
  }

  /** Blocks with a payload that were accepted before the crash and are not output yet. */
  #findUnsettled(output: ReadonlySet<Hex>): void {
    for (let round = Math.max(1, this.#consensus.floor + 1); round <= this.#consensus.highestRound; round++) {
      for (const { digest, payload } of this.#consensus.blocksAt(round)) {
        if (payload.length > 0 && !output.has(digest)) this.#unsettled.set(digest, round);
      }
    }
  }

  #performAll(effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ConsensusEffect): void {
    switch (effect.kind) {
      case "accepted":
        this.#accepted(effect.block);
        break;
      case "send":
        this.#out.send(effect.to, encodeMessage({ kind: "consensus", bytes: encodeConsensusMessage(effect.message) }));
        break;
      case "coin":
        this.#out.persistCoin(effect.round, effect.signature);
        break;
      case "output":
        this.#settle(effect.output);
        break;
      case "exposed":
      case "punish":
      case "behind":
        this.#out.show(effect);
        break;
    }
  }

  #accepted(block: VerifiedBlock): void {
    this.#out.persistBlock(block, block.author === this.#config.self);
    if (block.payload.length > 0) this.#unsettled.set(block.digest, block.round);
    if (block.author === this.#config.self) return;
    for (const partial of block.partials) this.#performCertified(this.#certifier.receive(block.author, partial));
  }

  #settle(output: OutputRound): void {
    this.#out.show({ kind: "ordered", output });
    const last = output.commits.at(-1);
    const items = output.commits.flatMap((commit) => this.#itemsOf(commit));
    for (const [digest, round] of this.#unsettled) if (round <= this.#consensus.floor) this.#unsettled.delete(digest);
    if (last === undefined) return;
    const batch = this.#ledger.apply({ commit: last.digest, items });
    if (batch === undefined) return;
    for (const receipt of batch.receipts) this.#mempool.remove(receipt.instructionId);
    this.#out.show({ kind: "batch", batch });
    this.#certify(batch);
  }

  #itemsOf(commit: Commit): BatchItem[] {
    const items: BatchItem[] = [];
    for (const block of commit.blocks) {
      this.#unsettled.delete(block.digest);
      if (block.payload.length === 0) continue;
      const payload = decodePayloadOrNothing(block.payload);
      // A payload that does not decode is a malicious author's; every member skips it alike.
      if (payload === undefined) {
        this.#out.show({
          kind: "punish",
          member: block.author,
          code: "malformedPayload",
          details: { round: block.round },
        });
        continue;
      }
      for (const signed of payload.instructions)
        this.#mempool.ordered(instructionId(signed.instruction), signed.signature);
      if (block.author === this.#config.self) this.#mempool.observed(payload.observations);
      items.push({ author: block.author, ...payload });
    }
    return items;
  }

  /** Signs a settled batch in every required suite: registered first, then carried by the next block and sent directly. */
  #certify(batch: SettledBatch): void {
    const { header, digest } = batch;
    const { self, secrets, committee, engines } = this.#config;
    const result = this.#certifier.settle(header, digest, (suite) => this.#certificates.has(header.sequence, suite));
    if (self !== undefined && secrets !== undefined) {
      const registered = this.#registered("batch", header.sequence);
      assert(
        registered === undefined || registered === digest,
        `batch ${header.sequence} was signed with another digest before`,
      );
      const partials: BatchPartial[] = [];
      for (const suite of committee.requiredSuites) {
        if (!this.#certifier.isOpen(header.sequence, suite)) continue;
        const signature = engines[suite].sign(secrets.shares[suite], hexToBytes(digest));
        partials.push({ sequence: header.sequence, suite, digest, signature });
      }
      if (partials.length > 0) {
        if (registered === undefined) this.#out.persistRegister("batch", header.sequence, digest);
        this.#carried.push(...partials);
        this.#out.send("all", encodeMessage({ kind: "partials", partials }));
        for (const partial of partials) this.#performCertified(this.#certifier.receive(self, partial));
      }
    }
    this.#performCertified(result);
  }

  #performCertified(result: CertifierResult): void {
    for (const certificate of result.certificates) this.#certified(certificate);
    for (const { member, code, details } of result.faults) this.#out.show({ kind: "punish", member, code, details });
  }

  #certified(certificate: Certificate): void {
    this.#certificates.add(certificate);
    this.#out.persistCertificate(certificate);
    this.#out.show({ kind: "certificate", certificate });
  }

  #receiveCertificate(from: number, certificate: Certificate): void {
    const digest = headerDigest(certificate.header, this.#config.committee.id);
    const verdict = this.#certifier.receiveCertificate(certificate, digest);
    if (verdict === "closed") this.#certified(certificate);
    if (verdict === "invalid") {
      const details = { sequence: certificate.header.sequence, suite: certificate.suite };
      this.#out.show({ kind: "punish", member: from, code: "badCertificate", details });
    }
  }

  /** Serves what we have: certificates first; where we have none either, our own partials. */
  #answerCertificates(to: number, from: bigint): void {
    const certificates: Certificate[] = [];
    const oldest = this.#certificates.oldest;
    for (
      let sequence = from > oldest ? from : oldest;
      sequence <= this.#ledger.sequence && certificates.length + SUITES.length <= MAX_CERTIFICATES;
      sequence++
    ) {
      for (const suite of this.#config.committee.requiredSuites) {
        const certificate = this.#certificates.get(sequence, suite);
        if (certificate !== undefined) certificates.push(certificate);
      }
    }
    if (certificates.length > 0) this.#out.send(to, encodeMessage({ kind: "certificates", certificates }));
    this.#sendOpenPartials(to, from);
  }

  #sendOpenPartials(to: number, from: bigint): void {
    const { self } = this.#config;
    if (self === undefined || to === self) return;
    const partials = this.#certifier.partialsOf(self, from, MAX_PARTIALS);
    if (partials.length > 0) this.#out.send(to, encodeMessage({ kind: "partials", partials }));
  }

  #askForCertificates(nowMs: number): void {
    const certified = this.#certifier.certifiedSequence();
    if (certified >= this.#ledger.sequence) {
      this.#lastAskMs = nowMs;
      return;
    }
    if (nowMs - this.#lastAskMs < this.#config.pacing.retryMs) return;
    this.#lastAskMs = nowMs;
    const n = this.#config.committee.members.length;
    if (this.#nextPeer % n === this.#config.self) this.#nextPeer++;
    this.#out.send(this.#nextPeer++ % n, encodeMessage({ kind: "certificatesWanted", from: certified + 1n }));
  }

  #submit(instructions: readonly SignedInstruction[]): void {
    const accepted: SignedInstruction[] = [];
    for (const signed of instructions) {
      const verdict = this.#admission.admit(signed, undefined, this.#consensus.lastOwnRound + 1);
      if (verdict.code === "accepted") accepted.push(signed);
      this.#out.show({ kind: "verdict", verdict });
    }
    for (const instructions of inMessages(accepted)) {
      this.#out.send("all", encodeMessage({ kind: "instructions", instructions }));
    }
  }

  /** Proposes as often as consensus allows and pacing wants: at once while anything waits to be ordered, else now and then. */
  #propose(nowMs: number): void {
    const { secrets, pacing, consensusLimits } = this.#config;
    this.#wakeAtMs = this.#retryAtMs;
    if (secrets === undefined) return;
    for (;;) {
      const proposal = this.#consensus.proposal(nowMs);
      if (proposal === undefined) return;
      if (proposal.kind === "wait") {
        this.#wakeAtMs = Math.min(this.#wakeAtMs, proposal.untilMs);
        return;
      }
      const isBusy = this.#unsettled.size > 0 || this.#mempool.hasWork(proposal.round);
      const dueMs = this.#lastProposalMs + (isBusy ? pacing.busyIntervalMs : pacing.idleIntervalMs);
      if (nowMs < dueMs) {
        this.#wakeAtMs = Math.min(this.#wakeAtMs, dueMs);
        return;
      }
      this.#lastProposalMs = nowMs;
      const payload = this.#consensus.acceptsPayload
        ? this.#mempool.take(proposal.round, consensusLimits.maxPayloadBytes)
        : new Uint8Array(0);
      const partials = this.#carried.splice(0, MAX_BLOCK_PARTIALS);
      this.#performAll(this.#consensus.propose({ payload, partials }, secrets.identity, nowMs));
    }
  }
}

function decodePayloadOrNothing(bytes: Uint8Array): ReturnType<typeof decodePayload> | undefined {
  try {
    return decodePayload(bytes);
  } catch {
    return undefined;
  }
}

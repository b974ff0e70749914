/**
 * One committee member through all its epochs: consensus orders, the ledger settles, the certifier signs, and when the committee
 * changes the same member goes on in the next epoch. A state machine without I/O; the simulator and the real node drive this same
 * object. Effects come out in the order in which they must be carried out: one durable write, then what may leave, then what may
 * be shown.
 */
import { headerDigest } from "../batch/header.ts";
import type { Certificate } from "../batch/types.ts";
import type { Consensus } from "../consensus/consensus.ts";
import type { Commit, ConsensusEffect, ConsensusMessage, OutputRound, VerifiedBlock } from "../consensus/types.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../consensus/wire.ts";
import { decodePayload } from "../ledger/codec.ts";
import { genesisHash } from "../ledger/genesis.ts";
import { instructionId } from "../ledger/instruction.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { BatchItem, SettledBatch, SignedInstruction } from "../ledger/types.ts";
import { assert } from "../lib/assert.ts";
import { keccakOfHex } from "../lib/hash.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Committee } from "../threshold/committee.ts";
import { SUITES } from "../threshold/types.ts";
import { Admission, inMessages } from "./admission.ts";
import { CertificateCache } from "./certificate-cache.ts";
import type { CertifierResult } from "./certifier.ts";
import { EffectBuffer } from "./effect-buffer.ts";
import { Epoch } from "./epoch.ts";
import { Lag } from "./lag.ts";
import { Mempool } from "./mempool.ts";
import { Reconfigurer } from "./reconfigurer.ts";
import { SignatureCache } from "./signature-cache.ts";
import type { MemberConfig, MemberEffect, MemberInput, Recovered, Shares } from "./types.ts";
import { decodeMessage, encodeMessage, epochOfMessage, MAX_CERTIFICATES, MAX_PARTIALS } from "./wire.ts";

/**
 * Genesis of an epoch's DAG: binds the committee and everything that its ledger starts from: the ledger genesis in the first epoch,
 * after that the digest of the batch that closed the one before.
 */
export function epochGenesis(committeeId: Hex, startsFrom: Hex): Hex {
  return keccakOfHex(committeeId, startsFrom);
}

/** A transaction's deals fill a block: some room is left for what else waits. */
const PAYLOAD_RESERVE_BYTES = 64 * 1024;

export class Member {
  readonly #config: MemberConfig;
  readonly #ledger: Ledger;
  readonly #mempool: Mempool;
  readonly #admission: Admission;
  readonly #certificates = new CertificateCache();
  readonly #reconfigurer: Reconfigurer | undefined;
  readonly #lag: Lag;
  readonly #out = new EffectBuffer();
  /** Who we are, whatever the epoch; undefined for a learner. */
  readonly #address: Address | undefined;
  #epoch: Epoch;
  /** The batch that closes this epoch: nothing that the old order outputs after it is applied, and no content is proposed any more. */
  #closing: SettledBatch | undefined;
  /** The epoch closed and we are no member of the next: we serve this one and sign nothing new. */
  #isRetired = false;
  /** The ledger went on, or something came that the reconfigurer must look at. */
  #isMoved = true;
  #lastProposalMs = Number.NEGATIVE_INFINITY;
  #lastAskMs = Number.NEGATIVE_INFINITY;
  #nextPeer = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #wakeAtMs: number | undefined;
  #registered: Recovered["registered"] = () => undefined;

  /** Throws LedgerError `badGenesis`, `badSnapshot`; ConsensusError `badConfig`. */
  constructor(config: MemberConfig) {
    this.#config = config;
    const { committee, genesis, start, self, secrets, reshare } = config;
    const signatures = new SignatureCache(config.identities);
    const options = { verify: signatures.verify, committee, ...(reshare === undefined ? {} : { reshare }) };
    this.#ledger =
      start === undefined
        ? new Ledger(genesis, options)
        : Ledger.restore(genesis, start.header, start.snapshot, options);
    assert(this.#ledger.epoch === committee.epoch, "the committee is that of the epoch it starts in");
    for (const certificate of start?.certificates ?? []) this.#certificates.restore(certificate);
    this.#mempool = new Mempool(config.limits, config.retainedRounds, committee.members.length);
    this.#admission = new Admission(committee.id, this.#ledger, this.#mempool, signatures);
    this.#address = self === undefined || secrets === undefined ? undefined : committee.members[self]?.address;
    this.#reconfigurer = reshare === undefined ? undefined : new Reconfigurer(config, reshare, this.#address);
    this.#lag = new Lag(config.pacing.retryMs, start?.certificates ?? []);
    this.#epoch = this.#enter(committee, self, secrets?.shares);
  }

  /** The settled ledger; read only. */
  get ledger(): Ledger {
    return this.#ledger;
  }

  /** The DAG of the current epoch; read only. */
  get consensus(): Consensus {
    return this.#epoch.consensus;
  }

  /** Of the current epoch. */
  get committee(): Committee {
    return this.#epoch.committee;
  }

  /** Own index in the current epoch; undefined for a learner. */
  get self(): number | undefined {
    return this.#epoch.self;
  }

  /** False without shares of the current epoch, and for a member that left. */
  get isSigner(): boolean {
    return this.#epoch.isSigner && !this.#isRetired;
  }

  /** The committee went on without this member, as it decided. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Highest sequence certified without a gap in every required suite, since the epoch began. */
  get certifiedSequence(): bigint {
    return this.#epoch.certifier.certifiedSequence();
  }

  get pendingInstructions(): number {
    return this.#mempool.size;
  }

  isPending(id: Hex): boolean {
    return this.#mempool.has(id);
  }

  /** What this member's users handed in and nobody decided: for whoever takes over from this object. */
  undecided(): readonly SignedInstruction[] {
    return this.#mempool.own();
  }

  /** When the next `tick` has something to do, if nothing else happens before. */
  get wakeAtMs(): number | undefined {
    return this.#wakeAtMs;
  }

  /**
   * Replays what the store kept; call once, before the first step. Delivers batches again (the ledger is rebuilt from the log)
   * and at the end a write for partials that were not registered before the crash. Nothing is sent: peers ask, or connect. If
   * the epoch closed before the crash, its `epoch` effect comes in the first step.
   */
  restore(recovered: Recovered, deliver: (effect: MemberEffect) => void): void {
    assert(this.consensus.lastOwnRound === 0, "restore comes before the first step");
    this.#registered = (kind, position) => recovered.registered(kind, position);
    for (const certificate of recovered.certificates) this.#certificates.restore(certificate);
    const output = new Set<Hex>();
    for (const effect of this.consensus.restore(recovered.log)) {
      if (effect.kind === "output")
        for (const { blocks } of effect.output.commits) for (const block of blocks) output.add(block.digest);
      this.#perform(effect);
      for (const shown of this.#out.drainShown()) deliver(shown);
    }
    this.#certificates.trim();
    this.#epoch.findUnsettled(output);
    // The partials of the newest batches may not have left before the crash; peers that lack them get them again.
    for (const effect of this.#out.drain()) if (effect.kind !== "send") deliver(effect);
  }

  /** Takes one input and says what to do, in this order: persist, send, show. Never throws on foreign input. */
  step(input: MemberInput, nowMs: number): MemberEffect[] {
    switch (input.kind) {
      case "message":
        if (input.epoch === this.#epoch.number) this.#receive(input.from, input.bytes, nowMs);
        break;
      case "connected":
        if (input.epoch === this.#epoch.number) this.#connected(input.peer, nowMs);
        break;
      case "submit":
        this.#submit(input.instructions);
        break;
      case "observe":
        if (!this.#isRetired) this.#mempool.observe(input.observations, this.#epoch.nextRound);
        break;
      case "transactions":
        this.#takeTransactions(input.transactions);
        break;
      case "shares":
        this.#takeShares(input.epoch, input.attempt, input.shares);
        break;
      case "tick":
        break;
    }
    // Retries are due by time, not by silence: under traffic the next timer would always be put off.
    if (nowMs >= this.#retryAtMs) this.#retry(nowMs);
    this.#reconfigure();
    this.#propose(nowMs);
    this.#reconfigure();
    this.#turn(nowMs);
    return this.#out.drain();
  }

  #enter(committee: Committee, self: number | undefined, shares: Shares | undefined): Epoch {
    const { sequence, digest } = this.#ledger;
    const isFirst = committee.epoch === this.#config.genesis.epoch;
    const startsFrom = isFirst ? genesisHash(this.#config.genesis) : digest;
    return new Epoch(this.#config, {
      committee,
      genesisHash: epochGenesis(committee.id, startsFrom),
      sequence,
      self,
      shares: self === undefined ? undefined : shares,
    });
  }

  /** Into the next epoch, once the closing batch is final in every required suite, and in no other way. */
  #turn(nowMs: number): void {
    const closing = this.#closing;
    if (closing?.closes === undefined || this.#isRetired) return;
    const { header, closes: change } = closing;
    const certificates: Certificate[] = [];
    for (const suite of this.committee.requiredSuites) {
      const certificate = this.#certificates.get(header.sequence, suite);
      if (certificate === undefined) return;
      certificates.push(certificate);
    }
    const old = this.#epoch;
    // Whoever lacks partials now would wait for ours in vain: we are about to forget them.
    this.#out.send("all", encodeMessage(old.number, { kind: "closed", certificates }));
    const found = change.committee.members.findIndex(({ address }) => address === this.#address);
    const self = found < 0 ? undefined : found;
    this.#isRetired = this.#address !== undefined && self === undefined;
    const undecided = this.#isRetired ? this.#mempool.own() : [];
    this.#out.show({ kind: "epoch", change, header, certificates, self, undecided });
    if (this.#isRetired) return;
    const shares = this.#reconfigurer?.sharesFor(this.#epochs());
    this.#closing = undefined;
    this.#epoch = this.#enter(change.committee, self, shares);
    const newIndex = new Map(change.committee.members.map(({ address }, index) => [address, index]));
    this.#mempool.renew(newIndex.size, (index) => newIndex.get(old.committee.members[index]!.address));
    this.#reconfigurer?.renew();
    this.#lag.renew(certificates);
    this.#isMoved = true;
    this.#lastProposalMs = Number.NEGATIVE_INFINITY;
    // The node makes a new transport first; the next step has work.
    this.#wakeAtMs = nowMs;
  }

  #retry(nowMs: number): void {
    this.#retryAtMs = nowMs + this.#config.pacing.retryMs;
    this.#performAll(this.consensus.tick(nowMs));
    this.#askForCertificates(nowMs);
    if (!this.#isRetired && this.#lag.isBehind(nowMs))
      this.#out.show({ kind: "behind", epoch: this.#epoch.number + 1n, round: 0 });
  }

  #connected(peer: number, nowMs: number): void {
    this.#performAll(this.consensus.connected(peer, nowMs));
    this.#sendOpenPartials(peer, this.certifiedSequence + 1n);
  }

  #receive(from: number, bytes: Uint8Array, nowMs: number): void {
    const epoch = epochOfMessage(bytes);
    const current = this.#epoch.number;
    if (epoch !== undefined && epoch < current) {
      const certificates = this.#lag.answerTo(from, nowMs);
      if (certificates !== undefined) this.#out.send(from, encodeMessage(epoch, { kind: "closed", certificates }));
      return;
    }
    if (epoch !== undefined && epoch > current) {
      this.#lag.suspect(nowMs);
      return;
    }
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
      this.#performAll(this.consensus.receive(from, consensusMessage, nowMs));
      return;
    }
    switch (message.kind) {
      case "partials":
        for (const partial of message.partials) this.#performCertified(this.#epoch.certifier.receive(from, partial));
        break;
      case "certificates":
        for (const certificate of message.certificates) this.#receiveCertificate(from, certificate);
        break;
      case "closed":
        for (const certificate of message.certificates) this.#receiveClosing(from, certificate, nowMs);
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
    if (this.#isRetired) return;
    for (const signed of instructions) {
      const { code, instructionId: id } = this.#admission.admit(signed, from, this.#epoch.nextRound);
      if (code !== "badSignature") continue;
      this.#out.show({ kind: "punish", member: from, code: "badInstruction", details: { instructionId: id } });
      return;
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
        this.#sendMessage(effect.to, { kind: "consensus", bytes: encodeConsensusMessage(effect.message) });
        break;
      case "coin":
        this.#out.persistCoin(effect.round, effect.signature);
        break;
      case "output":
        this.#settle(effect.output);
        break;
      case "exposed":
      case "punish":
        this.#out.show(effect);
        break;
      case "behind":
        this.#out.show({ ...effect, epoch: this.#epoch.number });
        break;
    }
  }

  #accepted(block: VerifiedBlock): void {
    const isOwn = block.author === this.self;
    this.#out.persistBlock(block, isOwn);
    this.#epoch.accepted(block);
    if (isOwn) return;
    for (const partial of block.partials) this.#performCertified(this.#epoch.certifier.receive(block.author, partial));
    this.#lookAhead(block);
  }

  /** Deals take long to verify: while the order is made, the node's workers can. */
  #lookAhead(block: VerifiedBlock): void {
    const reconfigurer = this.#reconfigurer;
    if (reconfigurer?.isDealing !== true || block.payload.length === 0) return;
    for (const bytes of decodePayloadOrNothing(block.payload)?.transactions ?? []) {
      const task = reconfigurer.seen(bytes, this.#epochs());
      if (task !== undefined) this.#out.show({ kind: "task", task });
    }
  }

  #settle(output: OutputRound): void {
    // The epoch is over: what its order still says is not applied, and what it carried is proposed again.
    if (this.#closing !== undefined) return;
    this.#out.show({ kind: "ordered", output });
    const last = output.commits.at(-1);
    const items = output.commits.flatMap((commit) => this.#itemsOf(commit));
    this.#epoch.forgetSunk();
    if (last === undefined) return;
    const batch = this.#ledger.apply({ commit: last.digest, items });
    if (batch === undefined) return;
    for (const receipt of batch.receipts) this.#mempool.remove(receipt.instructionId);
    this.#isMoved ||= batch.events.some((event) => event.kind === "reconfiguration");
    this.#out.show({ kind: "batch", batch });
    if (batch.closes !== undefined) this.#close(batch);
    this.#certify(batch);
  }

  /** From here on nothing is applied until the batch is final. Who leaves says once more what it still holds for its users. */
  #close(batch: SettledBatch): void {
    this.#closing = batch;
    const isLeaving = batch.closes?.committee.members.every(({ address }) => address !== this.#address);
    if (this.#address !== undefined && isLeaving === true) this.#gossip(this.#mempool.own());
  }

  #itemsOf(commit: Commit): BatchItem[] {
    const items: BatchItem[] = [];
    for (const block of commit.blocks) {
      this.#epoch.settled(block.digest);
      if (block.payload.length === 0) continue;
      const payload = decodePayloadOrNothing(block.payload);
      // A payload that does not decode is a malicious author's; every member skips it alike.
      if (payload === undefined) {
        const details = { round: block.round };
        this.#out.show({ kind: "punish", member: block.author, code: "malformedPayload", details });
        continue;
      }
      for (const signed of payload.instructions)
        this.#mempool.ordered(instructionId(signed.instruction), signed.signature);
      for (const bytes of payload.transactions) this.#reconfigurer?.ordered(bytes);
      if (block.author === this.self) this.#mempool.observed(payload.observations);
      items.push({ author: block.author, ...payload });
    }
    return items;
  }

  /** Signs a settled batch in every required suite: registered first, then carried by the next block and sent directly. */
  #certify(batch: SettledBatch): void {
    const { header, digest } = batch;
    const { certifier, self } = this.#epoch;
    const result = certifier.settle(header, digest, (suite) => this.#certificates.has(header.sequence, suite));
    if (this.#epoch.isSigner && self !== undefined) {
      const isNew = this.#mayRegister("batch", header.sequence, digest);
      const partials = this.#epoch.signBatch(batch);
      if (partials.length > 0) {
        if (isNew) this.#out.persistRegister("batch", header.sequence, digest);
        this.#sendMessage("all", { kind: "partials", partials });
        for (const partial of partials) this.#performCertified(certifier.receive(self, partial));
      }
    }
    this.#performCertified(result);
  }

  /** False when it is registered already; another digest there ends this process. */
  #mayRegister(kind: "batch" | "handover", position: bigint, digest: Hex): boolean {
    const registered = this.#registered(kind, position);
    assert(
      registered === undefined || registered === digest,
      `${kind} ${position} was signed with another digest before`,
    );
    return registered === undefined;
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
    const digest = headerDigest(certificate.header, this.committee.id);
    const verdict = this.#epoch.certifier.receiveCertificate(certificate, digest);
    if (verdict === "closed") this.#certified(certificate);
    if (verdict === "invalid") this.#blameCertificate(from, certificate);
  }

  #blameCertificate(from: number, { header: { sequence }, suite }: Certificate): void {
    this.#out.show({ kind: "punish", member: from, code: "badCertificate", details: { sequence, suite } });
  }

  /** What closed our epoch, as one says who went on: if we have not settled that batch, a while is given to the DAG to bring it. */
  #receiveClosing(from: number, certificate: Certificate, nowMs: number): void {
    const { header } = certificate;
    // A later epoch's: its key may be another, so nothing can be said about it here.
    if (header.epoch > this.#epoch.number) this.#lag.suspect(nowMs);
    if (header.epoch !== this.#epoch.number) return;
    if (header.sequence <= this.#ledger.sequence) this.#receiveCertificate(from, certificate);
    else if (this.#epoch.isSigned(certificate, headerDigest(header, this.committee.id))) this.#lag.suspect(nowMs);
    else this.#blameCertificate(from, certificate);
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
      for (const suite of this.committee.requiredSuites) {
        const certificate = this.#certificates.get(sequence, suite);
        if (certificate !== undefined) certificates.push(certificate);
      }
    }
    if (certificates.length > 0) this.#sendMessage(to, { kind: "certificates", certificates });
    this.#sendOpenPartials(to, from);
  }

  #sendOpenPartials(to: number, from: bigint): void {
    if (this.self === undefined || to === this.self) return;
    const partials = this.#epoch.certifier.partialsOf(this.self, from, MAX_PARTIALS);
    if (partials.length > 0) this.#sendMessage(to, { kind: "partials", partials });
  }

  #askForCertificates(nowMs: number): void {
    const certified = this.certifiedSequence;
    if (certified >= this.#ledger.sequence) {
      this.#lastAskMs = nowMs;
      return;
    }
    if (nowMs - this.#lastAskMs < this.#config.pacing.retryMs) return;
    this.#lastAskMs = nowMs;
    const n = this.committee.members.length;
    if (this.#nextPeer % n === this.self) this.#nextPeer++;
    this.#sendMessage(this.#nextPeer++ % n, { kind: "certificatesWanted", from: certified + 1n });
  }

  #submit(instructions: readonly SignedInstruction[]): void {
    const accepted: SignedInstruction[] = [];
    for (const signed of instructions) {
      if (this.#isRetired) {
        const id = instructionId(signed.instruction);
        const verdict = { instructionId: id, status: "refused", code: "retired", figures: {} } as const;
        this.#out.show({ kind: "verdict", verdict });
        continue;
      }
      const verdict = this.#admission.admit(signed, undefined, this.#epoch.nextRound);
      if (verdict.code === "accepted") accepted.push(signed);
      this.#out.show({ kind: "verdict", verdict });
    }
    this.#gossip(accepted);
  }

  #gossip(instructions: readonly SignedInstruction[]): void {
    for (const part of inMessages(instructions)) this.#sendMessage("all", { kind: "instructions", instructions: part });
  }

  #takeTransactions(transactions: readonly Uint8Array[]): void {
    const reconfigurer = this.#reconfigurer;
    const codes = transactions.map((bytes) => {
      if (reconfigurer === undefined || this.#isRetired || this.#closing !== undefined) return "unavailable";
      const { code, task } = reconfigurer.offer(bytes, this.#epochs());
      if (task !== undefined) this.#out.show({ kind: "task", task });
      return code;
    });
    this.#out.show({ kind: "taken", codes });
  }

  #takeShares(epoch: bigint, attempt: bigint, shares: Shares): void {
    const reconfigurer = this.#reconfigurer;
    if (reconfigurer === undefined || this.#isRetired) return;
    reconfigurer.opened(epoch, attempt, shares);
    this.#isMoved = true;
    const { self, isSigner, number } = this.#epoch;
    if (self === undefined || isSigner || epoch !== number) return;
    const own = reconfigurer.sharesFor(this.#epochs());
    if (own !== undefined) this.#epoch.take(own);
  }

  /** After the ledger went on: what that asks of us. Not after its closing batch: it speaks of the next epoch then. */
  #reconfigure(): void {
    if (!this.#isMoved || this.#reconfigurer === undefined || this.#closing !== undefined) return;
    this.#isMoved = false;
    const { tasks, handover } = this.#reconfigurer.refresh(this.#epochs(), this.#epoch);
    for (const task of tasks) this.#out.show({ kind: "task", task });
    if (handover === undefined) return;
    const { number, digest } = handover;
    if (this.#mayRegister("handover", number, digest)) this.#out.persistRegister("handover", number, digest);
  }

  #epochs() {
    const { epochs } = this.#ledger;
    assert(epochs !== undefined, "a ledger that can change its committee knows its epochs");
    return epochs;
  }

  #sendMessage(to: number | "all", message: Parameters<typeof encodeMessage>[1]): void {
    this.#out.send(to, encodeMessage(this.#epoch.number, message));
  }

  /** Proposes as often as consensus allows and pacing wants: at once while anything waits to be ordered, else now and then. */
  #propose(nowMs: number): void {
    const { secrets, pacing } = this.#config;
    this.#wakeAtMs = this.#retryAtMs;
    if (secrets === undefined || !this.isSigner) return;
    for (;;) {
      const proposal = this.consensus.proposal(nowMs);
      if (proposal === undefined) return;
      if (proposal.kind === "wait") {
        this.#wakeAtMs = Math.min(this.#wakeAtMs, proposal.untilMs);
        return;
      }
      const dueMs =
        this.#lastProposalMs + (this.#isBusy(proposal.round) ? pacing.busyIntervalMs : pacing.idleIntervalMs);
      if (nowMs < dueMs) {
        this.#wakeAtMs = Math.min(this.#wakeAtMs, dueMs);
        return;
      }
      this.#lastProposalMs = nowMs;
      const content = this.#epoch.content(this.#payload(proposal.round));
      this.#performAll(this.consensus.propose(content, secrets.identity, nowMs));
    }
  }

  /** Something waits for rounds to go on. */
  #isBusy(round: number): boolean {
    if (this.#closing !== undefined || this.#epoch.hasUnsettled) return true;
    if (this.#reconfigurer?.isClosing === true || this.#reconfigurer?.hasDue(round) === true) return true;
    return this.#mempool.hasWork(round);
  }

  /** Nothing into an epoch that is over, or while ordering lags too far behind. */
  #payload(round: number): Uint8Array {
    if (this.#closing !== undefined || !this.consensus.acceptsPayload) return new Uint8Array(0);
    const { maxPayloadBytes } = this.#config.consensusLimits;
    const transactions = this.#reconfigurer?.due(round, maxPayloadBytes - PAYLOAD_RESERVE_BYTES) ?? [];
    return this.#mempool.take(round, maxPayloadBytes, transactions);
  }
}

function decodePayloadOrNothing(bytes: Uint8Array): ReturnType<typeof decodePayload> | undefined {
  try {
    return decodePayload(bytes);
  } catch {
    return undefined;
  }
}

/** A deterministic network of Consensus objects in virtual time, for tests of this room alone. */
import { assert } from "chai";
import { Consensus } from "../../../src/consensus/consensus.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../../src/consensus/limits.ts";
import type { ConsensusConfig, ConsensusEffect, ConsensusMessage, OutputRound } from "../../../src/consensus/types.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../../../src/consensus/wire.ts";
import { utf8ToBytes } from "../../../src/lib/bytes.ts";
import { keccak256, keccak256Hex } from "../../../src/lib/hash.ts";
import type { Hex } from "../../../src/lib/hex.ts";
import { standInAddress, standInCoin, standInSigner } from "./stand-ins.ts";

/** mulberry32: small, seeded, good enough for schedules. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const secretOf = (index: number): Uint8Array => keccak256(utf8ToBytes(`secret/${index}`));

export function configOf(n: number, self: number | undefined, changes: Partial<ConsensusConfig> = {}): ConsensusConfig {
  return {
    committeeId: keccak256Hex(utf8ToBytes("committee")),
    epoch: 1n,
    genesisHash: keccak256Hex(utf8ToBytes("genesis")),
    members: Array.from({ length: n }, (_, i) => standInAddress(secretOf(i))),
    self,
    coin: standInCoin("test", n, self),
    retainedRounds: 50,
    activityWindow: 8,
    limits: DEFAULT_CONSENSUS_LIMITS,
    signer: standInSigner,
    ...changes,
  };
}

export interface Member {
  readonly consensus: Consensus;
  readonly outputs: OutputRound[];
  readonly effects: ConsensusEffect[];
  readonly log: (
    | { kind: "block"; bytes: Uint8Array; digest: Hex }
    | { kind: "coin"; round: number; signature: Uint8Array }
  )[];
  /** Of the log, as `readBlock` finds them. */
  readonly blocks: Map<Hex, Uint8Array>;
  isDown: boolean;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export interface NetworkOptions {
  readonly n: number;
  readonly seed: number;
  readonly delay: { readonly min: number; readonly max: number };
  readonly config?: (self: number) => Partial<ConsensusConfig>;
  /** Delay of one message, or undefined to lose it; default: uniform. */
  readonly route?: (from: number, to: number, message: ConsensusMessage, network: Network) => number | undefined;
  readonly payload?: (self: number, round: number) => Uint8Array;
}

export class Network {
  readonly members: Member[];
  readonly random: () => number;
  readonly options: NetworkOptions;
  nowMs = 0;
  #order = 0;
  #events: Event[] = [];

  constructor(options: NetworkOptions) {
    this.options = options;
    this.random = randomOf(options.seed);
    this.members = Array.from({ length: options.n }, (_, self) => this.#create(self, [], new Map()));
    for (let i = 0; i < options.n; i++) {
      this.at(this.random() * 5, () => this.#tryPropose(i));
      this.#scheduleTick(i);
    }
  }

  at(atMs: number, run: () => void): void {
    const event = { atMs, order: this.#order++, run };
    let i = this.#events.length;
    while (i > 0 && this.#events[i - 1]!.atMs < atMs) i--;
    this.#events.splice(i, 0, event);
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      const next = this.#events.at(-1);
      if (next === undefined || next.atMs > untilMs) break;
      this.#events.pop();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  /** Crash and restart from the log. */
  restart(index: number): void {
    const old = this.members[index]!;
    const member = this.#create(index, old.log, old.blocks);
    member.consensus.restore(old.log, (effect) => {
      if (effect.kind === "output") member.outputs.push(effect.output);
    });
    this.members[index] = member;
    this.#tryPropose(index);
  }

  #create(self: number, log: Member["log"], blocks: Member["blocks"]): Member {
    const readBlock = (digest: Hex): Uint8Array | undefined => blocks.get(digest);
    const config = configOf(this.options.n, self, { readBlock, ...this.options.config?.(self) });
    return { consensus: new Consensus(config), outputs: [], effects: [], log, blocks, isDown: false };
  }

  send(from: number, to: number, message: ConsensusMessage): void {
    const { delay, route } = this.options;
    const uniform = delay.min + this.random() * (delay.max - delay.min);
    const delayMs = route === undefined ? uniform : route(from, to, message, this);
    if (delayMs === undefined) return;
    const bytes = encodeConsensusMessage(message);
    this.at(this.nowMs + delayMs, () => {
      const member = this.members[to]!;
      if (member.isDown) return;
      this.apply(to, member.consensus.receive(from, decodeConsensusMessage(bytes), this.nowMs));
      this.#tryPropose(to);
    });
  }

  apply(index: number, effects: readonly ConsensusEffect[]): void {
    const member = this.members[index]!;
    for (const effect of effects) {
      member.effects.push(effect);
      if (effect.kind === "accepted") {
        const { bytes, digest } = effect.block;
        member.log.push({ kind: "block", bytes, digest });
        member.blocks.set(digest, bytes);
      } else if (effect.kind === "coin")
        member.log.push({ kind: "coin", round: effect.round, signature: effect.signature });
      else if (effect.kind === "output") member.outputs.push(effect.output);
      else if (effect.kind === "send") {
        for (let to = 0; to < this.options.n; to++) {
          if (to !== index && (effect.to === "all" || effect.to === to)) this.send(index, to, effect.message);
        }
      }
    }
    // As a member does before its next step.
    member.consensus.shed();
  }

  assertAgreement(): void {
    const longest = this.members.reduce((a, b) => (a.outputs.length >= b.outputs.length ? a : b));
    for (const member of this.members) {
      for (const [i, output] of member.outputs.entries()) {
        const other = longest.outputs[i]!;
        assert.equal(output.round, i + 1);
        assert.deepEqual(
          output.commits.map((commit) => commit.digest),
          other.commits.map((commit) => commit.digest),
        );
      }
    }
  }

  #tryPropose(index: number): void {
    const member = this.members[index]!;
    if (member.isDown) return;
    const proposal = member.consensus.proposal(this.nowMs);
    if (proposal === undefined) return;
    if (proposal.kind === "wait") {
      this.at(proposal.untilMs, () => this.#tryPropose(index));
      return;
    }
    const payload = this.options.payload?.(index, proposal.round) ?? new Uint8Array(0);
    this.apply(index, member.consensus.propose({ payload, partials: [] }, secretOf(index), this.nowMs));
  }

  #scheduleTick(index: number): void {
    this.at(this.nowMs + 50, () => {
      const member = this.members[index]!;
      if (!member.isDown) {
        this.apply(index, member.consensus.tick(this.nowMs));
        this.#tryPropose(index);
      }
      this.#scheduleTick(index);
    });
  }
}

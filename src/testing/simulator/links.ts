/**
 * What passes between processes in virtual time: messages, as late as the network says, and news that a link is up. A person may run
 * several times under one identity: whoever sends to it sends to all of them.
 */

import { encodeConsensusMessage } from "../../consensus/wire.ts";
import { bytesToHex } from "../../lib/hex.ts";
import type { MemberInput } from "../../member/types.ts";
import { encodeMessage } from "../../member/wire.ts";
import type { Cluster } from "./cluster.ts";
import { stateOf } from "./fingerprint.ts";
import { type Network, UNIT_MS } from "./network.ts";

export class Links {
  readonly #cluster: Cluster;
  readonly #network: Network;
  /** Persons that run under another person's identity, and whose. */
  readonly #twins: ReadonlyMap<number, number>;
  readonly #instances = new Map<number, number[]>();
  #messages = 0;
  #sent = 0;
  #probes = 0;

  constructor(cluster: Cluster, network: Network, twins: ReadonlyMap<number, number> = new Map()) {
    this.#cluster = cluster;
    this.#network = network;
    this.#twins = twins;
    for (const [twin, person] of twins)
      this.#instances.set(person, [...(this.#instances.get(person) ?? [person]), twin]);
  }

  /** Delivered, bad ones twice. */
  get messages(): number {
    return this.#messages;
  }

  /** Bad messages that were delivered, each with a look at the receiver's state before and after. */
  get probes(): number {
    return this.#probes;
  }

  /** The transport's links are up; `isNew`: the peers notice it. */
  connect(person: number, isNew: boolean): void {
    const identity = this.#twins.get(person) ?? person;
    for (const peer of this.#cluster.processes[person]!.peers) {
      if (peer === identity) continue;
      this.#pushConnected(person, peer, 0);
      if (isNew) this.#pushConnected(peer, identity, UNIT_MS);
    }
  }

  /** To a person, and to whoever else runs under its identity. */
  send(from: number, to: number, bytes: Uint8Array): void {
    this.#sent++;
    for (const instance of this.#instances.get(to) ?? [to])
      for (const delayMs of this.#network.delays({ from, to: instance, bytes }, this.#cluster.nowMs))
        this.#cluster.after(delayMs, () => this.#arrive(from, instance, bytes));
  }

  #arrive(from: number, to: number, bytes: Uint8Array): void {
    const heldMs = this.#network.heldMs?.({ from, to, bytes }) ?? 0;
    if (heldMs > 0) this.#cluster.after(heldMs, () => this.#arrive(from, to, bytes));
    else this.#deliver(from, to, bytes, (input) => this.#cluster.take(to, input));
  }

  /** A message that nobody may act upon: apart from counting it and blaming who sent it, its receiver must stay what it was. */
  probe(from: number, to: number, bytes: Uint8Array): void {
    for (const delayMs of this.#network.delays({ from, to, bytes }, this.#cluster.nowMs))
      this.#cluster.after(delayMs, () => this.#deliverBad(from, to, bytes));
  }

  /** Twice: questions that were due anyway go out with the first, and nothing with the second. */
  #deliverBad(from: number, to: number, bytes: Uint8Array): void {
    const { member, driver } = this.#cluster.processes[to]!;
    if (member === undefined || driver !== undefined) return;
    // Whatever time, or any message at all, brings about is done before.
    this.#cluster.step(to, { kind: "tick" });
    this.#deliver(from, to, nothing(member.committee.epoch));
    if (this.#cluster.processes[to]!.member !== member) return;
    this.#probes++;
    const before = stateOf(member);
    this.#deliver(from, to, bytes);
    const sent = this.#sent;
    this.#deliver(from, to, bytes);
    if (this.#cluster.processes[to]!.member !== member) return;
    const after = stateOf(member);
    const what = `a bad message of ${from} (${bytesToHex(bytes.subarray(0, 16))}…, ${bytes.length} bytes)`;
    if (before !== after) this.#cluster.checker.violation(`${what} changed ${to}: ${before} → ${after}`);
    if (sent !== this.#sent) this.#cluster.checker.violation(`${to} answered ${what}`);
  }

  #deliver(
    from: number,
    to: number,
    bytes: Uint8Array,
    hand: (input: MemberInput) => void = (input) => this.#cluster.step(to, input),
  ): void {
    this.#messages++;
    this.#cluster.trace.add(`${this.#cluster.nowMs} ${from}>${to} ${bytes[4]} ${bytes.length}`);
    const { member, driver, peers } = this.#cluster.processes[to]!;
    const index = peers.indexOf(this.#twins.get(from) ?? from);
    // A transport turns away whoever is not in its committee.
    if (member === undefined || index < 0) return;
    driver?.heard?.(from, bytes);
    hand({ kind: "message", epoch: member.committee.epoch, from: index, bytes });
  }

  #pushConnected(person: number, peer: number, delayMs: number): void {
    this.#cluster.after(delayMs, () => {
      const { member, peers } = this.#cluster.processes[person]!;
      const index = peers.indexOf(peer);
      if (member !== undefined && index >= 0)
        this.#cluster.step(person, { kind: "connected", epoch: member.committee.epoch, peer: index });
    });
  }
}

/** A good message that says nothing: what is due at the next message comes with it. */
function nothing(epoch: bigint): Uint8Array {
  return encodeMessage(epoch, {
    kind: "consensus",
    bytes: encodeConsensusMessage({ kind: "coinShares", shares: [] }),
  });
}

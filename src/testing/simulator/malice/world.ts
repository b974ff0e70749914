/** What malicious members know and have in common, and how they do what an honest node would do. */

import type { Hex } from "../../../lib/hex.ts";
import type { MemberEffect, Shares } from "../../../member/types.ts";
import type { TestCommittee } from "../../committee.ts";
import type { Random } from "../../random.ts";
import type { Cluster } from "../cluster.ts";
import type { Rules } from "../faults.ts";

export interface World {
  readonly cluster: Cluster;
  /** Of the epoch, as all that follows. */
  readonly test: Pick<TestCommittee, "committee" | "engines" | "identities" | "createCoin">;
  readonly rules: Rules;
  /** Index in the committee of the identity that a person runs under. */
  indexOf(person: number): number;
  /** Whose keys it has; without shares where it was dealt none, or never opened them. */
  keysOf(person: number): { readonly identity: Uint8Array; readonly shares: Shares | undefined };
  /** Of the DAG. */
  readonly genesisHash: Hex;
  readonly random: Random;
  /** Persons. */
  readonly honest: readonly number[];
  /** A malicious member that was left behind takes a checkpoint like everybody else. */
  behind(person: number): void;
  /** Something was done that no honest member does. */
  acted(): void;
  /** Somebody got a block in the name of a member: so it is known who gave away two for a round. */
  signed(person: number, round: number, digest: Hex): void;
}

/** Byte of a member's message that says what it is, and of a consensus message. */
const KIND = 4;
const CONSENSUS = 0;
const BLOCK = 0;
const COIN_SHARES = 1;
const FETCHED = 5;
const BUNDLE = 6;

/** What a message brings: blocks as news, blocks as an answer, coin shares, or anything else. */
export function contentOf(bytes: Uint8Array): "blocks" | "answer" | "shares" | "other" {
  if (bytes[KIND] !== CONSENSUS) return "other";
  switch (bytes[KIND + 1]) {
    case BLOCK:
    case BUNDLE:
      return "blocks";
    case FETCHED:
      return "answer";
    case COIN_SHARES:
      return "shares";
    default:
      return "other";
  }
}

/** As an honest node does it, but that every message goes only where `passes` lets it go. */
export function relay(
  { cluster, behind }: World,
  person: number,
  identity: number,
  effects: readonly MemberEffect[],
  passes: (to: number, bytes: Uint8Array) => boolean,
): void {
  const { disk, peers } = cluster.processes[person]!;
  for (const effect of effects) {
    if (effect.kind === "persist") disk.write(effect.write);
    else if (effect.kind === "send") {
      const receivers = effect.to === "all" ? peers : [peers[effect.to]!];
      for (const to of receivers)
        if (to !== identity && passes(to, effect.bytes)) cluster.links.send(person, to, effect.bytes);
    } else if (effect.kind === "behind") behind(person);
  }
}

/** Members whose blocks carry wrong shares and partials, and who send whatever a decoder or a quota could stumble over. */

import { compareParents, refOf } from "../../../consensus/block.ts";
import { COIN_DELAY } from "../../../consensus/limits.ts";
import type { BatchPartial, BlockRef, CoinShare } from "../../../consensus/types.ts";
import { concatBytes } from "../../../lib/bytes.ts";
import { bytesToHex } from "../../../lib/hex.ts";
import { SUITES } from "../../../threshold/types.ts";
import type { Driver } from "../process.ts";
import { Puppet } from "./puppet.ts";
import type { World } from "./world.ts";

interface Litter {
  /** Nothing of this may change its receiver. */
  readonly bad?: readonly Uint8Array[];
  /** May be answered or held for a while. */
  readonly idle?: readonly Uint8Array[];
}

export function createGarbler(world: World, person: number): Driver {
  const { cluster, honest, rules, test } = world;
  const random = world.random.stream(`garbage ${person}`);
  const puppet = new Puppet(world, person);
  const { epoch } = test.committee;
  let own: BlockRef = puppet.codec.genesis[puppet.self]!;
  let isOversizeSent = false;

  const spoilShare = (share: CoinShare): CoinShare => {
    switch (random.below(5)) {
      case 0:
        return { ...share, signature: random.bytes(random.below(97)) };
      case 1:
        return { ...share, round: share.round + 1 };
      // Released too early, or for a round that will never be.
      case 2:
        return { ...share, round: share.round + COIN_DELAY + random.below(1 << 20) };
      case 3:
        return { ...share, signature: new Uint8Array(share.signature.length) };
      default:
        return share;
    }
  };
  const spoilPartial = (partial: BatchPartial): BatchPartial => {
    switch (random.below(6)) {
      case 0:
        return { ...partial, digest: bytesToHex(random.bytes(32)) };
      case 1:
        return { ...partial, signature: random.bytes(random.below(97)) };
      case 2:
        return { ...partial, sequence: partial.sequence + 1n };
      case 3:
        return { ...partial, suite: partial.suite === "bn254" ? "bls12-381" : "bn254" };
      case 4:
        return { ...partial, signature: shifted(partial.signature, person % 2 === 0 ? 1 : -1) };
      default:
        return partial;
    }
  };

  const propose = (round: number): void => {
    const block = puppet.seal(round, puppet.parents(round, own), {
      payload: random.chance(300) ? random.bytes(random.below(200)) : new Uint8Array(0),
      coinShares: puppet.shares(round).map(spoilShare),
      partials: puppet.partials().map(spoilPartial),
    });
    puppet.lastRound = round;
    if (block !== undefined) {
      own = refOf(block);
      puppet.keep(block);
      for (const to of honest) puppet.send(to, { kind: "block", bytes: block.bytes });
    }
    for (let i = random.below(4); i > 0; i--) throwAt(random.pick(honest), litter(round));
  };

  const throwAt = (to: number, { bad = [], idle = [] }: Litter): void => {
    world.acted();
    for (const bytes of bad) cluster.links.probe(person, to, bytes);
    for (const bytes of idle) cluster.links.send(person, to, bytes);
  };

  const litter = (round: number): Litter => {
    const head = Uint8Array.of(Number(epoch), 0, 0, 0);
    switch (random.below(10)) {
      case 0:
        return { bad: [random.bytes(random.below(4))] };
      case 1:
        return { bad: [concatBytes(head, random.bytes(1 + random.below(300)))] };
      // A length of 2^32 − 1 where an offset belongs.
      case 2:
        return { bad: [concatBytes(head, Uint8Array.of(random.below(6), random.below(8), 255, 255, 255, 255))] };
      case 3: {
        if (isOversizeSent) return {};
        isOversizeSent = true;
        const tooMuch = new Uint8Array(rules.consensusLimits.maxBlockBytes + 1);
        return { bad: [concatBytes(head, Uint8Array.of(0, 0, 4, 0, 0, 0), tooMuch)] };
      }
      case 4:
        return { bad: [orphan(round + rules.retainedRounds * (2 + random.below(1 << 20)))] };
      // An orphan within reach waits for what nobody has, at its sender's expense.
      case 5:
        return { idle: [orphan(round + 1 + random.below(8))] };
      case 6:
        return { bad: [falseSignature(round)] };
      case 7:
        return { bad: falseCertificate() };
      case 8:
        return { bad: [puppet.encode({ kind: "coin", round: 1 + random.below(round), signature: random.bytes(48) })] };
      default:
        return { idle: questions(round) };
    }
  };

  const falseCertificate = (): readonly Uint8Array[] => {
    const newest = puppet.member?.ledger.sequence ?? 0n;
    const known = [...cluster.processes[person]!.disk.recover().certificates];
    const genuine = known.findLast(({ header }) => header.sequence <= newest);
    if (genuine === undefined) return [];
    const suite = random.pick(SUITES);
    const signature = bytesToHex(random.bytes(test.engines[suite].signatureLength));
    return [puppet.encodeMember({ kind: "certificates", certificates: [{ ...genuine, suite, signature }] })];
  };

  const questions = (round: number): readonly Uint8Array[] => {
    const author = random.below(test.committee.members.length);
    const refs = [{ round: 1 + random.below(round), author, digest: bytesToHex(random.bytes(32)) }];
    return [
      puppet.encode({ kind: "fetch", refs, after: random.below(round) }),
      puppet.encode({ kind: "wantBundles", until: 2 ** 50 }),
      puppet.encode({ kind: "coinRequest", round: round + random.below(100) }),
    ];
  };

  /** Signed by us, valid by itself, with parents that nobody ever made. */
  const orphan = (round: number): Uint8Array => {
    const parents = test.committee.members.flatMap((_, author) =>
      author === puppet.self ? [] : [{ round: round - 1, author, digest: bytesToHex(random.bytes(32)) }],
    );
    const before: BlockRef = { round: round - 1, author: puppet.self, digest: bytesToHex(random.bytes(32)) };
    const block = puppet.codec.seal(
      {
        author: puppet.self,
        round,
        parents: [before, ...parents.sort(compareParents)],
        payload: random.bytes(4),
        coinShares: [],
        partials: [],
      },
      (digest) => test.identities.sign(world.keysOf(person).identity, digest),
    );
    return puppet.encode({ kind: "block", bytes: block.bytes });
  };

  /** Somebody else's block, as if we had made it, or with a signature that is none. */
  const falseSignature = (round: number): Uint8Array => {
    const stolen = puppet.member?.consensus
      .blocksAt(Math.max(1, round - 1))
      .find(({ author }) => author !== puppet.self);
    if (stolen === undefined) return random.bytes(5);
    const bytes = Uint8Array.from(stolen.bytes);
    // The header: epoch 8, round 8, author 2, signature 65 bytes.
    if (random.chance(500)) bytes[16] = puppet.self;
    else bytes.set(random.bytes(65), 18);
    return puppet.encode({ kind: "block", bytes });
  };

  return { act: (effects) => puppet.follow(effects, propose) };
}

/** +Δ and −Δ on a signature: two of these cancel out in a sum that nobody checks. In the last byte, where the stand-in's scalar ends. */
function shifted(signature: Uint8Array, delta: number): Uint8Array {
  const copy = Uint8Array.from(signature);
  const last = copy.length - 1;
  if (last >= 0) copy[last] = (copy[last]! + delta + 256) % 256;
  return copy;
}

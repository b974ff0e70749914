/** Two or three chains of blocks in one member's name, for audiences that are split anew now and then. */
import { refOf } from "../../../consensus/block.ts";
import type { BlockRef, VerifiedBlock } from "../../../consensus/types.ts";
import { UNIT_MS } from "../network.ts";
import type { Driver } from "../process.ts";
import { Puppet } from "./puppet.ts";
import type { World } from "./world.ts";

export interface EquivocatorHabits {
  /** Rounds without any block, in a thousand: others that need one there must do with what an exposed author made. */
  readonly silentPerMille: number;
  /** Blocks that go to one member only, in a thousand. */
  readonly lonelyPerMille: number;
}

export function createEquivocator(world: World, person: number, habits: EquivocatorHabits): Driver {
  const { cluster, honest } = world;
  const random = world.random.stream(`equivocate ${person}`);
  const puppet = new Puppet(world, person);
  const chains: BlockRef[] = Array.from({ length: 2 + random.below(2) }, () => puppet.codec.genesis[puppet.self]!);
  const audience = new Map<number, number>();
  let splitUntilMs = 0;
  /** Chain that a member hears of. */
  const chainFor = (member: number): number => {
    if (cluster.nowMs >= splitUntilMs) {
      splitUntilMs = cluster.nowMs + (2 + random.below(15)) * UNIT_MS;
      for (const other of honest) audience.set(other, random.below(chains.length));
    }
    return audience.get(member) ?? random.below(chains.length);
  };
  const propose = (round: number): void => {
    if (random.chance(habits.silentPerMille)) {
      puppet.lastRound = Math.max(puppet.lastRound, round);
      return;
    }
    const made: (VerifiedBlock | undefined)[] = chains.map((own, chain) => {
      // Each chain has its own past; its content differs even where the parents are the same.
      const payload =
        chain === 0 ? new Uint8Array(0) : random.chance(500) ? puppet.stolenPayload(round) : random.bytes(chain);
      return puppet.seal(round, puppet.parents(round, own), { payload });
    });
    puppet.lastRound = round;
    for (const [chain, block] of made.entries()) {
      if (block === undefined) continue;
      chains[chain] = refOf(block);
      puppet.keep(block);
    }
    const isLonely = random.chance(habits.lonelyPerMille);
    const receivers = isLonely ? [random.pick(honest)] : honest;
    for (const to of receivers) {
      const block = made[chainFor(to)];
      if (block === undefined) continue;
      // What nobody gets, nobody can notice: for a while all may be in one audience.
      world.signed(person, round, block.digest);
      puppet.send(to, { kind: "block", bytes: block.bytes });
    }
  };
  return { act: (effects) => puppet.follow(effects, propose) };
}

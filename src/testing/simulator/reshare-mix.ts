/**
 * What goes wrong beside changes of committee: members that are malicious for the whole run, whichever committee they are in, and honest ones
 * whose disks fail. Who it is is drawn once; in every committee they count among its faulty.
 */
import { headerDigest } from "../../batch/header.ts";
import { genesisHash } from "../../ledger/genesis.ts";
import { epochGenesis } from "../../member/member.ts";
import type { MemberEffect } from "../../member/types.ts";
import type { Random } from "../random.ts";
import type { StoredEpoch } from "./disk.ts";
import { drawFaults, type Faults } from "./faults.ts";
import { createDriver, isPuppet } from "./malice/drivers.ts";
import { drawTwins, type Malice } from "./malice/record.ts";
import type { World } from "./malice/world.ts";
import { type MaliceAdversary, parseAdversary } from "./names.ts";
import type { Driver } from "./process.ts";
import type { ReshareConfig } from "./reshare.ts";
import { RESHARE_MEMBER, type Surroundings } from "./reshare-node.ts";

export interface ReshareMix {
  readonly faults: Faults;
  /** Persons after all others, and under whose identity they run. */
  readonly twins: ReadonlyMap<number, number>;
  /** Of these no committee may have more than it bears: malicious ones, and those who lose their disks. */
  readonly bad: ReadonlySet<number>;
  /** Nobody is steady: whoever dies before it has gossiped what users handed in loses it, and they ask again. */
  readonly isRestless: boolean;
  identityOf(person: number): number;
  kindOf(person: number): MaliceAdversary | undefined;
  /** Its member only follows. */
  isFollower(person: number): boolean;
}

export function drawReshareMix(
  { adversary, members, delays, control }: ReshareConfig,
  persons: number,
  random: Random,
): ReshareMix {
  const mix = parseAdversary(adversary);
  const broken = control === "f-plus-one" ? control : undefined;
  const faults = drawFaults(mix, members, delays, random.stream("faults"), broken);
  const drawn = drawTwins(faults.malicious, members, broken, random.stream("twins"));
  const twins = new Map([...drawn.values()].map((identity, i) => [persons + i, identity]));
  const identityOf = (person: number): number => twins.get(person) ?? person;
  const kindOf = (person: number): MaliceAdversary | undefined => faults.malicious.get(identityOf(person));
  return {
    faults,
    twins,
    bad: new Set([...faults.malicious.keys(), ...faults.losing, ...faults.corrupting]),
    isRestless: mix.trouble.some((name) => name !== "crash"),
    identityOf,
    kindOf,
    isFollower: (person) => {
      const kind = kindOf(person);
      return kind !== undefined && isPuppet(kind);
    },
  };
}

type Around = Pick<Surroundings, "cluster" | "test" | "config" | "identities" | "addresses" | "mix">;

/** Who drives a malicious person's process in an epoch; `shown`: what its node does with what the driver leaves to it. */
export function driverIn(
  around: Around,
  malice: Malice,
  person: number,
  { committee, start }: StoredEpoch,
  random: Random,
  shown: (effect: Exclude<MemberEffect, { kind: "persist" | "send" }>) => void,
): Driver | undefined {
  const { cluster, test, config, identities, addresses, mix } = around;
  const kind = mix.kindOf(person);
  if (kind === undefined) return undefined;
  const indexOf = (other: number): number => committee.members.findIndex(({ address }) => address === addresses[other]);
  const { epoch } = committee;
  const world: World = {
    cluster,
    test: { ...test, committee },
    rules: RESHARE_MEMBER,
    indexOf,
    keysOf: (other) => ({
      identity: identities[other]!,
      shares: around.cluster.processes[other]!.disk.sharesFor(epoch)[0]?.shares,
    }),
    genesisHash: epochGenesis(
      committee.id,
      start === undefined ? genesisHash(config.genesis) : headerDigest(start.header, committee.id),
    ),
    random: random.stream(`malice ${epoch}`),
    honest: committee.members.flatMap(({ address }) => {
      const other = addresses.indexOf(address);
      return mix.faults.malicious.has(other) ? [] : [other];
    }),
    // Its node looks after that.
    behind: () => {},
    acted: () => malice.acted(),
    signed: (other, round, digest) => malice.signed(other, Number(epoch) * 2 ** 32 + round, digest),
  };
  // Outside the committee nobody listens to it; it waits to be in again.
  const inner: Driver =
    indexOf(person) < 0 ? { act: () => {} } : createDriver(kind, world, person, mix.identityOf(person));
  return {
    ...inner,
    act(effects) {
      // What comes after a turn is said in the next epoch, where somebody else drives.
      const end = effects.findIndex(({ kind }) => kind === "epoch") + 1 || effects.length;
      const before = effects.slice(0, end);
      inner.act(before);
      for (const effect of before) if (effect.kind !== "persist" && effect.kind !== "send") shown(effect);
      const { member, driver } = cluster.processes[person]!;
      if (end < effects.length && member !== undefined) driver?.act(effects.slice(end));
    },
  };
}

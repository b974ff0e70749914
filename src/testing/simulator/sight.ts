/** What an adversary that schedules messages sees: every member's state, and every coin that can be combined. */
import type { Consensus } from "../../consensus/consensus.ts";
import type { CoinScheme } from "../../consensus/types.ts";
import type { Committee } from "../../threshold/committee.ts";
import type { TestCommittee } from "../committee.ts";

export interface Sight {
  /** n. */
  readonly members: number;
  /** Index of a person in the committee. */
  indexOf(person: number): number | undefined;
  /** State of a member; undefined while it is down. */
  consensus(member: number): Consensus | undefined;
  /** Whom the coin of a round names, undefined where too few have shares. To be asked for revealed rounds only. */
  coinLeader(round: number): number | undefined;
}

/** Of a committee that stays: person and index are the same. */
export function createSight({ committee, secrets, createCoin }: TestCommittee, consensus: Sight["consensus"]): Sight {
  return {
    members: secrets.length,
    indexOf: (person) => person,
    consensus,
    coinLeader: createLeaders(secrets.map(({ shares }) => createCoin(committee, shares["bls12-381"]))),
  };
}

/** What the scheduler sees of the newest committee. */
export interface NewestCommittee {
  readonly committee: Committee;
  /** By index. */
  readonly persons: readonly number[];
  shareOf(person: number): Uint8Array | undefined;
}

/** Of a committee that changes. */
export function createChangingSight(
  createCoin: TestCommittee["createCoin"],
  newest: () => NewestCommittee,
  consensus: (person: number, epoch: bigint) => Consensus | undefined,
): Sight {
  let seen: { readonly epoch: bigint; readonly shares: number; readonly leader: Sight["coinLeader"] } | undefined;
  return {
    get members() {
      return newest().persons.length;
    },
    indexOf: (person) => {
      const index = newest().persons.indexOf(person);
      return index < 0 ? undefined : index;
    },
    consensus: (member) => {
      const { committee, persons } = newest();
      const person = persons[member];
      return person === undefined ? undefined : consensus(person, committee.epoch);
    },
    coinLeader: (round) => {
      const { committee, persons, shareOf } = newest();
      const shares = persons.map(shareOf);
      const count = shares.filter((share) => share !== undefined).length;
      if (seen?.epoch !== committee.epoch || seen.shares !== count) {
        const leader = createLeaders(shares.map((share) => createCoin(committee, share)));
        seen = { epoch: committee.epoch, shares: count, leader };
      }
      return seen.leader(round);
    },
  };
}

function createLeaders(coins: readonly CoinScheme[]): (round: number) => number | undefined {
  const leaders = new Map<number, number | undefined>();
  return (round) => {
    if (!leaders.has(round)) leaders.set(round, coinLeaderOf(coins, round));
    return leaders.get(round);
  };
}

function coinLeaderOf(coins: readonly CoinScheme[], round: number): number | undefined {
  const shares = new Map<number, Uint8Array>();
  for (const [member, coin] of coins.entries()) {
    const share = coin.share(round);
    if (share !== undefined) shares.set(member, share);
  }
  const { signature } = coins[0]!.combine(round, shares);
  return signature === undefined ? undefined : coins[0]!.leader(round, signature);
}

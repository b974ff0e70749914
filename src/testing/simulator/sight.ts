/** What an adversary that schedules messages sees: every member's state, and every coin that can be combined. */
import type { Consensus } from "../../consensus/consensus.ts";
import type { CoinScheme } from "../../consensus/types.ts";
import type { TestCommittee } from "../committee.ts";

export interface Sight {
  readonly members: number;
  /** State of a member; undefined while it is down. */
  consensus(member: number): Consensus | undefined;
  /** Whom the coin of a round names. To be asked for revealed rounds only. */
  coinLeader(round: number): number;
}

export function createSight(test: TestCommittee, consensus: Sight["consensus"]): Sight {
  const { committee, secrets, createCoin } = test;
  const coins = secrets.map(({ shares }) => createCoin(committee, shares["bls12-381"]));
  const leaders = new Map<number, number>();
  return {
    members: secrets.length,
    consensus,
    coinLeader: (round) => {
      const known = leaders.get(round);
      if (known !== undefined) return known;
      const leader = coinLeaderOf(coins, round);
      leaders.set(round, leader);
      return leader;
    },
  };
}

function coinLeaderOf(coins: readonly CoinScheme[], round: number): number {
  const shares = new Map(coins.map((coin, member) => [member, coin.share(round)!]));
  const { signature } = coins[0]!.combine(round, shares);
  if (signature === undefined) throw new RangeError("shares of a whole committee make a coin");
  return coins[0]!.leader(round, signature);
}

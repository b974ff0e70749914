/** Members that leave out what they must do, so that the checkers have something to find (the controls of simulate.ts and reshare.ts). */
import { COIN_DELAY } from "../../consensus/limits.ts";
import type { SettledBatch } from "../../ledger/types.ts";
import type { Address } from "../../lib/hex.ts";
import type { TestCommittee } from "../committee.ts";
import type { Cluster } from "./cluster.ts";

/** one-coin-share: the share of the newest round alone, and none when the others ask. */
export function oneCoinShare(
  cluster: Cluster,
  person: number,
  createCoin: TestCommittee["createCoin"],
): TestCommittee["createCoin"] {
  return (committee, share) => {
    const coin = createCoin(committee, share);
    return {
      ...coin,
      share: (round) => {
        const { member } = cluster.processes[person]!;
        const proposal = member?.consensus.proposal(cluster.nowMs);
        return proposal?.kind === "ready" && round === proposal.round - COIN_DELAY ? coin.share(round) : undefined;
      },
    };
  };
}

/** keep-applying: this member's ledger does not say that its epoch is closed, so that it applies what comes after. */
export function hideClosing(cluster: Cluster, person: number): void {
  const ledger = cluster.processes[person]?.member?.ledger;
  if (ledger === undefined) return;
  const apply = ledger.apply.bind(ledger);
  ledger.apply = (input) => {
    const batch = apply(input);
    if (batch?.closes === undefined) return batch;
    const { closes: _, ...rest } = batch;
    return rest;
  };
}

/** early-switch: this member starts the next epoch, if it is in it, from a closing batch that nobody has certified. */
export function switchEarly(cluster: Cluster, person: number, own: Address, { header, closes }: SettledBatch): void {
  if (closes === undefined) return;
  const { committee, snapshot } = closes;
  const isIn = committee.members.some(({ address }) => address === own);
  cluster.after(0, () => {
    if (!isIn) return;
    cluster.processes[person]!.disk.begin({ committee, start: { header, certificates: [], snapshot } });
    cluster.stop(person);
    cluster.boot(person);
  });
}

/** Handovers from members, for hubs that still have an older key. */
import type { CallOptions } from "../api/client.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import type { TrustedCommittee } from "./committee.ts";
import type { ReadContext } from "./context.ts";
import { followHandovers } from "./handovers.ts";

/**
 * The longest list of handovers from `pinned` on that verifies. Asks all members: one alone could keep the newest back.
 * @throws SdkError noAnswer when nobody gave a list that leads on from `pinned`, aborted
 */
export async function getHandovers(
  context: ReadContext,
  pinned: TrustedCommittee,
  options: CallOptions = {},
): Promise<readonly SignedHandover[]> {
  const lists = await context.members.askAll("the handovers", options, async (api) => {
    const { handovers } = await api.handovers(options);
    const { formerKeys } = followHandovers(pinned, handovers);
    context.take(handovers);
    const count = formerKeys.length - pinned.formerKeys.length;
    return handovers.slice(handovers.length - count);
  });
  return lists.reduce((longest, other) => (other.length > longest.length ? other : longest));
}

/** Handovers from members, for hubs that still have an older key. */
import type { CallOptions } from "../api/client.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import { getHead } from "./certificates.ts";
import type { TrustedCommittee } from "./committee.ts";
import type { ReadContext } from "./context.ts";
import { SdkError } from "./errors.ts";
import { followHandovers } from "./handovers.ts";

/**
 * The handovers from `pinned` to the keys that certify now. One that is signed already but not in force is left out: a hub that
 * carried it out would refuse what is certified until then.
 * @throws SdkError noAnswer, aborted
 */
export async function getHandovers(
  context: ReadContext,
  pinned: TrustedCommittee,
  options: CallOptions = {},
): Promise<readonly SignedHandover[]> {
  await getHead(context, options);
  const present = context.committee;
  if (present === pinned) return [];
  return context.members.ask("the handovers", options, async (api) => {
    const handovers = (await api.handovers(options)).handovers.slice(0, Number(present.handovers));
    const reached = followHandovers(pinned, handovers);
    if (reached.handovers !== present.handovers)
      throw new SdkError("contradiction", "the member does not show every handover", {
        details: { shown: handovers.length, present: present.handovers },
      });
    return handovers.slice(handovers.length - (reached.formerKeys.length - pinned.formerKeys.length));
  });
}

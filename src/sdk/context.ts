/** What reads share: whom the user trusts by now, and whom to ask. */
import type { ApiClient, CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import type { KeyLink } from "../batch/key-chain.ts";
import type { TrustedCommittee } from "./committee.ts";
import { followHandovers } from "./handovers.ts";
import type { Members } from "./members.ts";

export interface ReadContext {
  /** With the newest keys that signed handovers led to. */
  readonly committee: TrustedCommittee;
  readonly members: Members;
  /** Goes along with the handovers that lead on from the present keys. @throws SdkError badHandover */
  take(handovers: readonly KeyLink[]): void;
  /**
   * Asks one member for handovers and takes them. A member that has none to tell changes nothing.
   * @throws SdkError badHandover, ApiError aborted
   */
  follow(api: ApiClient, options: CallOptions): Promise<void>;
}

/** `onFollow` is told of every change of keys, for whoever wants to pin the newer ones. */
export function createReadContext(
  pinned: TrustedCommittee,
  members: Members,
  onFollow?: ((committee: TrustedCommittee) => void) | undefined,
): ReadContext {
  let committee = pinned;
  // From what is trusted now, and not from what was before an answer came: keys never go back.
  const take = (handovers: readonly KeyLink[]): void => {
    const next = followHandovers(committee, handovers);
    if (next === committee) return;
    committee = next;
    onFollow?.(next);
  };
  return {
    get committee() {
      return committee;
    },
    members,
    take,
    async follow(api, { signal, timeoutMs }) {
      try {
        take((await api.handovers({ signal, timeoutMs })).handovers);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code === "aborted") throw error;
      }
    },
  };
}

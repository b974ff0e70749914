/** What reads share: whom the user trusts by now, and whom to ask. */
import type { ApiClient, CallOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import type { KeyLink } from "../batch/key-chain.ts";
import type { Certificate } from "../batch/types.ts";
import type { TrustedCommittee } from "./committee.ts";
import { stepsOf } from "./handovers.ts";
import type { Members } from "./members.ts";
import { verifyCertificate } from "./verify.ts";

export interface ReadContext {
  /** With the newest keys that signed handovers led to. */
  readonly committee: TrustedCommittee;
  readonly members: Members;
  /**
   * For a certificate that the present keys did not sign: asks the member that serves it for handovers, and goes along with them as far
   * as the keys that did; not further, because a handover is signed some time before the next keys take over. Changes nothing when
   * none of them did.
   * @throws SdkError badHandover, ApiError aborted
   */
  follow(api: ApiClient, certificate: Certificate, options: CallOptions): Promise<void>;
}

/** `onFollow` is told of every change of keys, for whoever wants to pin the newer ones. */
export function createReadContext(
  pinned: TrustedCommittee,
  members: Members,
  onFollow?: ((committee: TrustedCommittee) => void) | undefined,
): ReadContext {
  let committee = pinned;
  return {
    get committee() {
      return committee;
    },
    members,
    async follow(api, certificate, { signal, timeoutMs }) {
      let handovers: readonly KeyLink[] = [];
      try {
        ({ handovers } = await api.handovers({ signal, timeoutMs }));
      } catch (error) {
        if (!(error instanceof ApiError) || error.code === "aborted") throw error;
      }
      // From what is trusted now, and not from what was before the answer came: keys never go back.
      for (const step of stepsOf(committee, handovers)) {
        if (!verifyCertificate(step, certificate)) continue;
        committee = step;
        onFollow?.(step);
        return;
      }
    },
  };
}

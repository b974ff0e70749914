/** Which group key counts in which epoch, believing nobody: from the pinned key along handovers that the key before signed. */
import type { ApiClient } from "../../src/api/client.ts";
import { verifyCertificate } from "../../src/batch/certificate.ts";
import { followLink, type GroupKeys } from "../../src/batch/key-chain.ts";
import type { Certificate } from "../../src/batch/types.ts";
import type { Committee } from "../../src/threshold/committee.ts";
import { type Engine, SUITES, type Suite } from "../../src/threshold/types.ts";

export interface KeyFollower {
  /** Under the key of the certificate's epoch; asks for handovers when that is not known to sign. */
  verify(certificate: Certificate): Promise<boolean>;
  /** Handovers followed so far. */
  readonly handovers: number;
}

export function createKeyFollower(
  api: ApiClient,
  committee: Committee,
  engines: Readonly<Record<Suite, Engine>>,
): KeyFollower {
  const first = Object.fromEntries(SUITES.map((suite) => [suite, committee.keys[suite].groupKey]));
  const keys: { readonly since: bigint; readonly keys: GroupKeys }[] = [{ since: 0n, keys: first }];

  const isSigned = (certificate: Certificate): boolean => {
    const { suite, header } = certificate;
    const key = keys.findLast(({ since }) => since <= header.epoch)?.keys[suite];
    return key !== undefined && verifyCertificate(engines[suite], key, committee.id, certificate);
  };
  const follow = async (): Promise<void> => {
    const { handovers } = await api.handovers();
    for (const link of handovers.slice(keys.length - 1)) {
      const next = followLink((suite) => engines[suite], committee.id, keys.at(-1)!.keys, link);
      if (next === undefined || link.statement.number !== BigInt(keys.length)) return;
      // The epoch is a member's word; if it lies, what it serves does not verify.
      keys.push({ since: link.epoch, keys: next });
    }
  };

  return {
    async verify(certificate) {
      if (isSigned(certificate)) return true;
      await follow();
      return isSigned(certificate);
    },
    get handovers() {
      return keys.length - 1;
    },
  };
}

/** The committee a user trusts: from a committee file, or from its id and group keys. */
import { readFileSync } from "node:fs";
import type { LedgerGenesis } from "../ledger/types.ts";
import type { Hex } from "../lib/hex.ts";
import { isDefinition, parseCommitteeFile, parseFinalDefinition } from "../node/committee-file.ts";
import { createCommittee, type TrustedCommittee } from "../sdk/committee.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Suite } from "../threshold/types.ts";
import { ConfigFileError } from "./config-file.ts";
import { UsageError } from "./errors.ts";

export interface TrustFlags {
  readonly committee?: string;
  readonly committeeId?: Hex;
  readonly groupKey?: Hex;
  readonly suite?: Suite;
}

/** @throws ConfigFileError unreadableConfig, CommitteeFileError */
export function readCommitteeFile(file: string): { committee: Committee; genesis: LedgerGenesis } {
  return parseCommitteeFile(readTrusted(file));
}

function readTrusted(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ConfigFileError("unreadableConfig", `cannot read the committee file ${file}`, {
      details: { file },
      cause,
    });
  }
}

/** A committee file, or a ceremony's final definition, which is all there is before hubs are deployed. */
function readCommittee(file: string): Committee {
  const text = readTrusted(file);
  return isDefinition(text) ? parseFinalDefinition(text) : parseCommitteeFile(text).committee;
}

/** @throws UsageError missingOption, ConfigFileError, CommitteeFileError, CeremonyError, SdkError badCommittee */
export function trustedCommittee({ committee: file, committeeId, groupKey, suite }: TrustFlags): TrustedCommittee {
  if (file !== undefined) {
    const committee = readCommittee(file);
    const groupKeys = { "bls12-381": committee.keys["bls12-381"].groupKey, bn254: committee.keys.bn254.groupKey };
    return createCommittee({ committeeId: committee.id, groupKeys, members: committee.members.length });
  }
  if (committeeId === undefined || groupKey === undefined || suite === undefined) {
    throw new UsageError(
      "missingOption",
      "say whom you trust: --committee FILE, or --committee-id, --suite and --group-key together",
    );
  }
  // Nothing that is asked with an explicit key needs to know how many members there are.
  return createCommittee({ committeeId, groupKeys: { [suite]: groupKey }, members: 1 });
}

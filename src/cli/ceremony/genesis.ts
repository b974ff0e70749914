/**
 * From a final definition to the committee file that nodes, relayers and users read. Hubs are deployed with the committee
 * id, so that the id comes first and the chains are named afterwards; all members need the same genesis, because its hash is
 * where their consensus starts: with another one a node understands nobody.
 */
import * as z from "zod";
import { ledgerGenesis } from "../../api/wire.ts";
import { validateGenesis } from "../../ledger/genesis.ts";
import { encodeCommitteeFile } from "../../node/committee-file.ts";
import { requireFinal } from "../../threshold/ceremony/approval.ts";
import { type CommitteeDefinition, committeeOf } from "../../threshold/ceremony/definition.ts";
import { createEngines } from "../../threshold/engines.ts";
import { UsageError } from "../errors.ts";
import { parseJsonInput, readInput } from "../options.ts";

/** `genesisFile` has assets, chains, markets and window; the rest follows. Throws notFinal, UsageError malformedInput, LedgerError. */
export async function nodeCommitteeFile(definition: CommitteeDefinition, genesisFile: string): Promise<string> {
  requireFinal(await createEngines("fast"), definition);
  const committee = committeeOf(definition);
  const given = parseJsonInput(readInput(genesisFile).toString("utf8"), genesisFile);
  if (typeof given !== "object" || given === null)
    throw new UsageError("malformedInput", `${genesisFile} is no genesis`);
  const derived = { committeeId: committee.id, epoch: "0", members: committee.members.length };
  for (const [name, value] of Object.entries(derived)) {
    const stated: unknown = Object.entries(given).find(([key]) => key === name)?.[1];
    if (stated !== undefined && stated !== value) {
      throw new UsageError("malformedInput", `${genesisFile} is of another committee: its ${name}`, {
        details: { name, stated, value },
      });
    }
  }
  const parsed = ledgerGenesis.safeParse({ ...given, ...derived });
  if (!parsed.success) {
    throw new UsageError("malformedInput", `${genesisFile} is no genesis`, {
      details: { issues: z.treeifyError(parsed.error) },
    });
  }
  validateGenesis(parsed.data);
  return encodeCommitteeFile(committee, parsed.data, definition);
}

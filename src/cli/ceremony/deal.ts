/** A member deals, once in a ceremony. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { loadIdentity } from "../../keys/member-keys.ts";
import { writeSecretFile } from "../../keys/secret-file.ts";
import { addressOf, signDigest } from "../../lib/ecdsa.ts";
import type { Address } from "../../lib/hex.ts";
import {
  CEREMONY_DEAL_RANDOMNESS,
  type CeremonyDeal,
  faultOfDealFile,
  makeCeremonyDeal,
} from "../../threshold/ceremony/deals.ts";
import { CeremonyError, refuseFaults } from "../../threshold/ceremony/faults.ts";
import { encodeCeremonyDeal, parseCeremonyDeal } from "../../threshold/ceremony/json.ts";
import { buildRoster, type Roster } from "../../threshold/ceremony/roster.ts";
import type { CliContext } from "../context.ts";
import { locate, readFiles } from "./folder.ts";
import { type HomeFlags, homeOf, passwordOf, readOwn, withLock } from "./home.ts";
import { createCeremonyTools } from "./tools.ts";

export interface DealOptions extends HomeFlags {
  readonly ceremony: string;
  readonly files: string;
  readonly members: readonly Address[];
  /** Where an assembled definition would be. */
  readonly definition: string;
}

/** The roster from a folder of announcements. Throws CeremonyError that names everybody whose file is not right. */
export function readRoster(folder: string, ceremony: string, members: readonly Address[]): Roster {
  const collected = readFiles(folder, "announcement");
  const { roster, faults } = buildRoster(
    ceremony,
    members,
    collected.found.map(({ value }) => value),
  );
  const all = locate(faults, collected);
  refuseFaults(all);
  // Without faults everybody invited is in it.
  return roster!;
}

/** Throws CeremonyError, KeyError, StoreError. */
export async function deal(options: DealOptions, context: CliContext): Promise<CeremonyDeal & { roster: Roster }> {
  const { keys, ceremony, files, members } = options;
  const home = homeOf(keys, ceremony);
  const roster = readRoster(files, ceremony, members);
  return withLock(keys, async () => {
    const earlier = readOwn(home.deal, parseCeremonyDeal);
    if (earlier !== undefined) {
      if (faultOfDealFile(roster, earlier) === undefined) return { ...earlier, roster };
      throw new CeremonyError(
        "alreadyDealt",
        "this member dealt to other members or keys in this ceremony: begin another one, under a new name",
        { details: { path: home.deal } },
      );
    }
    if (existsSync(options.definition)) {
      throw new CeremonyError(
        "lateFile",
        "the committee was assembled without this member's deal: open the share instead",
        {
          details: { definition: options.definition },
        },
      );
    }
    const identity = await loadIdentity(home.identity, passwordOf(options, context));
    const address = addressOf(identity);
    const index = roster.announcements.findIndex(({ member }) => member === address);
    if (index < 0) {
      throw new CeremonyError("foreignFile", `the identity ${address} is not invited`, {
        details: { member: address },
      });
    }
    context.output.progress("dealing");
    const tools = await createCeremonyTools();
    const randomness = new Uint8Array(randomBytes(CEREMONY_DEAL_RANDOMNESS));
    const made = makeCeremonyDeal(tools, roster, index, randomness, (digest) => signDigest(identity, digest));
    randomness.fill(0);
    identity.fill(0);
    writeSecretFile(home.deal, encodeCeremonyDeal(made), { replace: false });
    context.output.progress(undefined);
    return { ...made, roster };
  });
}

/** A member verifies a whole ceremony anew, stores its shares, and approves. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { eraseEncryptionKey, loadEncryptionKey } from "../../keys/encryption-key-file.ts";
import { checkMemberKeys, loadIdentity, loadShare, saveShare, shareFile } from "../../keys/member-keys.ts";
import type { PasswordSource } from "../../keys/port.ts";
import { addressOf, signDigest } from "../../lib/ecdsa.ts";
import { type Address, hexToBytes } from "../../lib/hex.ts";
import { type ApprovalFile, approve, requireFinal } from "../../threshold/ceremony/approval.ts";
import {
  type CeremonyTools,
  type CollectedDeals,
  collectDeals,
  dealDigest,
  faultOfDealFile,
} from "../../threshold/ceremony/deals.ts";
import {
  type CommitteeDefinition,
  committeeOf,
  defineCommittee,
  openCeremonyShares,
} from "../../threshold/ceremony/definition.ts";
import { CeremonyError, refuseFaults } from "../../threshold/ceremony/faults.ts";
import { parseCeremonyDeal } from "../../threshold/ceremony/json.ts";
import { createEngines } from "../../threshold/engines.ts";
import { SUITES, type Suite } from "../../threshold/types.ts";
import type { CliContext } from "../context.ts";
import { UsageError } from "../errors.ts";
import { readDefinition } from "./assemble.ts";
import { locate, readFiles } from "./folder.ts";
import {
  checkApproval,
  type Home,
  type HomeFlags,
  homeOf,
  passwordOf,
  readOwn,
  registerApproval,
  strengthOf,
  withLock,
} from "./home.ts";
import { createCeremonyTools, verifyDeals } from "./tools.ts";
import { openVerdicts, type Verdicts } from "./verdicts.ts";

export interface OpenOptions extends HomeFlags {
  readonly definition: string;
  readonly files: string;
  /** Whom this member agreed to; needed only when it did not deal, which says the same. */
  readonly members: readonly Address[] | undefined;
  /** Where verdicts on deals are remembered; in the key folder by default. */
  readonly verdicts?: string;
}

/** Idempotent. Throws CeremonyError, KeyError, StoreError, ThresholdError cannotOpen. */
export async function open(options: OpenOptions, context: CliContext): Promise<ApprovalFile & { index: number }> {
  const { keys } = options;
  const definition = readDefinition(options.definition);
  const { roster, committeeId } = definition;
  const home = homeOf(keys, roster.ceremony);
  return withLock(keys, async () => {
    checkApproval(home, committeeId);
    checkMembers(definition, home, options.members);
    const password = passwordOf(options, context);
    const identity = await loadIdentity(home.identity, password);
    const index = memberIndex(definition, addressOf(identity));
    const tools = await createCeremonyTools();
    const verdicts = openVerdicts(options.verdicts ?? home.verified);
    const bundles = await verifyCeremony(tools, definition, options.files, verdicts, context);
    const shares = await storedShares(options, definition, index, password, async () => {
      const secret = await loadEncryptionKey(home.encryptionKey, roster.announcements[index]!.key, password);
      context.output.progress("opening the shares");
      return openCeremonyShares(tools, definition, bundles, index, secret);
    });
    const engines = await createEngines("fast");
    // What is on the disk is what will sign.
    checkMemberKeys({ identity, shares }, { committee: committeeOf(definition), index, engines });
    registerApproval(home, roster.ceremony, committeeId);
    const approval = approve(engines, definition, index, shares, (digest) => signDigest(identity, digest));
    context.output.progress(undefined);
    const { partials, signature } = approval;
    return { ceremony: roster.ceremony, committeeId, member: addressOf(identity), partials, signature, index };
  });
}

/** Removes the encryption key: only when the committee is final and the shares are there. Throws notFinal, KeyError. */
export async function eraseCeremonyKey(options: OpenOptions, context: CliContext): Promise<boolean> {
  const definition = readDefinition(options.definition);
  const home = homeOf(options.keys, definition.roster.ceremony);
  return withLock(options.keys, async () => {
    const engines = await createEngines("fast");
    requireFinal(engines, definition);
    const password = passwordOf(options, context);
    const identity = await loadIdentity(home.identity, password);
    const index = memberIndex(definition, addressOf(identity));
    const shares = await loadShares(options.keys, password);
    checkMemberKeys({ identity, shares }, { committee: committeeOf(definition), index, engines });
    return eraseEncryptionKey(home.encryptionKey);
  });
}

/** The members of the definition, with their keys, must be those that this one agreed to. */
function checkMembers({ roster }: CommitteeDefinition, home: Home, members: readonly Address[] | undefined): void {
  const dealt = readOwn(home.deal, parseCeremonyDeal);
  if (dealt === undefined && members === undefined) {
    throw new UsageError("missingOption", "this member did not deal: say with --members whom it agreed to");
  }
  const invited = members === undefined ? undefined : [...members].sort();
  const isInvited =
    invited === undefined ||
    (invited.length === roster.announcements.length &&
      roster.announcements.every(({ member }, i) => member === invited[i]));
  const isDealtTo = dealt === undefined || faultOfDealFile(roster, dealt) === undefined;
  if (!isInvited || !isDealtTo) {
    throw new CeremonyError(
      "wrongDefinition",
      "the definition is of other members or keys than this member agreed to",
      {
        details: { members: roster.announcements.map(({ member }) => member) },
      },
    );
  }
}

function memberIndex({ roster }: CommitteeDefinition, address: Address): number {
  const index = roster.announcements.findIndex(({ member }) => member === address);
  if (index < 0) {
    throw new CeremonyError("wrongDefinition", `the identity ${address} is no member of this committee`, {
      details: { member: address },
    });
  }
  return index;
}

/** Everything that an approval says: each listed deal is there, signed, valid, and their sum is the key. */
async function verifyCeremony(
  tools: CeremonyTools,
  definition: CommitteeDefinition,
  folder: string,
  verdicts: Verdicts,
  context: CliContext,
): Promise<CollectedDeals["bundles"]> {
  const { roster, deals, committeeId } = definition;
  const collected = readFiles(folder, "deal");
  const dealers = new Set(deals.map(({ dealer }) => roster.announcements[dealer]!.member));
  const isListed = (member: Address | undefined): boolean => member !== undefined && dealers.has(member);
  const { bundles, faults } = collectDeals(
    roster,
    collected.found.flatMap(({ value, member }) => (isListed(member) ? [value] : [])),
  );
  const listed = bundles.filter(({ dealer }) => dealers.has(roster.announcements[dealer]!.member));
  const deep = await verifyDeals(tools, roster, listed, context, verdicts);
  refuseFaults(locate([...faults, ...deep], collected).filter(({ member }) => isListed(member)));
  for (const { dealer, digests } of deals) {
    const found = listed.find((bundle) => bundle.dealer === dealer)!.deals;
    if (SUITES.every((suite) => dealDigest(found[suite]) === digests[suite])) continue;
    // Either its dealer made two, or whoever assembled lies; only the file that was assembled could tell.
    const { member } = roster.announcements[dealer]!;
    throw new CeremonyError(
      "wrongDefinition",
      `the definition lists another deal of ${member} than the one that is here`,
      {
        details: { member, listed: digests },
      },
    );
  }
  const actual = defineCommittee(tools, roster, listed).committeeId;
  if (actual !== committeeId) {
    throw new CeremonyError("wrongDefinition", "the deals do not make the keys that the definition names", {
      details: { stated: committeeId, actual },
    });
  }
  return listed;
}

/** Shares that are stored already, else opens, stores and reads them back. */
async function storedShares(
  options: OpenOptions,
  { keys: groupKeys }: CommitteeDefinition,
  index: number,
  password: PasswordSource,
  openShares: () => Promise<Record<Suite, Uint8Array>>,
): Promise<Record<Suite, Uint8Array>> {
  const absent = SUITES.filter((suite) => !existsSync(join(options.keys, shareFile(suite))));
  if (absent.length > 0) {
    const opened = await openShares();
    await Promise.all(
      absent.map((suite) =>
        saveShare(
          join(options.keys, shareFile(suite)),
          { suite, secret: opened[suite], publicShare: hexToBytes(groupKeys[suite].publicShares[index]!) },
          { password, strength: strengthOf(options) },
        ),
      ),
    );
  }
  return loadShares(options.keys, password);
}

async function loadShares(directory: string, password: PasswordSource): Promise<Record<Suite, Uint8Array>> {
  const [bls12381, bn254] = await Promise.all(
    SUITES.map((suite) => loadShare(join(directory, shareFile(suite)), suite, password)),
  );
  return { "bls12-381": bls12381!, bn254: bn254! };
}

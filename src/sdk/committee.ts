/** The trust anchor: the only thing a user has to get from somewhere he trusts. Everything else is checked against it. */
import type { GroupKeys } from "../batch/key-chain.ts";
import { type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { maxFaulty } from "../lib/math.ts";
import { createNobleEngine } from "../threshold/engine-noble.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { SdkError } from "./errors.ts";

export interface TrustedCommittee {
  /** 32 bytes: the EIP-712 salt of everything the committee signs, and of every instruction to it. */
  readonly committeeId: Hex;
  /**
   * Group keys in the suites' canonical encodings (96 bytes bls12-381, 128 bytes bn254). They outlive every reshare; a handover
   * replaces them (`followHandovers`), and what the old ones sign counts no more.
   */
  readonly groupKeys: GroupKeys;
  /** Number of the handover that led to these keys; 0 for those the committee was born with, or when nobody said. */
  readonly handovers: bigint;
  /** Keys that were handed over since they were pinned, oldest first: what a hub may still have that has not followed. */
  readonly formerKeys: readonly GroupKeys[];
  /**
   * n in epoch `epoch`: f + 1 members include an honest one, which settles what no certificate can (whether there is a newer one, a
   * lane's next nonce). Nothing that a stranger can check says how many members a later epoch has, so it is never taken from a member:
   * once certificates show a later epoch, reads wait for every API that is named instead of f + 1 of them. Naming more than there are
   * is safe, too; it costs waiting.
   */
  readonly members: number;
  /** The newest epoch for which `members` is known to hold. Reshares change n without changing the keys. */
  readonly epoch: bigint;
  engine(suite: Suite): Engine;
}

export interface CommitteeParameters {
  readonly committeeId: Hex;
  readonly groupKeys: GroupKeys;
  readonly members: number;
  /** Of `members`; default 0, the epoch a committee begins with. */
  readonly epoch?: bigint | undefined;
  /** The handover that led to `groupKeys`; default 0. May be left out for later keys, too: signed handovers name their old key. */
  readonly handovers?: bigint | undefined;
  /** Default: the audited noble engine, which runs everywhere. */
  readonly engine?: ((suite: Suite) => Engine) | undefined;
}

/**
 * Checks and freezes a committee. Keep its result for the life of the process: it caches curve engines.
 * @throws SdkError badCommittee
 * @example
 * const committee = createCommittee({ committeeId: "0x…", groupKeys: { bn254: "0x…" }, members: 4 });
 */
export function createCommittee(parameters: CommitteeParameters): TrustedCommittee {
  const refuse = (what: string, details: Record<string, unknown> = {}): never => {
    throw new SdkError("badCommittee", what, { details });
  };
  if (!isHex(parameters.committeeId, 32)) refuse("a committee id is 32 bytes of hex");
  if (!Number.isSafeInteger(parameters.members) || parameters.members < 1)
    refuse("a committee has at least one member");
  const { epoch = 0n, handovers = 0n } = parameters;
  if (epoch < 0n || handovers < 0n) refuse("epochs and handovers are counted from 0");
  const engines = new Map<Suite, Engine>();
  const engine = (suite: Suite): Engine => {
    let known = engines.get(suite);
    if (known === undefined) {
      known = parameters.engine?.(suite) ?? createNobleEngine(suite);
      engines.set(suite, known);
    }
    return known;
  };
  const groupKeys: Partial<Record<Suite, Hex>> = {};
  for (const suite of SUITES) {
    const key = parameters.groupKeys[suite];
    if (key === undefined) continue;
    if (!isHex(key) || !engine(suite).isPublicKey(hexToBytes(key)))
      refuse(`not a ${suite} public key in its canonical encoding`, { suite });
    groupKeys[suite] = key.toLowerCase() as Hex; // CAST: isHex, and lower-casing keeps it hex
  }
  if (Object.keys(groupKeys).length === 0) refuse("pin the group key of at least one suite");
  const committeeId = parameters.committeeId.toLowerCase() as Hex; // CAST: as above
  const { members } = parameters;
  Object.freeze(groupKeys);
  return Object.freeze({ committeeId, groupKeys, handovers, formerKeys: [], members, epoch, engine });
}

/** f + 1: so many members of epoch `committee.epoch` that at least one of them is honest. */
export function honestQuorum(committee: Pick<TrustedCommittee, "members">): number {
  return maxFaulty(committee.members) + 1;
}

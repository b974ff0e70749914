/** The trust anchor: the only thing a user has to get from somewhere he trusts. Everything else is checked against it. */
import { type Hex, hexToBytes, isHex } from "../lib/hex.ts";
import { maxFaulty } from "../lib/math.ts";
import { createNobleEngine } from "../threshold/engine-noble.ts";
import { type Engine, SUITES, type Suite } from "../threshold/types.ts";
import { SdkError } from "./errors.ts";

export interface TrustedCommittee {
  /** 32 bytes: the EIP-712 salt of everything the committee signs, and of every instruction to it. */
  readonly committeeId: Hex;
  /** Group keys in the suites' canonical encodings (96 bytes bls12-381, 128 bytes bn254). They outlive every reshare. */
  readonly groupKeys: Readonly<Partial<Record<Suite, Hex>>>;
  /** n: f + 1 members include an honest one, which settles what no header commits to (a lane's next nonce). */
  readonly members: number;
  engine(suite: Suite): Engine;
}

export interface CommitteeParameters {
  readonly committeeId: Hex;
  readonly groupKeys: Readonly<Partial<Record<Suite, Hex>>>;
  readonly members: number;
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
  return Object.freeze({ committeeId, groupKeys: Object.freeze(groupKeys), members: parameters.members, engine });
}

/** f + 1: so many members that at least one of them is honest. */
export function honestQuorum(committee: TrustedCommittee): number {
  return maxFaulty(committee.members) + 1;
}

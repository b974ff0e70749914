/** The way from a hub's key to its committee's newest, as far as signed handovers show it. No member is believed on the way. */
import { followLink, groupKeyFromVerifier } from "../batch/key-chain.ts";
import type { HubIdentity } from "../chain/port.ts";
import type { SignedHandover } from "../ledger/reconfiguration/types.ts";
import { isClocklessError } from "../lib/errors.ts";
import type { Hex } from "../lib/hex.ts";
import type { Engine, Suite } from "../threshold/types.ts";
import { RelayerError } from "./errors.ts";

/** Whom a hub believes, in this side's encoding. */
export interface Anchor {
  readonly committeeId: Hex;
  readonly suite: Suite;
  readonly groupKey: Hex;
  /** Handovers the hub carried out to come to this key. */
  readonly handovers: bigint;
}

/** Key k + 1 is what handover k leads to; key 0 is the hub's. */
export interface KeyPath {
  readonly keys: readonly Hex[];
  readonly handovers: readonly SignedHandover[];
}

/** What the chain itself says. @throws RelayerError foreignHub for a verifier that holds no key */
export function anchorOf({ committeeId, suite, verifierKey, handovers }: HubIdentity): Anchor {
  try {
    return { committeeId, suite, groupKey: groupKeyFromVerifier(suite, verifierKey), handovers };
  } catch (cause) {
    if (!isClocklessError(cause)) throw cause;
    throw new RelayerError("foreignHub", "the hub's verifier holds no key", { details: { suite }, cause });
  }
}

export function pathFrom(anchor: Anchor): KeyPath {
  return { keys: [anchor.groupKey], handovers: [] };
}

/**
 * The path with every handover taken up that leads on, number by number. `isForged`: one was shown under the next number that the key
 * before it did not sign; what was taken up before it stands.
 */
export function extendPath(
  engine: Engine,
  anchor: Anchor,
  path: KeyPath,
  shown: readonly SignedHandover[],
): { readonly path: KeyPath; readonly isForged: boolean } {
  const keys = [...path.keys];
  const handovers = [...path.handovers];
  const { committeeId, suite } = anchor;
  for (;;) {
    const number = anchor.handovers + BigInt(keys.length);
    const handover = shown.find(({ statement }) => statement.number === number);
    const isForged = handover !== undefined;
    const newest = keys.at(-1);
    const next =
      handover && followLink(() => engine, committeeId, newest ? { [suite]: newest } : {}, handover)?.[suite];
    if (handover === undefined || next === undefined) return { path: { keys, handovers }, isForged };
    keys.push(next);
    handovers.push(handover);
  }
}

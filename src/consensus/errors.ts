import { ClocklessError } from "../lib/errors.ts";

/** Everything this room refuses. Block codes follow the numbered validity rules of consensus.md. */
export type ConsensusErrorCode =
  /** Rule 1: longer than the committee allows; checked before anything is allocated. */
  | "oversize"
  /** Rule 1: not the one canonical SSZ encoding of a value. */
  | "malformed"
  | "wrongEpoch"
  | "badAuthor"
  | "badRound"
  | "badSignature"
  /** Rule 2: parents[0] is not an older block of the author. */
  | "badOwnParent"
  /** Rule 3: strong parents of fewer than Q authors. */
  | "missingQuorum"
  /** Rule 4: a parent's author or round out of range, or a round-0 parent that is not the genesis block. */
  | "badParent"
  | "duplicateParent"
  | "unsortedParents"
  /** A shape that only our own code can produce: the caller asked for something impossible. */
  | "payloadTooLarge"
  | "notReady"
  | "notAMember"
  /** Not what the certified commit commits to, or too little of it to go on from. */
  | "badCheckpoint"
  /** The log does not give back a block that the order needs: this member cannot go on. */
  | "blockLost"
  /** The store holds a certificate that the committee never signed: it is damaged. */
  | "badCertificate"
  /** A configuration that contradicts itself. */
  | "badConfig"
  /** Codes of `punish` for messages other than blocks. */
  | "badShare"
  | "badCoin"
  | "tooManyRefs";

export class ConsensusError extends ClocklessError<ConsensusErrorCode> {
  override readonly name = "ConsensusError";
}

/** Throws a ConsensusError; an expression, so that it can end a `??`. */
export function refuse(
  code: ConsensusErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): never {
  throw new ConsensusError(code, message, { details });
}

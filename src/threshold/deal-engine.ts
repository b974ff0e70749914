/**
 * The group that public keys live in (G2), for deals: elements stay inside one engine, only encodings travel.
 * Two implementations with the same bytes: `deal-engine-noble.ts` (reference) and `deal-engine-mcl.ts` (fast).
 */
import type { Suite } from "./types.ts";

declare const groupElement: unique symbol;

/** An element of the subgroup of order r in one engine's own form. Immutable; never given to another engine. */
export interface GroupElement {
  readonly [groupElement]: never;
}

export interface DealEngine {
  readonly name: string;
  readonly suite: Suite;
  /** Group order r. */
  readonly order: bigint;
  /** Bytes of an encoded element: the suite's public key length. */
  readonly pointLength: number;
  /** g2^scalar for 0 ≤ scalar < r; the engine's constant-time multiplication. For secrets. */
  commit(scalar: bigint): GroupElement;
  /** The same for scalars that everybody knows; faster. */
  commitPublic(scalar: bigint): GroupElement;
  add(a: GroupElement, b: GroupElement): GroupElement;
  subtract(a: GroupElement, b: GroupElement): GroupElement;
  /** Σ scalars[j]·elements[j], 0 ≤ scalar < r. Public scalars only. At least one element. */
  combine(elements: readonly GroupElement[], scalars: readonly bigint[]): GroupElement;
  /** Σ x^j·elements[j] for a member's small x > 0. */
  evaluate(elements: readonly GroupElement[], x: number): GroupElement;
  equals(a: GroupElement, b: GroupElement): boolean;
  /** The one encoding of an element of the subgroup that is not the identity; undefined for any other bytes. */
  decode(bytes: Uint8Array): GroupElement | undefined;
  /** Total: the identity has the curve's usual encoding here, which `decode` refuses. */
  encode(element: GroupElement): Uint8Array;
}

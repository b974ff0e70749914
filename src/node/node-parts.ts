/** What a node is made of. */
import type { SignedInstruction } from "../ledger/types.ts";
import type { MemberConfig, MemberInput, ReshareTask } from "../member/types.ts";
import type { Store } from "../storage/port.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Transport } from "../transport/port.ts";
import type { FeedsParts } from "./feeds.ts";
import type { NodeMetrics } from "./metrics.ts";
import type { PeersOf } from "./session.ts";

export interface NodeParts extends Pick<FeedsParts, "createInboxes" | "inboxReach" | "market"> {
  readonly member: MemberConfig;
  /** Made for the members of the epoch it starts in. */
  readonly transport: Transport;
  readonly peersOf: PeersOf;
  /** Stays open when the node stops. */
  readonly store: Store;
  /** Makes what carries out the member's tasks; without it they are left undone. */
  readonly createResharer?: ((hooks: ResharerHooks) => NodeResharer) | undefined;
  readonly logger: Logger;
  readonly metrics: NodeMetrics;
  /** Milliseconds, monotone; performance only. */
  readonly nowMs: () => number;
  /** Called once when the node must not go on (failed disk, broken invariant). */
  readonly onFatal: (error: unknown) => void;
  /** The committee went on to (at least) this epoch without us; our own epoch: further within it than peers keep blocks for. Called as often as peers say so. */
  readonly onBehind?: ((epoch: bigint) => void) | undefined;
  /** The committee went on without us, as it decided; nobody decided these. Called again after a restart. */
  readonly onLeft?: ((undecided: readonly SignedInstruction[]) => void) | undefined;
}

/** See resharer.ts. */
export interface NodeResharer {
  take(task: ReshareTask): void;
  began(committee: Committee, self: number | undefined): void;
}

export interface ResharerHooks {
  readonly push: (input: MemberInput) => void;
  readonly onFatal: (error: unknown) => void;
}

/** What the HTTP server reads: the member's live state, and the store for everything older. */
import type {
  AccountAnswer,
  BatchAnswer,
  BatchSummary,
  CommitteeAnswer,
  DestinationAnswer,
  HistoryAnswer,
  InstructionAnswer,
  OutboxAnswer,
  StatusAnswer,
  SubmitResult,
} from "../api/schema.ts";
import { proveDestination } from "../batch/outbox.ts";
import type { AccountId, Certificate, OutboxEntry } from "../batch/types.ts";
import type { AttemptPhase } from "../ledger/reconfiguration/types.ts";
import type { LedgerGenesis, SignedInstruction } from "../ledger/types.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { quorumOf } from "../lib/math.ts";
import type { Store } from "../storage/port.ts";
import type { Committee } from "../threshold/committee.ts";
import type { Suite } from "../threshold/types.ts";
import type { NodeEvent, NodeView, OutboxSelection, ReadyCheck } from "./api/view.ts";
import { loadGaps } from "./backfill.ts";
import { type BatchHead, decodeEntryJson, decodeReceiptJson } from "./batch-json.ts";
import { createBatches } from "./batches.ts";
import { createEpochView } from "./epoch-view.ts";
import { loadLoss, signsIn } from "./loss.ts";
import type { NodeMetrics } from "./metrics.ts";
import type { Node } from "./node.ts";

export interface NodeViewParts {
  readonly node: Node;
  /** Of the committee file: epoch 0. */
  readonly first: Committee;
  readonly genesis: LedgerGenesis;
  readonly store: Store;
  readonly metrics: NodeMetrics;
}

const MAX_SEQUENCE = (1n << 63n) - 1n;

const PHASES: readonly (AttemptPhase | undefined)[] = [undefined, "dealing", "opening", "handover", "closing"];

export function createNodeView(parts: NodeViewParts): NodeView {
  const { node, first, genesis, store, metrics } = parts;
  const { member } = node;
  const { ledger } = member;
  const epochs = createEpochView({
    first,
    genesis,
    store,
    epochs: () => ledger.epochs,
    submit: (transactions) => node.submitTransactions(transactions),
  });

  const batches = createBatches(store);
  const isSettled = (sequence: bigint): boolean => sequence >= 1n && sequence <= ledger.sequence;
  const head = (sequence: bigint): BatchHead | undefined => (isSettled(sequence) ? batches.head(sequence) : undefined);
  const certified = (sequence: bigint | undefined): bigint => sequence ?? member.certifiedSequence;

  return {
    ...epochs,
    committee: (): CommitteeAnswer => epochs.current.committee,

    status(): StatusAnswer {
      return {
        index: node.self,
        epoch: node.committee.epoch,
        round: member.consensus.highestRound,
        settledSequence: ledger.sequence,
        certifiedSequence: member.certifiedSequence,
        peers: node.transport.peers().map(({ index, connected, faults, mutedForMs }) => ({
          index,
          connected,
          address: node.committee.members[index]?.address,
          faults: faults + node.faultsOf(index),
          mutedForMs: Math.round(mutedForMs),
        })),
        mempool: member.pendingInstructions,
        chains: ledger.destinations.map(({ chainId, hub, inboxCursor, outboxSize }) => {
          const inbox = node.feeds.inboxStatus(chainId);
          return {
            chainId,
            hub,
            inboxCursor,
            inboxSeen: node.feeds.inboxSeen(chainId),
            outboxSize,
            reachable: inbox?.state === "following",
          };
        }),
        ledgerTime: ledger.time,
      };
    },

    async submit(instructions: readonly SignedInstruction[]): Promise<readonly SubmitResult[]> {
      const verdicts = await node.submit(instructions);
      return verdicts.map(({ instructionId, status, code, figures }) =>
        status === "accepted" ? { instructionId, status } : { instructionId, status, code, figures },
      );
    },

    instruction(instructionId: Hex): InstructionAnswer | undefined {
      const stored = store.receipt(instructionId);
      if (stored !== undefined) {
        const status = stored.sequence <= member.certifiedSequence ? "final" : "ordered";
        const receipt = decodeReceiptJson(stored.json);
        return { instructionId, status, receipt, proof: batches.proveReceipt(receipt) };
      }
      return member.isPending(instructionId) ? { instructionId, status: "accepted" } : undefined;
    },

    checkpoint: (sequence) => node.checkpoint(sequence),

    certificate(sequence: bigint, suite: Suite): Certificate | undefined {
      const stored = store.certificate(sequence, suite);
      const header = stored === undefined ? undefined : head(sequence)?.header;
      return stored === undefined || header === undefined ? undefined : { header, suite, signature: stored.signature };
    },

    latestCertificate(suite: Suite): Certificate | undefined {
      for (const { sequence, signature } of store.certificates({ limit: 1, suite })) {
        const header = head(sequence)?.header;
        if (header !== undefined) return { header, suite, signature };
      }
      return undefined;
    },

    batch: (sequence: bigint): BatchAnswer | undefined => (isSettled(sequence) ? batches.whole(sequence) : undefined),
    summary(sequence: bigint): BatchSummary | undefined {
      const known = head(sequence);
      return known && { header: known.header, digest: known.digest, ...known.counts };
    },
    missing: () => loadGaps(store).map(({ from, to }) => ({ from, to })),
    oldestBatch: () => store.batches(1n, MAX_SEQUENCE, 1)[0]?.sequence ?? 1n,

    destination(chainId: bigint, sequence: bigint | undefined): DestinationAnswer | undefined {
      const at = certified(sequence);
      const answer = head(at);
      const hub = answer?.destinations.find((destination) => destination.chainId === chainId)?.hub;
      if (answer === undefined || hub === undefined) return undefined;
      return { sequence: at, ...proveDestination(answer.destinations, { chainId, hub }) };
    },

    outbox(chainId: bigint, selection: OutboxSelection, size: bigint | undefined): OutboxAnswer | undefined {
      const current = ledger.destinations.find((destination) => destination.chainId === chainId);
      if (current === undefined) return undefined;
      const newest = head(member.certifiedSequence)?.destinations.find(
        (destination) => destination.chainId === chainId,
      );
      const at = size ?? newest?.outboxSize ?? 0n;
      if (at > current.outboxSize) return undefined;
      const { hub } = current;
      const entries = entriesOf(store, { chainId, hub }, selection, at);
      if (entries.length === 0) return { chainId, hub, size: at, entries };
      const proof = ledger.proveOutboxMany(
        chainId,
        entries.map(({ index }) => index),
        at,
      );
      return proof === undefined ? undefined : { chainId, hub, size: at, entries, proof };
    },

    history(sequence: bigint, at: bigint | undefined): HistoryAnswer | undefined {
      const top = certified(at);
      if (sequence < 1n || sequence >= top || top > ledger.sequence) return undefined;
      const header = head(sequence)?.header;
      return header === undefined
        ? undefined
        : { sequence, at: top, header, proof: ledger.proveHistory(sequence, top - 1n) };
    },

    account(account: AccountId, asset: Hex | undefined, sequence: bigint | undefined): AccountAnswer | undefined {
      const at = certified(sequence);
      const view = ledger.account(account, at);
      if (view === undefined) return undefined;
      const assets = asset === undefined ? genesis.assets.map(({ id }) => id) : [asset];
      const proofs = assets.flatMap((id) => ledger.proveAccount(account, id, at) ?? []);
      return proofs.length === 0 ? undefined : { sequence: at, view, proofs };
    },

    laneNonce: (signer: Address, lane: bigint): bigint => ledger.nextNonce(signer, lane),

    isHealthy: () => node.isHealthy,

    readiness(): readonly ReadyCheck[] {
      const connected = node.transport.peers().filter((peer) => peer.connected).length;
      const { length: n } = node.committee.members;
      const needed = quorumOf(n) - 1;
      const loss = loadLoss(store);
      const checks: ReadyCheck[] = [
        {
          name: "peers",
          ok: connected >= needed,
          message: `${connected} of ${n - 1} peers are connected; ${needed} make a quorum with us`,
        },
      ];
      if (node.hasLeft) {
        checks.push({ name: "member", ok: false, message: "this member left the committee: ask another one" });
      } else if (!signsIn(loss, node.committee.epoch)) {
        checks.push({
          name: "loss",
          ok: false,
          message: `this data directory was declared lost: this member signs nothing through epoch ${loss?.through ?? "(being found out)"}`,
        });
      } else if (!member.isSigner) {
        checks.push({
          name: "shares",
          ok: false,
          message:
            "this member has no share of the current epoch and signs nothing: its log says why it could not open it",
        });
      }
      for (const { chainId } of ledger.destinations) {
        const inbox = node.feeds.inboxStatus(chainId);
        const ok = inbox?.state === "following";
        checks.push({
          name: `chain ${chainId}`,
          ok,
          message: ok
            ? "following its inbox"
            : `inbox is ${inbox?.state ?? "not configured"}: check the chain's RPC endpoints`,
        });
      }
      return checks;
    },

    metrics() {
      metrics.round.set(member.consensus.highestRound);
      metrics.settledSequence.set(Number(ledger.sequence));
      metrics.certifiedSequence.set(Number(member.certifiedSequence));
      metrics.epoch.set(Number(node.committee.epoch));
      metrics.reconfigurationPhase.set(PHASES.indexOf(ledger.epochs?.attempt?.phase));
      metrics.pendingInstructions.set(member.pendingInstructions);
      for (const [kind, count] of Object.entries(member.consensus.sizes)) metrics.held.set({ kind }, count);
      const peers = node.transport.peers();
      metrics.connectedPeers.set(peers.filter((peer) => peer.connected).length);
      for (const { index, queuedBytes } of peers) metrics.peerQueueBytes.set({ peer: index }, queuedBytes);
      return metrics.expose();
    },

    subscribe: (listener: (event: NodeEvent) => void) => node.subscribe(listener),
  };
}

/** Entries below `size`, ascending. */
function entriesOf(
  store: Store,
  destination: { readonly chainId: bigint; readonly hub: Address },
  selection: OutboxSelection,
  size: bigint,
): OutboxEntry[] {
  if (selection.kind === "range") {
    return store
      .entries(destination, selection.from, size - 1n, selection.limit)
      .map(({ json }) => decodeEntryJson(json));
  }
  return selection.indexes
    .filter((index) => index < size)
    .flatMap((index) => store.entries(destination, index, index, 1))
    .map(({ json }) => decodeEntryJson(json));
}

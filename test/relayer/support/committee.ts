/** A committee of one key at a time, with real signatures, trees and proofs, and the HTTP API that its members would serve. */
import { createServer, type Server } from "node:http";
import { z } from "zod";
import { epochAnswer, handoversAnswer } from "../../../src/api/reconfiguration.ts";
import * as schema from "../../../src/api/schema.ts";
import { certificate as certificateSchema } from "../../../src/api/wire.ts";
import { createHandover, handoverDigest } from "../../../src/batch/handover.ts";
import { headerDigest } from "../../../src/batch/header.ts";
import { outboxEntryHash, outboxesRoot, promisedRoot, proveDestination } from "../../../src/batch/outbox.ts";
import { AppendOnlyTree } from "../../../src/batch/tree.ts";
import type { BatchHeader, Certificate, Destination, OutboxEntry } from "../../../src/batch/types.ts";
import type { SignedHandover } from "../../../src/ledger/reconfiguration/types.ts";
import { type Address, bytesToHex, type Hex, hexToBytes, ZERO_BYTES32 } from "../../../src/lib/hex.ts";
import { createEngines } from "../../../src/threshold/engines.ts";
import { SUITES, type Suite } from "../../../src/threshold/types.ts";

export const COMMITTEE_ID: Hex = `0x${"c1".repeat(32)}`;
/** Secret of the committee's k-th key. */
const secretOf = (k: number) => Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : i === 1 ? k : i + 7));

/** Those that a relayer takes by itself. */
export const engines = await createEngines("fast");

/** The group keys after k handovers. */
export function keysAfter(k: number): Record<Suite, Hex> {
  const key = (suite: Suite) => bytesToHex(engines[suite].publicKey(secretOf(k)));
  return { "bls12-381": key("bls12-381"), bn254: key("bn254") };
}

interface HandoverDraft {
  readonly from?: number;
  readonly to?: number;
  readonly by?: number;
  readonly committeeId?: Hex;
}

/** Handover `number`, from key `from` to key `to`, signed by key `by`: true by default, and anything else if told so. */
export function handoverOf(
  number: number,
  { from = number - 1, to = number, by = from, committeeId = COMMITTEE_ID }: HandoverDraft = {},
): SignedHandover {
  const statement = createHandover(BigInt(number), keysAfter(from), keysAfter(to));
  const digest = hexToBytes(handoverDigest(statement, committeeId));
  const sign = (suite: Suite) => bytesToHex(engines[suite].sign(secretOf(by), digest));
  const signatures = { "bls12-381": sign("bls12-381"), bn254: sign("bn254") };
  return { statement, signatures, epoch: BigInt(number), groupKeys: keysAfter(to) };
}

export interface Mailbox {
  readonly chainId: bigint;
  readonly hub: Address;
  readonly token: Address;
}

type EntryDraft =
  | { readonly kind: "payout"; readonly recipient: Address; readonly amount: bigint; readonly relayerFee?: bigint }
  | { readonly kind: "call"; readonly receiver: Address; readonly gasLimit: bigint; readonly data: Hex };

export class TestCommittee {
  readonly #history = new AppendOnlyTree();
  readonly #outboxes = new Map<bigint, { mailbox: Mailbox; tree: AppendOnlyTree; entries: OutboxEntry[] }>();
  readonly #batches: { header: BatchHeader; destinations: Destination[]; certificates: Record<Suite, Certificate> }[] =
    [];
  readonly handovers: SignedHandover[] = [];
  #key: number;

  /** `key`: the one it signs with at first; strangers start elsewhere. */
  constructor(key = 0) {
    this.#key = key;
  }

  groupKey(suite: Suite): Hex {
    return keysAfter(this.#key)[suite];
  }

  /** The old key signs a handover, and goes on signing batches. */
  announceHandover(): void {
    this.handovers.push(handoverOf(this.handovers.length + 1));
  }

  /** From the next batch on, a new key signs in a new epoch. */
  handOver(): void {
    this.announceHandover();
    this.#key = this.handovers.length;
  }

  open(mailbox: Mailbox): void {
    this.#outboxes.set(mailbox.chainId, { mailbox, tree: new AppendOnlyTree(), entries: [] });
  }

  get newest(): bigint {
    return BigInt(this.#batches.length);
  }

  /** One batch: new outbox entries of any chain, a header over everything, a certificate in both suites. */
  settle(drafts: readonly (EntryDraft & { readonly chainId: bigint })[] = []): bigint {
    for (const { chainId, ...draft } of drafts) {
      const outbox = this.#outboxes.get(chainId)!;
      const index = BigInt(outbox.entries.length);
      const reference: Hex = `0x${index.toString(16).padStart(64, "0")}`;
      const entry: OutboxEntry =
        draft.kind === "payout"
          ? { relayerFee: 0n, ...draft, index, token: outbox.mailbox.token, reference }
          : { ...draft, index, reference };
      outbox.entries.push(entry);
      outbox.tree.append(outboxEntryHash(outbox.mailbox, entry));
    }
    const destinations = [...this.#outboxes.values()].map(
      ({ mailbox, tree }): Destination => ({
        chainId: mailbox.chainId,
        hub: mailbox.hub,
        inboxCursor: 0n,
        inboxHash: ZERO_BYTES32,
        outboxSize: tree.size,
        outboxRoot: tree.root(),
        promisedRoot: promisedRoot([]),
      }),
    );
    const previous = this.#batches.at(-1)?.header;
    const header: BatchHeader = {
      sequence: this.newest + 1n,
      epoch: BigInt(this.#key),
      previous: previous === undefined ? ZERO_BYTES32 : headerDigest(previous, COMMITTEE_ID),
      history: this.#history.root(),
      outboxes: outboxesRoot(destinations),
      state: `0x${"57".repeat(32)}`,
      commit: `0x${"c0".repeat(32)}`,
    };
    const digest = headerDigest(header, COMMITTEE_ID);
    this.#history.append(digest);
    const certificate = (suite: Suite): Certificate => ({
      header,
      suite,
      signature: bytesToHex(engines[suite].sign(secretOf(this.#key), hexToBytes(digest))),
    });
    const certificates = { "bls12-381": certificate("bls12-381"), bn254: certificate("bn254") };
    this.#batches.push({ header, destinations, certificates });
    return header.sequence;
  }

  /** Answers of a truthful member; undefined is a 404. */
  answer(url: URL): unknown {
    const [, , resource, id] = url.pathname.split("/");
    const suite = SUITES.find((known) => known === url.searchParams.get("suite")) ?? "bn254";
    const chainId = /^\d+$/.test(id ?? "") ? BigInt(id!) : -1n;
    if (resource === "committee") return z.encode(schema.committeeAnswer, this.#committee());
    if (resource === "handovers") return z.encode(handoversAnswer, { handovers: this.handovers });
    if (resource === "epochs") return this.#epoch(BigInt(id!));
    if (resource === "certificates") {
      const sequence = id === "latest" ? this.newest : BigInt(id!);
      const found = this.#batches[Number(sequence) - 1]?.certificates[suite];
      return found === undefined ? undefined : z.encode(certificateSchema, found);
    }
    const outbox = this.#outboxes.get(chainId);
    if (outbox === undefined) return undefined;
    if (resource === "destinations") {
      const sequence = BigInt(url.searchParams.get("sequence") ?? this.newest);
      const batch = this.#batches[Number(sequence) - 1];
      if (batch === undefined) return undefined;
      return z.encode(schema.destinationAnswer, { sequence, ...proveDestination(batch.destinations, outbox.mailbox) });
    }
    if (resource === "outbox") {
      const size = BigInt(url.searchParams.get("size") ?? outbox.tree.size);
      const indexes = (url.searchParams.get("indexes") ?? "").split(",").map(BigInt);
      const entries = indexes.map((index) => outbox.entries[Number(index)]!);
      const { hub } = outbox.mailbox;
      return z.encode(schema.outboxAnswer, {
        chainId,
        hub,
        size,
        entries,
        proof: outbox.tree.proveMany(indexes, size),
      });
    }
    return undefined;
  }

  #epoch(epoch: bigint): unknown {
    const last = this.#batches.findLast(({ header }) => header.epoch < epoch);
    const certificates = last === undefined ? [] : Object.values(last.certificates);
    const committee = { ...this.#committee(), epoch };
    return z.encode(epochAnswer, { committee, peers: [], header: last?.header, certificates });
  }

  #committee(): schema.CommitteeAnswer {
    const key = (suite: Suite) => ({ groupKey: this.groupKey(suite), publicShares: [] });
    return {
      committeeId: COMMITTEE_ID,
      epoch: BigInt(this.#key),
      genesisHash: ZERO_BYTES32,
      members: [],
      threshold: 1,
      keys: { "bls12-381": key("bls12-381"), bn254: key("bn254") },
      requiredSuites: [...SUITES],
      genesis: {
        ...{ committeeId: COMMITTEE_ID, epoch: 0n, members: 4, assets: [], chains: [], markets: [], window: 8n },
      },
    };
  }
}

export interface MemberApi {
  readonly url: string;
  /** Changes answers from now on; by default the truth. */
  behave(change: (url: URL, truth: unknown) => unknown): void;
  stop(): Promise<void>;
}

/** One member's HTTP API over a committee's knowledge. */
export async function serveMember(committee: TestCommittee): Promise<MemberApi> {
  let change = (_url: URL, truth: unknown) => truth;
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://member");
    const answer = change(url, committee.answer(url));
    const missing = { error: { code: "unknownSequence", message: "not here", details: {} } };
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? missing));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    behave(next) {
      change = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

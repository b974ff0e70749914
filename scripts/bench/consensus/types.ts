/** What the benchmark's processes are told and say. Sent with structured clone: bigint and bytes go as they are. */
import type { Pacing, Shares } from "../../../src/member/types.ts";
import type { Committee } from "../../../src/threshold/committee.ts";
import type { PeerConfig } from "../../../src/transport/port.ts";

export interface MemberOptions {
  readonly index: number;
  readonly committee: Committee;
  readonly identity: Uint8Array;
  readonly shares: Shares;
  readonly p2pPort: number;
  readonly clientPort: number;
  readonly peers: readonly PeerConfig[];
  readonly directory: string;
  readonly pacing: Pacing;
  readonly slowdown: number;
}

export interface MemberStats {
  readonly kind: "stats";
  readonly index: number;
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly cpuUs: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly round: number;
  readonly settledBatches: number;
  readonly certifiedBatches: number;
  readonly settled: number;
  readonly repeated: number;
  readonly pending: number;
  readonly heldBlocks: number;
  /** Bytes of accepted blocks in memory. */
  readonly heldBytes: number;
  readonly connected: number;
  readonly bytesOut: number;
  readonly dropped: number;
  /** Since the last stats, by kind of message. */
  readonly received: Readonly<Record<string, { readonly count: number; readonly bytes: number }>>;
  /** Event loop delay in milliseconds since the last stats: mean and highest. */
  readonly loopMeanMs: number;
  readonly loopMaxMs: number;
}

export type MemberMessage = MemberStats | { readonly kind: "ready"; readonly index: number };

/** After the options: profile from now on; write that and end. */
export type MemberCommand = { readonly kind: "profile"; readonly directory: string } | { readonly kind: "stop" };

export interface LoadOptions {
  readonly committee: Committee;
  /** Where members listen for clients, by index. */
  readonly clientPorts: readonly number[];
  /** Instructions a second, over all members. */
  readonly rate: number;
  readonly instructionBytes: number;
  /** Members that will be killed. */
  readonly killed: readonly number[];
  readonly seed: number;
}

/** To the load process. `measure` from now on; `stop` submitting; then everything open is waited for. */
export type LoadCommand =
  | { readonly kind: "start"; readonly options: LoadOptions }
  | { readonly kind: "measure" }
  | { readonly kind: "stop" }
  | { readonly kind: "report" };

export interface Percentiles {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadReport {
  readonly kind: "report";
  /** From `measure` to `stop`. */
  readonly seconds: number;
  readonly submitted: number;
  /** Certificates of which came within that time, whenever they were submitted. */
  readonly certified: number;
  readonly refused: number;
  /** Submitted within that time and not certified when the report was asked for. */
  readonly open: number;
  /** Milliseconds from submission to a verified certificate of one suite (bls12-381), and to verified ones of all suites. */
  readonly firstMs: Percentiles;
  readonly allMs: Percentiles;
  /** Certificates verified, and what one took on average. */
  readonly verified: number;
  readonly verifyMs: number;
  readonly faults: readonly string[];
  readonly cpuUs: number;
  /** Certified in each second of the window. */
  readonly perSecond: readonly number[];
}

export type LoadMessage = LoadReport | { readonly kind: "ready" };

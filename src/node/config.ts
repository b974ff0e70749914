/** What an operator configures for one member, schema-checked. The CLI reads it from YAML, environment and flags. */
import * as z from "zod";
import type { FinalityRule } from "../chain/port.ts";
import type { LedgerGenesis } from "../ledger/types.ts";
import { ClocklessError } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Pacing } from "../member/types.ts";
import type { Committee } from "../threshold/committee.ts";
import type { PeerConfig } from "../transport/port.ts";

export class NodeConfigError extends ClocklessError<
  "notInCommittee" | "peersMismatch" | "unknownChain" | "unreadableFile"
> {
  override readonly name = "NodeConfigError";
}

const url = z.url({ protocol: /^https?$/ });
const hexAddress = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((text) => text.toLowerCase() as Address); // CAST: the pattern requires 0x
const publicKey = z
  .string()
  .regex(/^0x0[23][0-9a-f]{64}$/)
  .transform((text) => text as Hex); // CAST: the pattern requires 0x

export const finalitySchema: z.ZodType<FinalityRule> = z.union([
  z.strictObject({ kind: z.literal("finalized") }),
  z.strictObject({ kind: z.literal("safe") }),
  z.strictObject({ kind: z.literal("depth"), blocks: z.int().min(0).max(100_000) }),
]);

const chainSchema = z.strictObject({
  chainId: z.coerce.bigint().positive(),
  /** Independent endpoints, at least two where money is at stake: two URLs of one provider lie together. */
  rpcUrls: z.array(url).min(1).max(16),
  /** How many endpoints must agree before this member reports anything; default min(2, endpoints). */
  requiredAgreement: z.int().min(1).max(16).optional(),
  finality: finalitySchema,
  /** Block of the vault's deployment: nothing is read before it. */
  fromBlock: z.coerce.bigint().min(0n),
  pollingIntervalMs: z.int().min(50).max(600_000).default(2_000),
});

const marketSchema = z.strictObject({
  /** Serves {"time": "seconds", "prices": [{"market": 1, "firstSlotEnd": "…", "values": ["…"]}]}; polled. */
  url,
  pollingIntervalMs: z.int().min(50).max(600_000).default(1_000),
});

const pacingSchema: z.ZodType<Pacing> = z.strictObject({
  busyIntervalMs: z.number().min(0).max(10_000),
  idleIntervalMs: z.number().min(1).max(600_000),
  retryMs: z.number().min(10).max(600_000),
});

/** Busy: as fast as quorums come, but let blocks fill for a few milliseconds. Idle: a heartbeat that costs next to nothing. */
export const DEFAULT_PACING: Pacing = { busyIntervalMs: 5, idleIntervalMs: 500, retryMs: 500 };

export const nodeConfigSchema = z.strictObject({
  /** Committee file (JSON), as `clockless committee assemble` or `clockless devnet` writes it. */
  committeeFile: z.string().min(1),
  /** In the first epoch; found by the identity if absent. */
  index: z.int().min(0).max(4095).optional(),
  dataDir: z.string().min(1),
  keys: z.strictObject({
    /** Folder with identity.json and the share keystores. */
    directory: z.string().min(1),
    passwordFile: z.string().min(1).optional(),
    /** Name of the environment variable that holds the password. */
    passwordEnvironment: z.string().min(1).optional(),
    /** Cheap password hash for shares that the node itself stores (of later epochs): for throw-away keys only. */
    light: z.boolean().default(false),
  }),
  p2p: z.strictObject({
    listen: z.array(z.string().startsWith("/")).min(1).max(16),
    /**
     * In the first epoch: everybody by member index, ourselves included. Later the committee's own record says who its members are
     * and where; addresses given here are tried first.
     */
    peers: z
      .array(
        z.strictObject({ address: hexAddress, publicKey, multiaddrs: z.array(z.string().startsWith("/")).max(16) }),
      )
      .max(4096)
      .default([]),
  }),
  /** For who is no member yet, was one, or missed a change of the committee: members' APIs. Nothing they say is believed unproven. */
  join: z.strictObject({ apis: z.array(url).min(1).max(64) }).optional(),
  api: z.strictObject({
    host: z.string().default("127.0.0.1"),
    port: z.int().min(0).max(65_535),
    /** Origins that browsers may call from; none by default. */
    corsOrigins: z.array(z.string()).max(64).default([]),
    /** Requests a second and address; 0 switches the limit off (behind a proxy that has its own). */
    requestsPerSecond: z.number().min(0).default(200),
  }),
  chains: z.array(chainSchema).max(64).default([]),
  market: marketSchema.optional(),
  pacing: pacingSchema.default(DEFAULT_PACING),
  log: z
    .strictObject({
      level: z.enum(["debug", "info", "warn", "error"]).default("info"),
      format: z.enum(["json", "pretty"]).default("json"),
    })
    .default({ level: "info", format: "json" }),
});

export type NodeConfig = z.infer<typeof nodeConfigSchema>;

/** A committee file's contents: everything public that all members must agree on. */
export interface CommitteeFile {
  readonly committee: Committee;
  readonly genesis: LedgerGenesis;
}

export function peersOf(config: NodeConfig): readonly PeerConfig[] {
  return config.p2p.peers;
}

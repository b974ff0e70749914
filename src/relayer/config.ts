/** What an operator configures for a relayer, schema-checked, and how the sender's key is read. */
import { readFileSync, statSync } from "node:fs";
import * as z from "zod";
import type { FinalityRule } from "../chain/port.ts";
import { type Address, type Hex, isHex } from "../lib/hex.ts";
import { SUITES } from "../threshold/types.ts";
import { RelayerError } from "./errors.ts";

const url = z.url({ protocol: /^https?$/ });
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((text) => text.toLowerCase() as Address); // CAST: the pattern requires 0x
const wei = z.coerce.bigint().min(0n);

const finality: z.ZodType<FinalityRule> = z.union([
  z.strictObject({ kind: z.literal("finalized") }),
  z.strictObject({ kind: z.literal("safe") }),
  z.strictObject({ kind: z.literal("depth"), blocks: z.int().min(0).max(100_000) }),
]);

const chain = z
  .strictObject({
    chainId: z.coerce.bigint().positive(),
    rpcUrls: z.array(url).min(1).max(16),
    hub: address,
    /** Must be the suite of the hub's verifier; checked against the chain. */
    suite: z.enum(SUITES),
    /** When a receipt counts as settled; until then a reorg's victim is sent again. */
    finality,
    /** Most wei per gas ever offered, tip included. */
    maxFeePerGasWei: wei,
    /** File with the sender's private key (hex), mode 0600. Or the name of an environment variable that holds it. */
    privateKeyFile: z.string().min(1).optional(),
    privateKeyEnvironment: z.string().min(1).optional(),
    lowBalanceWei: wei.default(10n ** 16n),
    replaceAfterMs: z.int().min(1_000).max(86_400_000).default(60_000),
    /**
     * With nothing new to deliver, a newer head is carried only this long after the last one. 0: every head at once.
     * Keep it far below the hub's halt deadline.
     */
    idleAcceptIntervalMs: z.int().min(0).max(86_400_000).default(0),
    /** Entries per delivery; halved when a transaction would need more gas than allowed. */
    maxEntries: z.int().min(1).max(256).default(64),
    /** Below EIP-7825's 2^24, which chains refuse to exceed. */
    maxGas: z.coerce.bigint().min(200_000n).max(16_777_216n).default(12_000_000n),
  })
  .refine((value) => (value.privateKeyFile === undefined) !== (value.privateKeyEnvironment === undefined), {
    message: "give exactly one of privateKeyFile and privateKeyEnvironment",
  });

export const relayerConfigSchema = z.strictObject({
  /** HTTP APIs of members, any and several: none is trusted. */
  apis: z.array(url).min(1).max(64),
  chains: z.array(chain).min(1).max(64),
  /** Holds the journal; one process at a time. */
  dataDir: z.string().min(1),
  pollingIntervalMs: z.int().min(50).max(600_000).default(2_000),
  /** 0 acts at once; rank r waits r × backupDelayMs whether those before it act. */
  rank: z.int().min(0).max(1_000).default(0),
  backupDelayMs: z.int().min(0).max(3_600_000).default(15_000),
});

export type RelayerConfig = z.infer<typeof relayerConfigSchema>;
export type RelayerChainConfig = RelayerConfig["chains"][number];

/** The sender's key of a chain. Throws RelayerError `badConfig`, `keyFileMissing`, `keyFilePermissions`; none quotes the key. */
export function readSenderKey(
  config: Pick<RelayerChainConfig, "chainId" | "privateKeyFile" | "privateKeyEnvironment">,
  environment: Readonly<Record<string, string | undefined>>,
): Hex {
  const { privateKeyFile, privateKeyEnvironment } = config;
  const text = privateKeyFile !== undefined ? readKeyFile(privateKeyFile) : environment[privateKeyEnvironment ?? ""];
  const trimmed = text?.trim().toLowerCase() ?? "";
  const key = trimmed.startsWith("0x") ? trimmed : `0x${trimmed}`;
  if (!isHex(key, 32)) {
    const where = privateKeyFile ?? `environment variable ${privateKeyEnvironment}`;
    throw new RelayerError("badConfig", `no private key of 32 bytes of hex in ${where}`, {
      details: { chainId: config.chainId.toString() },
    });
  }
  return key;
}

function readKeyFile(path: string): string {
  let mode: number;
  try {
    mode = statSync(path).mode;
  } catch (cause) {
    throw new RelayerError("keyFileMissing", `cannot read the key file ${path}`, { cause });
  }
  if ((mode & 0o077) !== 0) {
    throw new RelayerError("keyFilePermissions", `others may read ${path}: set its mode to 0600`, {
      details: { path, mode: (mode & 0o777).toString(8) },
    });
  }
  return readFileSync(path, "utf8");
}

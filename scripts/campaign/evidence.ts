/**
 * What members signed, as their own and each other's databases tell after each life, and what may never be found there: a second digest
 * for one position, or something that others have of a member and its own register has not (it left before it was durable).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BlockCodec } from "../../src/consensus/block.ts";
import { DEFAULT_CONSENSUS_LIMITS } from "../../src/consensus/limits.ts";
import { genesisHash } from "../../src/ledger/genesis.ts";
import type { LedgerGenesis } from "../../src/ledger/types.ts";
import { bytesToBigint } from "../../src/lib/bytes.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { blockPosition } from "../../src/member/effect-buffer.ts";
import { epochGenesis } from "../../src/member/member.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite.ts";
import type { Committee } from "../../src/threshold/committee.ts";

export interface Violation {
  readonly what: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Evidence {
  /** Reads what came since the last time; the member must not run. */
  read(member: number, dataDir: string): void;
  /** After everybody was read: what members have of each other is in the register of whoever signed it. */
  judge(): void;
  readonly violations: readonly Violation[];
  readonly counts: { readonly blocks: number; readonly partials: number; readonly registered: number };
  /** By sequence, as all members that have it have it. */
  readonly batches: ReadonlyMap<bigint, { readonly digest: Hex; readonly json: string }>;
  /** By `sequence/suite`. */
  readonly certificates: ReadonlyMap<string, Hex>;
  /** By instruction id, as JSON. */
  readonly receipts: ReadonlyMap<Hex, string>;
}

const MAX_VIOLATIONS = 100;

export function createEvidence(committee: Committee, genesis: LedgerGenesis): Evidence {
  const codec = new BlockCodec({
    committeeId: committee.id,
    epoch: committee.epoch,
    genesisHash: epochGenesis(committee.id, genesisHash(genesis)),
    members: committee.members.map(({ address }) => address),
    limits: DEFAULT_CONSENSUS_LIMITS,
  });
  const violations: Violation[] = [];
  const violate = (what: string, details: Readonly<Record<string, unknown>>): void => {
    if (violations.length < MAX_VIOLATIONS) violations.push({ what, details });
  };
  /** Everything that a member's key is on, by `member/kind/position`, with who has it. */
  const signed = new Map<string, { readonly digest: Hex; readonly member: number; readonly seenBy: number }>();
  const registers = committee.members.map(() => new Map<string, Hex>());
  const positions = committee.members.map(() => 0);
  const batches = new Map<bigint, { digest: Hex; json: string }>();
  const certificates = new Map<string, Hex>();
  const receipts = new Map<Hex, string>();
  const counts = { blocks: 0, partials: 0, registered: 0 };

  const see = (seenBy: number, member: number, kind: string, position: bigint, digest: Hex): void => {
    const key = `${kind}/${position}`;
    const known = signed.get(`${member}/${key}`);
    if (known === undefined) signed.set(`${member}/${key}`, { digest, member, seenBy });
    else if (known.digest !== digest)
      violate("twoDigests", { member, kind, position, first: known.digest, second: digest, seenBy });
  };
  const agree = <K, V>(
    map: Map<K, V>,
    what: string,
    member: number,
    key: K,
    value: V,
    same: (a: V) => boolean,
  ): void => {
    const known = map.get(key);
    if (known === undefined) map.set(key, value);
    else if (!same(known)) violate(what, { member, key, known, found: value });
  };

  return {
    ...{ violations, counts, batches, certificates, receipts },
    read(member, dataDir) {
      const file = join(dataDir, DATABASE_FILE);
      if (!existsSync(file)) return;
      const database = new DatabaseSync(file, { readOnly: true });
      // A store whose creation was cut short has no tables yet.
      const hasTables = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'register'").get() !== undefined;
      const rows = (sql: string, ...values: number[]): IterableIterator<Record<string, unknown>> =>
        hasTables ? database.prepare(sql).iterate(...values) : [].values();
      const register = registers[member]!;
      const before = new Set(register.keys());
      for (const { kind, position, digest } of rows("SELECT kind, position, digest FROM register")) {
        const key = `${kind}/${bytesToBigint(position as Uint8Array)}`; // CAST: the schema's BLOB
        const found = bytesToHex(digest as Uint8Array); // CAST: as above
        agree(register, "registerChanged", member, key, found, (known) => known === found);
        before.delete(key);
      }
      for (const key of before) violate("registerForgot", { member, key });
      for (const { position, bytes } of rows(
        "SELECT position, bytes FROM log WHERE kind = 'block' AND position > ? ORDER BY position",
        positions[member]!,
      )) {
        positions[member] = Number(position);
        const block = codec.decode(bytes as Uint8Array); // CAST: the schema's BLOB
        counts.blocks++;
        see(member, block.author, "block", blockPosition(block.epoch, block.round), block.digest);
        for (const { sequence, digest } of block.partials) {
          counts.partials++;
          see(member, block.author, "batch", sequence, digest);
        }
      }
      for (const row of rows("SELECT sequence, digest, json FROM batch")) {
        const digest = bytesToHex(row.digest as Uint8Array); // CAST: the schema's BLOB
        const value = { digest, json: String(row.json) };
        agree(batches, "twoBatches", member, BigInt(Number(row.sequence)), value, (known) => known.digest === digest);
      }
      for (const { sequence, suite, signature } of rows("SELECT sequence, suite, signature FROM certificate")) {
        const found = bytesToHex(signature as Uint8Array); // CAST: the schema's BLOB
        agree(certificates, "twoCertificates", member, `${sequence}/${suite}`, found, (known) => known === found);
      }
      for (const { instruction, json } of rows("SELECT instruction, json FROM receipt")) {
        const id = bytesToHex(instruction as Uint8Array); // CAST: the schema's BLOB
        agree(receipts, "twoReceipts", member, id, String(json), (known) => known === json);
      }
      database.close();
    },
    judge() {
      for (const [key, { digest, member, seenBy }] of signed) {
        const registered = registers[member]!.get(key.slice(key.indexOf("/") + 1));
        if (registered === undefined) violate("leftBeforeDurable", { key, digest, seenBy });
        else if (registered !== digest) violate("twoDigests", { key, registered, seen: digest, seenBy });
      }
      counts.registered = registers.reduce((sum, register) => sum + register.size, 0);
    },
  };
}

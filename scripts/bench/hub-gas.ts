/**
 * Gas of what users and relayers send: whole transactions, as the receipt says, base cost and calldata included.
 *
 *   node scripts/bench/hub-gas.ts [--heads 24] [--json]
 *
 * Needs a build (`hardhat build`). Runs on Hardhat's simulated network under Osaka's rules, with a committee of three
 * destinations (two siblings a proof). `accept` is measured on a ring that is warm in no transaction; `deliver` pays that
 * many different recipients who held none of the token before, the dearest case. Exits with 1 when `accept` exceeds its limit.
 */
import { parseArgs } from "node:util";
import hre from "hardhat";
import { createHandover, handoverArgument, handoverDigest } from "../../src/batch/handover.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { SUITES, type Suite } from "../../src/threshold/types.ts";
import { ACCOUNT, COMMITTEE, deployHub, engineOf, SECRET, signDigestFor } from "../../test/contracts/hub-support.ts";
import { type GasSummary, summarise } from "./verifier-gas.ts";

/** Gas that one `accept` may take. */
const ACCEPT_LIMIT = 166_500;
const DELIVERY_SIZES = [1, 8, 64] as const;

const { values: options } = parseArgs({
  options: { heads: { type: "string", default: "24" }, json: { type: "boolean", default: false } },
});
const heads = Number(options.heads);
if (!Number.isSafeInteger(heads) || heads < 1) throw new Error("--heads must be a positive integer");

interface HubGas {
  readonly suite: Suite;
  /** A newer head. */
  readonly accept: GasSummary;
  /** The same head again: what a relayer pays that lost the race. */
  readonly repeated: number;
  readonly handover: number;
  readonly deliver: readonly { readonly entries: number; readonly total: number; readonly perEntry: number }[];
  /** A depositor's later deposit; the first one also opens its token's slot. */
  readonly deposit: { readonly first: number; readonly later: number };
}

interface Sent {
  wait(): Promise<{ readonly gasUsed: bigint } | null>;
}

async function gasOf(sent: Promise<Sent>): Promise<number> {
  const receipt = await (await sent).wait();
  if (receipt === null) throw new Error("no receipt");
  return Number(receipt.gasUsed);
}

function keysOf(secret: Uint8Array): Record<Suite, Hex> {
  const key = (suite: Suite): Hex => bytesToHex(engineOf(suite).publicKey(secret));
  return { "bls12-381": key("bls12-381"), bn254: key("bn254") };
}

async function measureHub(suite: Suite): Promise<HubGas> {
  const { connection, hub, book, token, vault, alice } = await deployHub(suite);
  const send = (sent: Promise<unknown>): Promise<number> => gasOf(sent as Promise<Sent>); // CAST: what ethers' methods resolve to

  const accept: number[] = [];
  for (let i = 0; i < heads; i++) {
    book.payout(alice.address, 1n);
    accept.push(await send(hub.accept(...book.next().args)));
  }
  let slot = heads % 16;
  const deliver = [];
  await token.mint(vault, 1_000_000n);
  for (const entries of DELIVERY_SIZES) {
    const recipient = (i: number) => `0x${(0xd0_0000n + BigInt(entries * 1_000 + i)).toString(16).padStart(40, "0")}`;
    const payouts = Array.from({ length: entries }, (_, i) => book.payout(recipient(i), 5n));
    const batch = book.next();
    await hub.accept(...batch.args);
    slot = (slot + 1) % 16;
    const total = await send(hub.deliver(...book.delivery(payouts, batch, slot), { gasLimit: 16_000_000n }));
    deliver.push({ entries, total, perEntry: Math.round(total / entries) });
  }

  const last = book.next();
  await hub.accept(...last.args);
  const repeated = await send(hub.accept(...last.args));

  await token.mint(alice, 1_000n);
  await (token.connect(alice) as typeof token).approve(vault, 1_000n);
  const deposit = () => send((vault.connect(alice) as typeof vault).deposit(token, 10n, ACCOUNT));
  const first = await deposit();
  const later = await deposit();

  const successor = Uint8Array.from(SECRET, (byte, i) => (i === 31 ? byte ^ 1 : byte));
  const statement = createHandover(1n, keysOf(SECRET), keysOf(successor));
  const signature = signDigestFor(suite, handoverDigest(statement, COMMITTEE));
  const handover = await send(hub.handover(handoverArgument(statement), signature));
  await connection.close();
  return { suite, accept: summarise(accept), repeated, handover, deliver, deposit: { first, later } };
}

const results: HubGas[] = [];
for (const suite of SUITES) results.push(await measureHub(suite));
const sizes: Record<string, number> = {};
for (const name of ["SettlementHub", "CollateralVault", "Bls12381Verifier", "Bn254Verifier"])
  sizes[name] = ((await hre.artifacts.readArtifact(name)).deployedBytecode.length - 2) / 2;
const withinLimit = results.every(({ accept }) => accept.worst <= ACCEPT_LIMIT);

if (options.json) {
  const limits = { accept: ACCEPT_LIMIT };
  console.log(
    JSON.stringify({ bench: "hub-gas", hardfork: "osaka", heads, limits, withinLimit, codeBytes: sizes, results }),
  );
} else {
  for (const { suite, accept, repeated, handover, deliver, deposit } of results) {
    console.log(`${suite}, whole transactions`);
    console.log(`  accept    mean ${accept.mean}  best ${accept.best}  worst ${accept.worst}  (limit ${ACCEPT_LIMIT})`);
    console.log(`  repeated  ${repeated}`);
    for (const { entries, total, perEntry } of deliver)
      console.log(`  deliver   ${entries} ${entries === 1 ? "entry" : "entries"}: ${total}, ${perEntry} each`);
    console.log(`  deposit   first ${deposit.first}, later ${deposit.later}`);
    console.log(`  handover  ${handover}`);
  }
  console.log(
    `code: ${Object.entries(sizes)
      .map(([name, bytes]) => `${name} ${bytes} bytes`)
      .join(", ")}`,
  );
}
if (!withinLimit) {
  console.error("gas limit exceeded");
  process.exitCode = 1;
}

/**
 * How fast one ledger settles fills: decoding, ids, signatures, decisions, state root. Prints one line per figure.
 * Usage: node scripts/bench/ledger.ts [accounts=2000] [instructions=2000] [fills per instruction=1,16,256] [--reference]
 *
 * Signatures and hashes are computed as a node computes them; `--reference`: in plain JavaScript, for comparison.
 */
import { installNativeKeccak } from "../../src/keys/native-keccak.ts";
import { createNativeSigner } from "../../src/keys/native-signer.ts";
import { decodePayload, encodePayload } from "../../src/ledger/codec.ts";
import { accountIdOf, signInstruction } from "../../src/ledger/instruction.ts";
import { encodeInstrument } from "../../src/ledger/instrument.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import type { BatchItem, Fill, InstructionBody, LedgerGenesis, SignedInstruction } from "../../src/ledger/types.ts";
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { addressOf, isSignatureBy } from "../../src/lib/ecdsa.ts";
import { keccak256, keccak256Hex } from "../../src/lib/hash.ts";
import type { Hex } from "../../src/lib/hex.ts";

const isReference = process.argv.includes("--reference");
const positional = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const [accountCount = 2000, instructionCount = 2000] = positional.slice(0, 2).map(Number);
const sizes = (positional[2] ?? "1,16,256").split(",").map(Number);

if (!isReference) await installNativeKeccak();
const identities = isReference
  ? { verify: (digest: Hex, signature: Hex, signer: Hex) => isSignatureBy(signer, digest, signature) }
  : createNativeSigner();

const asset = keccak256Hex(utf8ToBytes("USDC"));
const genesis: LedgerGenesis = {
  committeeId: `0x${"c1".repeat(32)}`,
  epoch: 1n,
  members: 4,
  assets: [{ id: asset, symbol: "USDC", decimals: 6 }],
  chains: [
    {
      chainId: 1n,
      hub: `0x${"11".repeat(20)}`,
      vault: `0x${"12".repeat(20)}`,
      tokens: [{ asset, token: `0x${"13".repeat(20)}`, unitsPerLedgerUnit: 1n }],
    },
  ],
  markets: [
    { id: 1, symbol: "ETH", quote: asset, quantityDecimals: 3, priceCap: 100_000n, expirySlots: 300, slotSeconds: 6 },
  ],
  window: 16n,
};

const secretOf = (name: string): Uint8Array => keccak256(utf8ToBytes(name));
const owner = addressOf(secretOf("owner"));
const venueSecret = secretOf("venue");
const venue = addressOf(venueSecret);
const accounts = Array.from({ length: accountCount }, (_, i) => accountIdOf(owner, BigInt(i)));
const limit = 1n << 120n;

/** CPU time of this process in milliseconds: the machine may be busy with other things. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A member verifies an instruction when it arrives, so that in the fold its verdict is a look-up: both costs are shown. */
let signatureMs = 0;
const ledger = new Ledger(genesis, {
  verify: (digest, signature, signer) => {
    const from = cpuMs();
    const valid = identities.verify(digest, signature, signer);
    signatureMs += cpuMs() - from;
    return valid;
  },
});
let commit = 0;
const apply = (items: readonly BatchItem[]) =>
  ledger.apply({ commit: keccak256Hex(utf8ToBytes(`${commit++}`)), items });

const perBlock = 250;
for (let start = 0; start < accountCount; start += perBlock) {
  const entries = accounts.slice(start, start + perBlock).map((account, i) => {
    const index = BigInt(start + i);
    const token = genesis.chains[0]!.tokens[0]!.token;
    return { kind: "deposit" as const, index, token, amount: 10n ** 15n, account, refundTo: owner, total: 0n };
  });
  const observations = [{ kind: "inbox" as const, chainId: 1n, entries }];
  apply([0, 1, 2].map((author) => ({ author, instructions: [], observations, transactions: [] })));
}
let ownerNonce = 0n;
const sign = (secret: Uint8Array, signer: Hex, nonce: bigint, body: InstructionBody): SignedInstruction =>
  signInstruction(secret, genesis.committeeId, {
    head: { signer, lane: 0n, nonce, namedBatch: ledger.sequence },
    body,
  });
for (let start = 0; start < accountCount; start += 500) {
  const instructions = accounts.slice(start, start + 500).map((account) =>
    sign(secretOf("owner"), owner, ownerNonce++, {
      kind: "openLane",
      account,
      laneSigner: venue,
      laneNumber: 0n,
      marginLimit: limit,
      cashLimits: [{ asset, limit }],
    }),
  );
  apply([{ author: 0, instructions, observations: [], transactions: [] }]);
}

const expiry = 1_800_000_000n;
const instruments = Array.from({ length: 40 }, (_, i) =>
  encodeInstrument({ kind: i % 2 === 0 ? "call" : "put", market: 1, expiry, strike: BigInt(1000 + 50 * i) }),
);
let venueNonce = 0n;
let made = 0;
function nextFill(): Fill {
  const i = made++;
  return {
    instrument: instruments[i % instruments.length]!,
    buyer: accounts[(i * 7) % accountCount]!,
    seller: accounts[(i * 7 + 1 + (i % (accountCount - 2))) % accountCount]!,
    quantity: BigInt(1 + (i % 9)),
    price: BigInt(1 + (i % 50)),
  };
}

const ms = (from: number): number => cpuMs() - from;
for (const size of sizes) {
  const count = Math.max(1, Math.floor(instructionCount / Math.max(1, size / 4)));
  const instructions: SignedInstruction[] = [];
  for (let i = 0; i < count; i++) {
    const fills = Array.from({ length: size }, nextFill);
    instructions.push(sign(venueSecret, venue, venueNonce++, { kind: "fills", fills }));
  }
  const payloads: Uint8Array[] = [];
  const perPayload = Math.max(1, Math.floor(4000 / size));
  for (let i = 0; i < count; i += perPayload) {
    payloads.push(
      encodePayload({ instructions: instructions.slice(i, i + perPayload), observations: [], transactions: [] }),
    );
  }
  const decodeStart = cpuMs();
  const items = payloads.map((bytes, author) => ({ author: author % 4, ...decodePayload(bytes) }));
  const decodeMs = ms(decodeStart);
  signatureMs = 0;
  const applyStart = cpuMs();
  const batch = apply(items);
  const applyMs = ms(applyStart);
  const applied = batch?.receipts.filter((receipt) => receipt.code === "applied").length ?? 0;
  if (applied !== count) throw new Error(`${count - applied} of ${count} instructions were refused`);
  const perSecond = (items: number, time: number): string => Math.round((1000 * items) / time).toLocaleString("en-US");
  const foldMs = applyMs - signatureMs;
  console.log(
    `${size} fills per signature, ${count} instructions in one batch: decode ${decodeMs.toFixed(0)} ms, ` +
      `signatures ${signatureMs.toFixed(0)} ms, fold ${foldMs.toFixed(0)} ms`,
  );
  console.log(
    `  ${perSecond(count, decodeMs + applyMs)} instructions/s (${perSecond(count * size, decodeMs + applyMs)} fills/s); ` +
      `signatures known: ${perSecond(count, decodeMs + foldMs)} instructions/s (${perSecond(count * size, decodeMs + foldMs)} fills/s)`,
  );
}

const priceStart = cpuMs();
const observations = [
  { kind: "time" as const, seconds: 1_799_000_004n },
  { kind: "prices" as const, market: 1, firstSlotEnd: 1_799_000_004n, values: [2000n] },
];
apply([0, 1, 2].map((author) => ({ author, instructions: [], observations, transactions: [] })));
console.log(`one price over ${accountCount} option holders: ${ms(priceStart).toFixed(0)} ms`);
const idleStart = cpuMs();
for (let i = 0; i < 1000; i++) {
  apply([{ author: 0, instructions: [], observations: [{ kind: "time", seconds: 1_799_000_005n }], transactions: [] }]);
}
console.log(`a round without anything to settle: ${(1000 * (ms(idleStart) / 1000)).toFixed(0)} µs`);

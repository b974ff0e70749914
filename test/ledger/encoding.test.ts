import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import fc from "fast-check";
import { hashTypedData } from "viem";
import {
  assemblePayload,
  decodeObservations,
  decodePayload,
  decodeSignedInstruction,
  encodeObservations,
  encodePayload,
  encodeSignedInstruction,
} from "../../src/ledger/codec.ts";
import { genesisHash } from "../../src/ledger/genesis.ts";
import { accountIdOf, instructionDigest, instructionId, ownerOf, typedDataOf } from "../../src/ledger/instruction.ts";
import { decodeInstrument, encodeInstrument, tryDecodeInstrument } from "../../src/ledger/instrument.ts";
import { instructionFromJson, instructionToJson } from "../../src/ledger/json.ts";
import { MAX_INSTRUCTION_BYTES } from "../../src/ledger/limits.ts";
import type { Instruction, Instrument, LedgerGenesis, Observation, SignedInstruction } from "../../src/ledger/types.ts";
import { isClocklessError } from "../../src/lib/errors.ts";
import { bytesToHex, type Hex } from "../../src/lib/hex.ts";
import { alice, genesis } from "./fixtures.ts";

const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => bytesToHex(value));
const uint = (bits: bigint) => fc.bigInt({ min: 0n, max: (1n << bits) - 1n });

const instruction: fc.Arbitrary<Instruction> = fc.record({
  head: fc.record({ signer: hex(20), lane: uint(64n), nonce: uint(64n), namedBatch: uint(64n) }),
  body: fc.oneof(
    fc.record({
      kind: fc.constant("openLane" as const),
      account: hex(32),
      laneSigner: hex(20),
      laneNumber: uint(64n),
      marginLimit: uint(128n),
      cashLimits: fc.array(fc.record({ asset: hex(32), limit: uint(128n) }), { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant("fills" as const),
      fills: fc.array(
        fc.record({ instrument: hex(32), buyer: hex(32), seller: hex(32), quantity: uint(128n), price: uint(128n) }),
        { maxLength: 4 },
      ),
    }),
    fc.record({
      kind: fc.constant("transfer" as const),
      from: hex(32),
      to: hex(32),
      asset: hex(32),
      amount: uint(128n),
    }),
    fc.record({
      kind: fc.constant("withdraw" as const),
      account: hex(32),
      asset: hex(32),
      amount: uint(128n),
      chainId: uint(64n),
      recipient: hex(20),
      relayerFee: uint(128n),
    }),
  ),
});
const signed: fc.Arbitrary<SignedInstruction> = fc.record({ instruction, signature: hex(65) });
const observation: fc.Arbitrary<Observation> = fc.oneof(
  fc.record({ kind: fc.constant("time" as const), seconds: uint(64n) }),
  fc.record({
    kind: fc.constant("prices" as const),
    market: fc.nat(0xffffffff),
    firstSlotEnd: uint(64n),
    values: fc.array(uint(128n), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant("inbox" as const),
    chainId: uint(64n),
    entries: fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constant("deposit" as const),
          index: uint(64n),
          token: hex(20),
          amount: uint(256n),
          account: hex(32),
          refundTo: hex(20),
          total: uint(256n),
        }),
        fc.record({
          kind: fc.constant("forced" as const),
          index: uint(64n),
          instruction: fc.uint8Array({ maxLength: 100 }).map((value) => bytesToHex(value)),
        }),
      ),
      { maxLength: 3 },
    ),
  }),
);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isClocklessError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

describe("ledger: instruments", () => {
  const instrument: fc.Arbitrary<Instrument> = fc
    .record({
      kind: fc.constantFrom("call" as const, "put" as const, "future" as const, "perpetual" as const),
      market: fc.nat(0xffffffff),
      expiry: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
      strike: fc.bigInt({ min: 1n, max: (1n << 96n) - 1n }),
    })
    .map((terms) => ({
      ...terms,
      expiry: terms.kind === "perpetual" ? 0n : terms.expiry,
      strike: terms.kind === "call" || terms.kind === "put" ? terms.strike : 0n,
    }));

  it("pack their terms into 32 bytes and back", () => {
    fc.assert(
      fc.property(instrument, (terms) => {
        const id = encodeInstrument(terms);
        expect(id.length).equal(66);
        expect(decodeInstrument(id)).deep.equal(terms);
      }),
    );
  });

  it("have one id: any other bytes decode to nothing or to other terms", () => {
    fc.assert(
      fc.property(instrument, fc.nat(255), (terms, bit) => {
        const id = encodeInstrument(terms);
        const flipped = BigInt(id) ^ (1n << BigInt(bit));
        const other = `0x${flipped.toString(16).padStart(64, "0")}` as Hex; // CAST: built with the prefix
        const decoded = tryDecodeInstrument(other);
        if (decoded !== undefined) expect(decoded).not.deep.equal(terms);
      }),
    );
    const id = encodeInstrument({ kind: "call", market: 0xab, expiry: 600n, strike: 0xabcn });
    const upper = `0x${id.slice(2).toUpperCase()}` as Hex; // CAST: built with the prefix
    expect(tryDecodeInstrument(upper)).equal(undefined);
    expect(codeOf(() => decodeInstrument(upper))).equal("badInstrument");
    expect(codeOf(() => encodeInstrument({ kind: "future", market: 1, expiry: 0n, strike: 0n }))).equal(
      "badInstrument",
    );
    expect(codeOf(() => encodeInstrument({ kind: "call", market: 1, expiry: 6n, strike: 0n }))).equal("badInstrument");
  });
});

describe("ledger: instructions as wallets sign them", () => {
  it("have the digest that viem and ethers compute", () => {
    fc.assert(
      fc.property(instruction, hex(32), (value, committeeId) => {
        const typed = typedDataOf(committeeId, value);
        const digest = instructionDigest(committeeId, value);
        // CAST: viem infers the message's type from literal types; ours is one of four.
        expect(hashTypedData(typed as unknown as Parameters<typeof hashTypedData>[0])).equal(digest);
        // CAST: ethers wants mutable arrays and does not change them.
        const types = typed.types as unknown as Record<string, { name: string; type: string }[]>;
        expect(TypedDataEncoder.hash(typed.domain, types, typed.message)).equal(digest);
        expect(TypedDataEncoder.from(types).hash(typed.message)).equal(instructionId(value));
      }),
      { numRuns: 60 },
    );
  });

  it("name accounts by owner and number", () => {
    const account = accountIdOf(alice.address, 7n);
    expect(ownerOf(account)).equal(alice.address);
    expect(account.slice(42)).equal("000000000000000000000007");
  });
});

describe("ledger: canonical bytes", () => {
  it("bring instructions, observations and payloads back as they were", () => {
    fc.assert(
      fc.property(
        fc.array(signed, { maxLength: 3 }),
        fc.array(observation, { maxLength: 3 }),
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }),
        (instructions, observations, transactions) => {
          for (const value of instructions) {
            expect(decodeSignedInstruction(encodeSignedInstruction(value))).deep.equal(value);
          }
          expect(decodeObservations(encodeObservations(observations))).deep.equal(observations);
          const payload = { instructions, observations, transactions };
          expect(decodePayload(encodePayload(payload))).deep.equal(payload);
          const assembled = assemblePayload({
            instructions: instructions.map(encodeSignedInstruction),
            observations: encodeObservations(observations),
            transactions,
          });
          expect(assembled).deep.equal(encodePayload(payload));
        },
      ),
    );
  });

  it("have no second encoding: changed bytes are refused or mean something else", () => {
    fc.assert(
      fc.property(signed, fc.nat(), fc.nat(254), (value, at, change) => {
        const bytes = encodeSignedInstruction(value);
        const mutated = bytes.slice();
        mutated[at % bytes.length]! ^= change + 1;
        try {
          expect(decodeSignedInstruction(mutated)).not.deep.equal(value);
        } catch (error) {
          expect(isClocklessError(error, "malformedBytes"), String(error)).equal(true);
        }
        for (const wrong of [bytes.subarray(0, -1), new Uint8Array([...bytes, 0]), new Uint8Array()]) {
          try {
            expect(decodeSignedInstruction(wrong)).not.deep.equal(value);
          } catch (error) {
            expect(isClocklessError(error, "malformedBytes"), String(error)).equal(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("refuse arbitrary bytes with one code, and long ones before looking at them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        for (const decode of [decodeSignedInstruction, decodeObservations, decodePayload]) {
          expect(codeOf(() => decode(bytes))).to.be.oneOf(["malformedBytes", "accepted"]);
        }
      }),
      { numRuns: 500 },
    );
    expect(codeOf(() => decodeSignedInstruction(new Uint8Array(MAX_INSTRUCTION_BYTES + 1)))).equal("tooLarge");
  });
});

describe("ledger: instructions as JSON", () => {
  it("come back as they were, through text", () => {
    fc.assert(
      fc.property(signed, (value) => {
        const text = JSON.stringify(instructionToJson(value));
        expect(instructionFromJson(JSON.parse(text))).deep.equal(value);
      }),
    );
  });

  it("are refused with the place that is wrong", () => {
    const [sample] = fc.sample(
      signed.filter(({ instruction: { body } }) => body.kind === "transfer"),
      { numRuns: 1, seed: 7 },
    );
    const json = JSON.parse(JSON.stringify(instructionToJson(sample!)));
    const wrong: [path: string, value: unknown][] = [
      [
        "instruction.body.amount",
        { ...json, instruction: { ...json.instruction, body: { ...json.instruction.body, amount: "1e3" } } },
      ],
      [
        "instruction.body.amount",
        { ...json, instruction: { ...json.instruction, body: { ...json.instruction.body, amount: 5 } } },
      ],
      [
        "instruction.head.nonce",
        { ...json, instruction: { ...json.instruction, head: { ...json.instruction.head, nonce: "-1" } } },
      ],
      [
        "instruction.body",
        { ...json, instruction: { ...json.instruction, body: { ...json.instruction.body, limit: "1" } } },
      ],
      ["signature", { ...json, signature: "0x00" }],
      ["", null],
    ];
    for (const [path, value] of wrong) {
      try {
        instructionFromJson(value);
        expect.fail("accepted");
      } catch (error) {
        if (!isClocklessError(error, "malformedJson")) throw error;
        // CAST: our own details.
        const issues = error.details.issues as { path: string }[];
        expect(issues[0]?.path).equal(path);
      }
    }
  });
});

describe("ledger: genesis", () => {
  it("has a hash that every term changes and no order of lists does", () => {
    const [asset, second] = genesis.assets;
    const [market] = genesis.markets;
    const variants: LedgerGenesis[] = [
      genesis,
      { ...genesis, window: 5n },
      { ...genesis, members: 5 },
      { ...genesis, assets: [{ ...asset!, symbol: "USDT" }, second!] },
      { ...genesis, markets: [{ ...market!, priceCap: 9_999n }] },
      { ...genesis, markets: [{ ...market!, expirySlots: 6 }] },
      { ...genesis, chains: genesis.chains.slice(0, 1) },
    ];
    expect(new Set(variants.map(genesisHash)).size).equal(variants.length);
    const reordered = { ...genesis, assets: [...genesis.assets].reverse(), chains: [...genesis.chains].reverse() };
    expect(genesisHash(reordered)).equal(genesisHash(genesis));
  });

  it("is refused when no ledger could keep its promises with it", () => {
    const [market] = genesis.markets;
    const [chain] = genesis.chains;
    const wrong: LedgerGenesis[] = [
      { ...genesis, members: 0 },
      { ...genesis, window: 0n },
      { ...genesis, assets: [...genesis.assets, genesis.assets[0]!] },
      { ...genesis, chains: [chain!, chain!] },
      { ...genesis, chains: [{ ...chain!, tokens: [{ ...chain!.tokens[0]!, unitsPerLedgerUnit: 0n }] }] },
      { ...genesis, markets: [{ ...market!, priceCap: 0n }] },
      { ...genesis, markets: [market!, { ...market!, id: 2, quote: genesis.assets[1]!.id }] },
      { ...genesis, markets: [{ ...market!, slotSeconds: 0 }] },
    ];
    for (const value of wrong) expect(codeOf(() => genesisHash(value))).equal("badGenesis");
  });
});

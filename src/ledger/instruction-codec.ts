/** The SSZ form of signed instructions; bytes are made and read in codec.ts. */
import {
  ByteVectorType,
  ContainerType,
  ListCompositeType,
  UintBigintType,
  UnionType,
  type ValueOf,
} from "@chainsafe/ssz";
import { bytesToHex, type Hex, hexToBytes } from "../lib/hex.ts";
import { MAX_CASH_LIMITS, MAX_FILLS } from "./limits.ts";
import type { InstructionBody, SignedInstruction } from "./types.ts";

const u64 = new UintBigintType(8);
const u128 = new UintBigintType(16);
const address = new ByteVectorType(20);
const bytes32 = new ByteVectorType(32);

const OpenLane = new ContainerType({
  account: bytes32,
  laneSigner: address,
  laneNumber: u64,
  marginLimit: u128,
  cashLimits: new ListCompositeType(new ContainerType({ asset: bytes32, limit: u128 }), MAX_CASH_LIMITS),
});
const FillSsz = new ContainerType({
  instrument: bytes32,
  buyer: bytes32,
  seller: bytes32,
  quantity: u128,
  price: u128,
});
const Fills = new ContainerType({ fills: new ListCompositeType(FillSsz, MAX_FILLS) });
const Transfer = new ContainerType({ from: bytes32, to: bytes32, asset: bytes32, amount: u128 });
const Withdraw = new ContainerType({
  account: bytes32,
  asset: bytes32,
  amount: u128,
  chainId: u64,
  recipient: address,
  relayerFee: u128,
});
export const Signed = new ContainerType({
  signer: address,
  lane: u64,
  nonce: u64,
  namedBatch: u64,
  signature: new ByteVectorType(65),
  /** Selectors: 0 openLane, 1 fills, 2 transfer, 3 withdraw. */
  body: new UnionType([OpenLane, Fills, Transfer, Withdraw]),
});

const bin = (hex: Hex): Uint8Array => hexToBytes(hex);
const hex = (bytes: Uint8Array): Hex => bytesToHex(bytes);

function bodyToSsz(body: InstructionBody): ValueOf<typeof Signed>["body"] {
  switch (body.kind) {
    case "openLane":
      return {
        selector: 0,
        value: {
          account: bin(body.account),
          laneSigner: bin(body.laneSigner),
          laneNumber: body.laneNumber,
          marginLimit: body.marginLimit,
          cashLimits: body.cashLimits.map(({ asset, limit }) => ({ asset: bin(asset), limit })),
        },
      };
    case "fills":
      return {
        selector: 1,
        value: {
          fills: body.fills.map(({ instrument, buyer, seller, quantity, price }) => ({
            instrument: bin(instrument),
            buyer: bin(buyer),
            seller: bin(seller),
            quantity,
            price,
          })),
        },
      };
    case "transfer":
      return {
        selector: 2,
        value: { from: bin(body.from), to: bin(body.to), asset: bin(body.asset), amount: body.amount },
      };
    case "withdraw":
      return {
        selector: 3,
        value: {
          account: bin(body.account),
          asset: bin(body.asset),
          amount: body.amount,
          chainId: body.chainId,
          recipient: bin(body.recipient),
          relayerFee: body.relayerFee,
        },
      };
  }
}

function bodyFromSsz({ selector, value }: ValueOf<typeof Signed>["body"]): InstructionBody {
  // CAST: the union's selector says which container the value is; the library's type does not connect the two.
  switch (selector) {
    case 0: {
      const body = value as ValueOf<typeof OpenLane>;
      return {
        kind: "openLane",
        account: hex(body.account),
        laneSigner: hex(body.laneSigner),
        laneNumber: body.laneNumber,
        marginLimit: body.marginLimit,
        cashLimits: body.cashLimits.map(({ asset, limit }) => ({ asset: hex(asset), limit })),
      };
    }
    case 1:
      return {
        kind: "fills",
        fills: (value as ValueOf<typeof Fills>).fills.map(({ instrument, buyer, seller, quantity, price }) => ({
          instrument: hex(instrument),
          buyer: hex(buyer),
          seller: hex(seller),
          quantity,
          price,
        })),
      };
    case 2: {
      const body = value as ValueOf<typeof Transfer>;
      return {
        kind: "transfer",
        from: hex(body.from),
        to: hex(body.to),
        asset: hex(body.asset),
        amount: body.amount,
      };
    }
    default: {
      const body = value as ValueOf<typeof Withdraw>;
      return {
        kind: "withdraw",
        account: hex(body.account),
        asset: hex(body.asset),
        amount: body.amount,
        chainId: body.chainId,
        recipient: hex(body.recipient),
        relayerFee: body.relayerFee,
      };
    }
  }
}

/** RangeError on hex that is none. */
export function signedToSsz({ instruction: { head, body }, signature }: SignedInstruction): ValueOf<typeof Signed> {
  const { signer, lane, nonce, namedBatch } = head;
  return { signer: bin(signer), lane, nonce, namedBatch, signature: bin(signature), body: bodyToSsz(body) };
}

export function signedFromSsz(value: ValueOf<typeof Signed>): SignedInstruction {
  const { lane, nonce, namedBatch } = value;
  const head = { signer: hex(value.signer), lane, nonce, namedBatch };
  return { instruction: { head, body: bodyFromSsz(value.body) }, signature: hex(value.signature) };
}

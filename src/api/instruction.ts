/**
 * What the OpenAPI description says about signed instructions. Reading and writing them is ledger/json.ts; a test keeps the two equal.
 */
import * as z from "zod";
import { MAX_CASH_LIMITS, MAX_FILLS } from "../ledger/limits.ts";
import type { InstructionBody, SignedInstruction } from "../ledger/types.ts";
import * as w from "./wire.ts";

const fill = z.object({ instrument: w.bytes32, buyer: w.bytes32, seller: w.bytes32, quantity: w.uint, price: w.uint });

const body: z.ZodType<InstructionBody> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("openLane"),
    account: w.bytes32,
    laneSigner: w.address,
    laneNumber: w.uint,
    marginLimit: w.uint,
    cashLimits: w.list(z.object({ asset: w.bytes32, limit: w.uint }), MAX_CASH_LIMITS),
  }),
  z.object({ kind: z.literal("fills"), fills: w.list(fill, MAX_FILLS) }),
  z.object({ kind: z.literal("transfer"), from: w.bytes32, to: w.bytes32, asset: w.bytes32, amount: w.uint }),
  z.object({
    kind: z.literal("withdraw"),
    account: w.bytes32,
    asset: w.bytes32,
    amount: w.uint,
    chainId: w.uint,
    recipient: w.address,
    relayerFee: w.uint,
  }),
]);

export const signedInstruction: z.ZodType<SignedInstruction> = z.object({
  instruction: z.object({
    head: z.object({ signer: w.address, lane: w.uint, nonce: w.uint, namedBatch: w.uint }),
    body,
  }),
  signature: w.hexBytes,
});

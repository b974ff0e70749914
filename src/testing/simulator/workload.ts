/**
 * Users in a closed loop: deposits for everybody, then each owner keeps one transfer or withdrawal under way, names the newest
 * batch that its member knows, and signs the next one when it has its receipt. At the end every accepted instruction must have
 * ended in exactly one receipt.
 */
import type { DepositEntry } from "../../batch/types.ts";
import { accountIdOf, instructionDigest, instructionId } from "../../ledger/instruction.ts";
import type { Instruction, InstructionBody, LedgerGenesis, Receipt, SignedInstruction } from "../../ledger/types.ts";
import type { Address, Hex } from "../../lib/hex.ts";
import type { IdentityScheme } from "../../member/types.ts";
import type { Random } from "../random.ts";

/** Refusals that leave the nonce free (ledger/codes.ts). */
const NONCE_KEPT: ReadonlySet<string> = new Set(["late", "nonceUsed", "unknownSigner", "tooManyLanes"]);

interface Owner {
  /** The one under way. */
  signed: SignedInstruction | undefined;
  readonly secret: Uint8Array;
  readonly address: Address;
  nonce: bigint;
  pending: Hex | undefined;
}

export interface Workload {
  readonly deposits: readonly DepositEntry[];
  /** The next instruction of some idle owner, made against batch `sequence`; undefined when all have one under way. */
  next(sequence: bigint): SignedInstruction | undefined;
  /** All that are under way, for members that lost them. */
  again(): { readonly id: Hex; readonly signed: SignedInstruction }[];
  /** A receipt as the first member made it. */
  settled(receipt: Receipt): void;
  /** A member refused to take an instruction at all: it was never ordered, and its nonce is free. */
  refused(id: Hex): void;
  /** Submitted and without a receipt. */
  readonly pending: ReadonlySet<Hex>;
  readonly submitted: number;
  readonly applied: number;
}

export function createWorkload(
  genesis: LedgerGenesis,
  identities: IdentityScheme,
  addressOf: (secret: Uint8Array) => Address,
  owners: number,
  random: Random,
  /** Deposits beyond the first one of each owner. */
  later = 0,
): Workload {
  const chain = genesis.chains[0]!;
  const { asset, token } = chain.tokens[0]!;
  const people: Owner[] = Array.from({ length: owners }, () => {
    const secret = random.bytes(32);
    return { secret, address: addressOf(secret), nonce: 0n, pending: undefined, signed: undefined };
  });
  const amount = 1_000_000n;
  const deposits = Array.from({ length: people.length === 0 ? 0 : people.length + later }, (_, index): DepositEntry => {
    const { address } = people[index % people.length]!;
    return {
      kind: "deposit",
      index: BigInt(index),
      token,
      amount,
      account: accountIdOf(address),
      refundTo: address,
      total: amount * BigInt(index + 1),
    };
  });
  const pending = new Set<Hex>();
  let submitted = 0;
  let applied = 0;

  const bodyOf = (owner: Owner): InstructionBody => {
    const account = accountIdOf(owner.address);
    const value = BigInt(1 + random.below(1000));
    const others = people.filter((other) => other !== owner);
    if (random.chance(100) || others.length === 0) {
      return {
        kind: "withdraw",
        account,
        asset,
        amount: value,
        chainId: chain.chainId,
        recipient: owner.address,
        relayerFee: 0n,
      };
    }
    return { kind: "transfer", from: account, to: accountIdOf(random.pick(others).address), asset, amount: value };
  };

  return {
    deposits,
    pending,
    get submitted() {
      return submitted;
    },
    get applied() {
      return applied;
    },
    next(sequence) {
      const idle = people.filter((owner) => owner.pending === undefined);
      if (idle.length === 0) return undefined;
      const owner = random.pick(idle);
      const head = { signer: owner.address, lane: 0n, nonce: owner.nonce, namedBatch: sequence };
      const instruction: Instruction = { head, body: bodyOf(owner) };
      const id = instructionId(instruction);
      owner.pending = id;
      pending.add(id);
      submitted++;
      const signature = identities.sign(owner.secret, instructionDigest(genesis.committeeId, instruction));
      owner.signed = { instruction, signature };
      return owner.signed;
    },
    again: () =>
      people.flatMap(({ pending: id, signed }) => (id === undefined || signed === undefined ? [] : [{ id, signed }])),
    refused(id) {
      pending.delete(id);
      const owner = people.find((candidate) => candidate.pending === id);
      if (owner !== undefined) owner.pending = undefined;
    },
    settled(receipt) {
      if (!pending.delete(receipt.instructionId)) return;
      if (receipt.status === "applied") applied++;
      const owner = people.find((candidate) => candidate.pending === receipt.instructionId);
      if (owner === undefined) return;
      owner.pending = undefined;
      if (!NONCE_KEPT.has(receipt.code)) owner.nonce++;
    },
  };
}

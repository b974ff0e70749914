/** SettlementHub as a relayer sees it: how far it is, what it still owes, and the three calls that move it. */
import { decodeErrorResult, decodeEventLog, decodeFunctionResult, encodeEventTopics, encodeFunctionData } from "viem";
import { bn254VerifierAbi } from "../abi/bn254-verifier.ts";
import { collateralVaultAbi } from "../abi/collateral-vault.ts";
import { settlementHubAbi } from "../abi/settlement-hub.ts";
import {
  destinationArgument,
  entryArguments,
  headCommitment,
  headerArgument,
  outboxProofArgument,
} from "../batch/calls.ts";
import { handoverArgument } from "../batch/handover.ts";
import { type Address, type Hex, isHex, ZERO_BYTES32 } from "../lib/hex.ts";
import { SUITES } from "../threshold/types.ts";
import { malformed, toQuantity } from "./finality.ts";
import {
  type AcceptStatus,
  ChainError,
  type HubClient,
  type HubHead,
  type HubIdentity,
  type PreparedCall,
} from "./port.ts";
import type { RpcPool } from "./rpc-pool.ts";

/** Reverts may come from the hub, its vault or its verifier. */
const ERRORS_ABI = [...settlementHubAbi, ...collateralVaultAbi, ...bn254VerifierAbi].filter(
  (item) => item.type === "error",
);
/** Both verifiers have the same interface. */
const VERIFIER_ABI = bn254VerifierAbi;

const STATUSES: readonly AcceptStatus[] = ["accepted", "repeated", "stale", "conflicting"];
const WORD_BITS = 256n;

export function createHubClient(pool: RpcPool, hub: Address): HubClient {
  const ask = (to: Address, data: Hex, signal?: AbortSignal) => ethCall(pool, { to, data }, signal);
  /** The last opened head, by commitment: heads change far less often than they are asked for. */
  let known: { readonly commitment: Hex; readonly opened: OpenedHead } | undefined;
  const prepared = (data: Hex): PreparedCall => ({ to: hub, data, value: 0n });

  return {
    chainId: pool.chainId,
    hub,

    async getIdentity(signal): Promise<HubIdentity> {
      // Before the verifier: a handover in between then shows as a key that is newer than its number, which nothing follows from;
      // the other way round, an old key would pass for one that has been handed over already.
      const handoversData = await ask(hub, encode("handovers"), signal);
      const handovers = decoded("handovers", () =>
        decodeFunctionResult({ abi: settlementHubAbi, functionName: "handovers", data: handoversData }),
      );
      const committeeIdData = await ask(hub, encode("committeeId"), signal);
      const committeeId = decoded("committeeId", () =>
        decodeFunctionResult({ abi: settlementHubAbi, functionName: "committeeId", data: committeeIdData }),
      );
      const verifierData = await ask(hub, encode("verifier"), signal);
      const verifier = decoded("verifier", () =>
        decodeFunctionResult({ abi: settlementHubAbi, functionName: "verifier", data: verifierData }),
      );
      const nameData = await ask(verifier, encodeFunctionData({ abi: VERIFIER_ABI, functionName: "suite" }), signal);
      const name = decoded("suite", () =>
        decodeFunctionResult({ abi: VERIFIER_ABI, functionName: "suite", data: nameData }),
      );
      const verifierKeyData = await ask(
        verifier,
        encodeFunctionData({ abi: VERIFIER_ABI, functionName: "groupKey" }),
        signal,
      );
      const verifierKey = decoded("groupKey", () =>
        decodeFunctionResult({ abi: VERIFIER_ABI, functionName: "groupKey", data: verifierKeyData }),
      );
      const suite = SUITES.find((known) => known === name);
      if (suite === undefined) throw malformed(String(hub), "a verifier of an unknown suite");
      return { committeeId, suite, verifierKey, handovers };
    },

    async getHead(signal): Promise<HubHead> {
      const headData = await ask(hub, encode("head"), signal);
      const head = decoded("head", () =>
        decodeFunctionResult({ abi: settlementHubAbi, functionName: "head", data: headData }),
      );
      const common = {
        sequence: BigInt(head.sequence),
        epoch: BigInt(head.epoch),
        slot: head.slot,
        inboxCursor: BigInt(head.inboxCursor),
        outboxSize: BigInt(head.outboxSize),
        acceptedAt: BigInt(head.acceptedAt),
        pausedUntil: BigInt(head.pausedUntil),
        keyNumber: BigInt(head.keyNumber),
      };
      if (common.sequence === 0n) return { ...common, digest: ZERO_BYTES32, outboxRoot: ZERO_BYTES32 };
      const data = encodeFunctionData({ abi: settlementHubAbi, functionName: "ringAt", args: [head.slot] });
      const commitmentData = await ask(hub, data, signal);
      const commitment = decoded("ringAt", () =>
        decodeFunctionResult({ abi: settlementHubAbi, functionName: "ringAt", data: commitmentData }),
      );
      if (known?.commitment !== commitment) {
        const opened = await openHead(pool, hub, common, BigInt(head.acceptedBlock), commitment, signal);
        known = { commitment, opened };
      }
      return { ...common, ...known.opened };
    },

    async getDelivered(from, to, signal): Promise<ReadonlySet<bigint>> {
      const delivered = new Set<bigint>();
      for (let word = from / WORD_BITS; word * WORD_BITS < to; word++) {
        const data = encodeFunctionData({ abi: settlementHubAbi, functionName: "deliveredWord", args: [word] });
        const bitsData = await ask(hub, data, signal);
        const bits = decoded("deliveredWord", () =>
          decodeFunctionResult({ abi: settlementHubAbi, functionName: "deliveredWord", data: bitsData }),
        );
        if (bits === 0n) continue;
        for (let bit = 0n; bit < WORD_BITS; bit++) {
          const index = word * WORD_BITS + bit;
          if (((bits >> bit) & 1n) === 1n && index >= from && index < to) delivered.add(index);
        }
      }
      return delivered;
    },

    prepareAccept({ header, destination: { destination, proof }, signature }) {
      const args = [headerArgument(header), destinationArgument(destination, proof), signature] as const;
      return prepared(encodeFunctionData({ abi: settlementHubAbi, functionName: "accept", args }));
    },

    prepareDeliver({ entries, proof, head }) {
      const { payouts, calls } = entryArguments(entries);
      const args = [payouts, calls, outboxProofArgument(head.slot, head.digest, proof)] as const;
      return prepared(encodeFunctionData({ abi: settlementHubAbi, functionName: "deliver", args }));
    },

    prepareHandover({ statement, signature }) {
      const args = [handoverArgument(statement), signature] as const;
      return prepared(encodeFunctionData({ abi: settlementHubAbi, functionName: "handover", args }));
    },

    async simulateAccept(call, from, signal) {
      const answer = await ethCall(pool, { ...call, from }, signal);
      const status =
        STATUSES[
          decoded("accept", () => decodeFunctionResult({ abi: settlementHubAbi, functionName: "accept", data: answer }))
        ];
      if (status === undefined) throw malformed(String(hub), "an unknown accept status");
      return status;
    },

    async simulateDeliver(call, from, signal) {
      const answer = await ethCall(pool, { ...call, from }, signal);
      return decoded("deliver", () =>
        decodeFunctionResult({ abi: settlementHubAbi, functionName: "deliver", data: answer }),
      );
    },

    async simulateHandover(call, from, signal) {
      await ethCall(pool, { ...call, from }, signal, true);
    },
  };
}

function encode(functionName: "committeeId" | "verifier" | "head" | "handovers"): Hex {
  return encodeFunctionData({ abi: settlementHubAbi, functionName });
}

function decoded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch {
    throw malformed("rpc pool", `the result of ${what}`);
  }
}

interface OpenedHead {
  readonly digest: Hex;
  readonly outboxRoot: Hex;
}

/**
 * Digest and root of the head, which the hub stores only as a commitment: from the event of the block that accepted it,
 * checked against the commitment, so that no endpoint can make us build proofs for another head.
 */
async function openHead(
  pool: RpcPool,
  hub: Address,
  head: Pick<HubHead, "sequence" | "outboxSize">,
  block: bigint,
  commitment: Hex,
  signal: AbortSignal | undefined,
): Promise<OpenedHead> {
  const topics = encodeEventTopics({
    abi: settlementHubAbi,
    eventName: "HeadAdvanced",
    args: { sequence: head.sequence },
  });
  const filter = { address: hub, fromBlock: toQuantity(block), toBlock: toQuantity(block), topics };
  const logs = await pool.request("eth_getLogs", [filter], signal);
  for (const log of Array.isArray(logs) ? (logs as unknown[]) : []) {
    const event = decodeHeadAdvanced(log);
    if (event === undefined) continue;
    const { digest, outboxRoot } = event;
    if (headCommitment(digest, head.outboxSize, outboxRoot) === commitment) return { digest, outboxRoot };
  }
  throw malformed("rpc pool", "no HeadAdvanced event that opens the hub's head");
}

function decodeHeadAdvanced(log: unknown): { digest: Hex; outboxRoot: Hex } | undefined {
  try {
    // CAST: whatever it is, viem checks topics and data or throws, and the commitment decides
    const { topics, data } = log as { topics: [Hex, ...Hex[]]; data: Hex };
    return decodeEventLog({ abi: settlementHubAbi, eventName: "HeadAdvanced", topics, data, strict: true }).args;
  } catch {
    return undefined;
  }
}

async function ethCall(
  pool: RpcPool,
  call: { to: Address; data: Hex; from?: Address; value?: bigint },
  signal: AbortSignal | undefined,
  returnsNothing = false,
): Promise<Hex> {
  const { to, data, from } = call;
  try {
    const request = from === undefined ? { to, data } : { from, to, data };
    const answer = await pool.request("eth_call", [request, "latest"], signal);
    if (!isHex(answer) || (answer === "0x" && !returnsNothing))
      throw malformed("rpc pool", `eth_call to ${to}: no contract there?`);
    return answer;
  } catch (error) {
    throw error instanceof ChainError ? nameRevert(error) : error;
  }
}

/** Adds `errorName` and readable arguments to a revert of the hub, its vault or its verifier. */
export function nameRevert(error: ChainError): ChainError {
  if (error.code !== "callReverted" || !isHex(error.details.data)) return error;
  try {
    const { errorName, args } = decodeErrorResult({ abi: ERRORS_ABI, data: error.details.data });
    return new ChainError("callReverted", `the contract refuses: ${errorName}(${(args ?? []).join(", ")})`, {
      details: { ...error.details, errorName },
    });
  } catch {
    return error;
  }
}

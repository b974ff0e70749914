/** What comes over HTTP: requests that members read, answers that clients and relayers read, streams, and what RPC endpoints say. */
import { encodeAbiParameters, encodeEventTopics } from "viem";
import type * as z from "zod";
import { collateralVaultAbi } from "../../../src/abi/collateral-vault.ts";
import { ENDPOINTS, submitRequest } from "../../../src/api/endpoints.ts";
import { decodeJson } from "../../../src/api/http.ts";
import { transactionBytes, transactionsRequest } from "../../../src/api/reconfiguration.ts";
import { errorBody, STREAM_SCHEMAS } from "../../../src/api/schema.ts";
import { createEventParser, type ServerSentEvent } from "../../../src/api/sse.ts";
import { certificateToJson, parseCertificate } from "../../../src/batch/certificate.ts";
import { parseQuantity } from "../../../src/chain/finality.ts";
import { inboxLogsOf } from "../../../src/chain/vault-inbox.ts";
import { instructionFromJson, instructionToJson } from "../../../src/ledger/json.ts";
import { utf8ToBytes } from "../../../src/lib/bytes.ts";
import type { Address, Hex } from "../../../src/lib/hex.ts";
import { decodeParameters, queryOf } from "../../../src/node/api/request.ts";
import { decodeMarketAnswer } from "../../../src/node/market.ts";
import { jsonTarget, type Target, violated } from "../target.ts";
import { some, type World } from "../world.ts";
import { instructionsOf } from "./ledger.ts";
import { sampleOfZod } from "./samples.ts";

const MAX_BYTES = 16_384;

export function apiTargets(world: World): Target[] {
  const answers = Object.entries(ENDPOINTS).filter(([, { binary }]) => binary !== true);
  return [
    ...answers.map(([name, { answer }]) => schemaTarget(`answer-${name}`, answer)),
    ...Object.entries(STREAM_SCHEMAS).map(([name, schema]) => schemaTarget(`stream-${name}`, schema)),
    schemaTarget("answer-error", errorBody),
    ...parameterTargets(),
    schemaTarget("request-instructions", submitRequest),
    schemaTarget("request-transactions", transactionsRequest),
    schemaTarget("request-transaction-bytes", transactionBytes),
    jsonTarget({
      name: "certificate-json",
      seeds: some(world.certificates, 4).map((certificate) => JSON.stringify(certificateToJson(certificate))),
      maxBytes: MAX_BYTES,
      parse: parseCertificate,
      print: (certificate) => JSON.stringify(certificateToJson(certificate)),
    }),
    jsonTarget({
      name: "instruction-json",
      seeds: instructionsOf(world).map((signed) => JSON.stringify(instructionToJson(signed))),
      maxBytes: MAX_BYTES,
      weight: 2,
      parse: (text) => instructionFromJson(parsed(text)),
      print: (signed) => JSON.stringify(instructionToJson(signed)),
    }),
    jsonTarget({
      name: "market-answer",
      seeds: [
        JSON.stringify({ time: "1000", prices: [{ market: 1, firstSlotEnd: "1002", values: ["2000", "2001"] }] }),
      ],
      maxBytes: MAX_BYTES,
      parse: (text) => decodeMarketAnswer(parsed(text)),
    }),
    eventStreamTarget(),
    ...chainTargets(),
  ];
}

/** Text that is not JSON is refused before anybody looks. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function schemaTarget(name: string, schema: z.ZodType): Target {
  return jsonTarget({
    name,
    seeds: [0, 1, 2].map((variant) => JSON.stringify(sampleOfZod(schema, variant))),
    maxBytes: MAX_BYTES,
    weight: 0.3,
    parse: (text) => ({ value: decodeJson(schema, text, "/fuzz") }),
    print: ({ value }) => JSON.stringify(schema.encode(value)),
  });
}

/** Query strings and path parameters, as the server reads them. */
function parameterTargets(): Target[] {
  return Object.entries(ENDPOINTS).flatMap(([name, { params, query }]) =>
    [["path", params] as const, ["query", query] as const].flatMap(([place, schema]) => {
      const sample = sampleOfZod(schema as z.ZodType, 1) as Record<string, string>; // CAST: an object schema
      if (Object.keys(sample).length === 0) return [];
      const decoder = new TextDecoder();
      return {
        name: `${place}-${name}`,
        format: "text" as const,
        seeds: [utf8ToBytes(new URLSearchParams(sample).toString())],
        maxBytes: 1_024,
        weight: 0.1,
        run(input: Uint8Array) {
          const values = queryOf(new URLSearchParams(decoder.decode(input)));
          decodeParameters(schema as z.ZodType, values, place); // CAST: each endpoint has schemas of its own
          return true;
        },
      };
    }),
  );
}

/** A stream in one piece and in many must give the same events. */
function eventStreamTarget(): Target {
  const decoder = new TextDecoder();
  const read = (text: string, chunk: number): { events: ServerSentEvent[]; retryMs: number | undefined } => {
    const parser = createEventParser();
    const events: ServerSentEvent[] = [];
    for (let at = 0; at < text.length; at += chunk) events.push(...parser.push(text.slice(at, at + chunk)));
    return { events, retryMs: parser.retryMs };
  };
  const seeds = [
    'id: 7\nevent: batch\ndata: {"a":1}\n\n',
    ": heartbeat\r\n\r\nretry: 100\r\ndata: x\rdata:y\r\r",
    "data\n\ndata:\n\nid\u0000: 1\n\n",
  ];
  return {
    name: "event-stream",
    format: "text",
    seeds: seeds.map(utf8ToBytes),
    maxBytes: 4_096,
    run(input) {
      const text = decoder.decode(input);
      const whole = JSON.stringify(read(text, Math.max(1, text.length)));
      const pieces = JSON.stringify(read(text, 1 + ((input[0] ?? 0) % 7)));
      if (whole !== pieces) violated("events depend on how the stream was cut");
      return true;
    },
  };
}

/** What an RPC endpoint answers: none of it is believed, and nothing in it may stop the watcher. */
function chainTargets(): Target[] {
  const vault = `0x${"50".repeat(20)}` as const;
  return [
    jsonTarget({
      name: "inbox-logs",
      seeds: [JSON.stringify(inboxEventsOf(vault)), "[]"],
      maxBytes: MAX_BYTES,
      weight: 0.5,
      steps: { base: 500_000, perByte: 5_000 },
      parse: (text) => inboxLogsOf(parsed(text), "rpc", vault, 0n, 1_000n),
    }),
    jsonTarget({
      name: "rpc-quantity",
      seeds: ['"0x0"', '"0x1f"'],
      maxBytes: 256,
      weight: 0.2,
      parse: (text) => ({ value: parseQuantity(parsed(text), "rpc") }),
    }),
  ];
}

/** A deposit and a forced instruction as a node's RPC tells them. */
function inboxEventsOf(address: Address): object[] {
  const common = { address, blockNumber: "0x10", removed: false };
  const token: Address = `0x${"70".repeat(20)}`;
  const account: Hex = `0x${"11".repeat(32)}`;
  const deposit = encodeEventTopics({
    abi: collateralVaultAbi,
    eventName: "Deposited",
    args: { index: 0n, token, account },
  });
  const forced = encodeEventTopics({ abi: collateralVaultAbi, eventName: "ForcedRequested", args: { index: 1n } });
  const amounts = [{ type: "uint256" }, { type: "address" }, { type: "uint256" }] as const;
  return [
    { ...common, topics: deposit, data: encodeAbiParameters(amounts, [5n, token, 5n]) },
    { ...common, topics: forced, data: encodeAbiParameters([{ type: "bytes" }], ["0xa1b2c3"]) },
  ];
}

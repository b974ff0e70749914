/** The OpenAPI 3.1 description, generated from the endpoint table (OpenAPI 3.1 schemas are JSON Schema 2020-12, as zod writes it). */
import * as z from "zod";
import { ENDPOINTS, submitRequest } from "./endpoints.ts";
import { API_ERROR_STATUS, type ServerErrorCode } from "./errors.ts";
import { signedInstruction } from "./instruction.ts";
import { RECONFIGURATION_LIMITS, transactionBytes, transactionsRequest } from "./reconfiguration.ts";
import { API_LIMITS, errorBody, STREAM_SCHEMAS, STREAM_TYPES } from "./schema.ts";

type Json = Readonly<Record<string, unknown>>;

/** Errors that every endpoint may answer. */
const COMMON_ERRORS: readonly ServerErrorCode[] = ["badRequest", "rateLimited", "unavailable", "internal"];

export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [operationId, endpoint] of Object.entries(ENDPOINTS)) {
    const operation: Record<string, unknown> = {
      operationId,
      summary: endpoint.summary,
      parameters: [...parameters(endpoint.params, "path"), ...parameters(endpoint.query, "query")],
      responses: {
        [endpoint.status]: {
          description: "OK",
          content: endpoint.binary ? { "application/octet-stream": {} } : json(schema(endpoint.answer)),
        },
        ...errorResponses([...COMMON_ERRORS, ...endpoint.errors]),
      },
    };
    if (operationId === "submitInstructions")
      operation.requestBody = { required: true, content: json(schema(submitRequestDescription)) };
    if (operationId === "submitTransactions")
      operation.requestBody = { required: true, content: json(schema(transactionsDescription)) };
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method.toLowerCase()]: operation };
  }
  paths["/v1/events"] = { get: eventsOperation() };
  paths["/metrics"] = { get: textOperation("getMetrics", "Prometheus metrics.", "text/plain") };
  return {
    openapi: "3.1.0",
    info: {
      title: "Clockless member API",
      version,
      description:
        "Answers of one committee member. Nothing here needs to be trusted: certificates are checked against the committee's group key, everything else against certificates.",
    },
    paths,
    components: { schemas: { Error: schema(errorBody) } },
  };
}

/** Items are checked one by one, so the request's own schema leaves them open; here is what each must be. */
const submitRequestDescription = submitRequest.extend({
  instructions: z.array(signedInstruction).min(1).max(API_LIMITS.maxInstructions),
});

const transactionsDescription = transactionsRequest.extend({
  transactions: z.array(transactionBytes).min(1).max(RECONFIGURATION_LIMITS.maxTransactions),
});

function eventsOperation(): Json {
  return {
    operationId: "streamEvents",
    summary:
      "Server-sent events. Batches and receipts at least once, in order; certificates newest first-hand (a newer one covers older ones); `gap` where a resumed stream cannot be complete. The id is the sequence up to which batches and receipts are complete.",
    parameters: [
      {
        name: "types",
        in: "query",
        required: false,
        description: `Comma-separated: ${STREAM_TYPES.join(", ")}. Default: all.`,
        schema: { type: "string" },
      },
      {
        name: "Last-Event-ID",
        in: "header",
        required: false,
        description: "Resume after this sequence; without it the stream starts now.",
        schema: { type: "string" },
      },
    ],
    responses: {
      200: {
        description: "A stream; `data` of each event is JSON of the schema named like its type.",
        content: {
          "text/event-stream": {
            schema: { oneOf: Object.entries(STREAM_SCHEMAS).map(([title, item]) => ({ title, ...schema(item) })) },
          },
        },
      },
      ...errorResponses([...COMMON_ERRORS, "tooManyConnections"]),
    },
  };
}

function textOperation(operationId: string, summary: string, type: string): Json {
  return { operationId, summary, responses: { 200: { description: "OK", content: { [type]: {} } } } };
}

function errorResponses(codes: readonly ServerErrorCode[]): Record<string, unknown> {
  const byStatus = new Map<number, ServerErrorCode[]>();
  for (const code of codes)
    byStatus.set(API_ERROR_STATUS[code], [...(byStatus.get(API_ERROR_STATUS[code]) ?? []), code]);
  const responses: Record<string, unknown> = {};
  for (const [status, names] of byStatus)
    responses[status] = { description: names.join(", "), content: json({ $ref: "#/components/schemas/Error" }) };
  return responses;
}

function parameters(type: z.ZodType, place: "path" | "query"): Json[] {
  const { properties = {}, required = [] } = schema(type) as {
    properties?: Record<string, Json>;
    required?: string[];
  }; // CAST: parameters are always written as z.strictObject, whose JSON Schema has these two
  return Object.entries(properties).map(([name, item]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: item,
  }));
}

function json(item: Json): Json {
  return { "application/json": { schema: item } };
}

function schema(type: z.ZodType): Json {
  // "input": the JSON form of a codec, not the domain value it decodes to.
  const { $schema: _dialect, ...rest } = z.toJSONSchema(type, { io: "input" });
  return rest;
}

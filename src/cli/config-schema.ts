/** What a configuration schema knows about its keys, as JSON Schema: for editors, for suggestions and for reading the environment. */
import * as z from "zod";

/** The part of JSON Schema (draft 2020-12) that zod's output uses here. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

/** What may be written in a file: the schema's input side. Integers that may pass 2^53 are decimal strings. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type !== "bigint") return;
      jsonSchema.type = ["string", "integer"] as never; // CAST: zod's own type allows one name only
      jsonSchema.pattern = "^[0-9]+$";
    },
  }) as JsonSchema; // CAST: the same document, of which we read four keywords
}

/** Names allowed at a path; list positions are numbers. Empty when the schema says nothing about it. */
export function keysAt(schema: JsonSchema, path: readonly PropertyKey[]): string[] {
  let at: readonly JsonSchema[] = [schema];
  for (const step of path) {
    at = variants(at).flatMap(({ items, properties }) => {
      const next = typeof step === "number" ? items : properties?.[String(step)];
      return next === undefined ? [] : [next];
    });
  }
  return variants(at).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

function variants(schemas: readonly JsonSchema[]): JsonSchema[] {
  return schemas.flatMap((each) => [each, ...(each.anyOf ?? [])]);
}

/** The value of an environment variable as the schema wants it; lists are separated by commas. */
export function fromEnvironment(schema: JsonSchema | undefined, text: string): unknown {
  const { type, items } = schema ?? {};
  if (type === "array" && items?.type === "string") return text.split(",").map((part) => part.trim());
  if ((type === "integer" || type === "number") && /^\d{1,15}$/.test(text)) return Number(text);
  if (type === "boolean" && /^(?:true|false)$/.test(text)) return text === "true";
  return text;
}

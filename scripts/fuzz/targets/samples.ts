/** Values that a JSON schema accepts: seeds for decoders whose valid inputs are described by nothing else. */

import * as z from "zod";

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly maxLength?: number;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const TEXTS = [
  ...[32, 20, 33, 48, 64, 65, 96, 128].map((bytes) => `0x${"a1".repeat(bytes)}`),
  "0xa1b2",
  "7",
  "0",
  "-3",
  "1,2,3",
  "latest",
  "bn254",
  "batch",
  "text",
];

/** Of a zod schema's JSON form. */
export function sampleOfZod(schema: z.ZodType, variant: number): unknown {
  // CAST: the part of JSON schema that zod writes
  return sampleOf(z.toJSONSchema(schema, { io: "input" }) as Schema, variant);
}

/** `variant` decides between alternatives, and whether optional properties are there. */
function sampleOf(schema: Schema, variant: number, root: Schema = schema, depth = 0): unknown {
  const again = (inner: Schema): unknown => sampleOf(inner, variant, root, depth + 1);
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1)!;
    return again(schema.$ref === "#" ? root : root.$defs![name]!);
  }
  if ("const" in schema) return schema.const;
  if (schema.enum !== undefined) return schema.enum[variant % schema.enum.length];
  const options = schema.oneOf ?? schema.anyOf;
  if (options !== undefined) return again(options[variant % options.length]!);
  if (schema.allOf !== undefined) return Object.assign({}, ...schema.allOf.map(again));
  switch (schema.type) {
    case "object":
      return objectOf(schema, variant, again);
    case "array": {
      // Alternatives of the items, one each; deep ones are left out when nobody asks for them.
      const most = depth > 6 ? 0 : (schema.items?.oneOf?.length ?? variant);
      const count = Math.max(schema.minItems ?? 0, most);
      return Array.from({ length: count }, (_, i) => sampleOf(schema.items ?? {}, variant + i, root, depth + 1));
    }
    case "integer":
    case "number":
      return Math.max(schema.minimum ?? 0, 0) + variant;
    case "boolean":
      return variant % 2 === 0;
    case "string":
      return textOf(schema);
    default:
      return null;
  }
}

function objectOf(schema: Schema, variant: number, again: (inner: Schema) => unknown): object {
  const made: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (variant > 0 || schema.required?.includes(name) === true) made[name] = again(property);
  }
  const more = schema.additionalProperties;
  if (typeof more !== "object") return made;
  for (const name of schema.propertyNames?.enum ?? ["figure"]) made[String(name)] = again(more);
  return made;
}

function textOf({ pattern, maxLength = 1_000 }: Schema): string {
  const found = TEXTS.find(
    (text) => text.length <= maxLength && (pattern === undefined || new RegExp(pattern).test(text)),
  );
  if (found === undefined) throw new RangeError(`no sample for ${pattern}`);
  return pattern === undefined ? (maxLength >= 4 ? "0xa1" : "a") : found;
}

/** Checking JSON that an adversary may have written. */
import type { z } from "zod";

type Issues = Pick<z.ZodError, "issues">;

/**
 * As `schema.safeDecode`, for any JSON value. Zod compares the `length` of whatever it was given with a schema's limits, also where that is
 * no text and no list: `{"length":{"toString":"0"}}` can be compared with nothing, and would end in a TypeError that no caller expects.
 */
export function decodeForeign<T>(
  schema: z.ZodType<T>,
  value: unknown,
): { readonly success: true; readonly data: T } | { readonly success: false; readonly error: Issues } {
  try {
    return schema.safeDecode(value as never); // CAST: unknown JSON; the schema decides
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return {
      success: false,
      error: { issues: [{ code: "custom", path: [], message: "a length that is no number", input: undefined }] },
    };
  }
}

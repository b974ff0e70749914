import { readFileSync } from "node:fs";
import { NodeConfigError } from "./config.ts";

/** A file that the configuration names. Throws NodeConfigError `unreadableFile`. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new NodeConfigError("unreadableFile", `cannot read ${path}`, { details: { path }, cause });
  }
}

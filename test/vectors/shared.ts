/** Reads external vectors, which live beside the repository and are never copied into it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Context } from "mocha";

const ROOT = new URL("../../../shared/vectors/", import.meta.url);

/** Parsed JSON of one vector file; skips the running test, saying so, when the vectors are not there. */
export function readVectors<T>(context: Context, name: string): T {
  const url = new URL(name, ROOT);
  if (!existsSync(url)) skip(context, name);
  // CAST: the caller states the shape of the file it names; a wrong shape fails its assertions.
  return JSON.parse(readFileSync(url, "utf8")) as T;
}

/** Every JSON file of a folder of vectors, by file name. */
export function readVectorFolder<T>(context: Context, folder: string): [string, T][] {
  const url = new URL(`${folder}/`, ROOT);
  if (!existsSync(url)) skip(context, folder);
  const names = readdirSync(url).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => [name, readVectors<T>(context, `${folder}/${name}`)]);
}

function skip(context: Context, name: string): never {
  console.log(`skipped: no external vectors at shared/vectors/${name} beside the repository`);
  return context.skip();
}

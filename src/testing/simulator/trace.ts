/** What happened in a run, line by line, hashed as it grows: the same seed gives the same hash on every run and machine. */
import { utf8ToBytes } from "../../lib/bytes.ts";
import { createKeccakStream } from "../../lib/hash.ts";
import { bytesToHex, type Hex } from "../../lib/hex.ts";

export interface Trace {
  add(line: string): void;
  /** Of every line; to be read once, at the end. */
  readonly hash: Hex;
}

/** Characters that are hashed at a time: there are thousands of lines, and most are short. */
const BUFFER = 4096;

export function createTrace(): Trace {
  const stream = createKeccakStream();
  /** Not hashed yet. */
  let lines = "";
  const flush = (): void => {
    stream.update(utf8ToBytes(lines));
    lines = "";
  };
  return {
    add(line) {
      lines += `${line}\n`;
      if (lines.length > BUFFER) flush();
    },
    get hash() {
      flush();
      return bytesToHex(stream.digest());
    },
  };
}

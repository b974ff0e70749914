/**
 * Deals as JSON, encoded once for everybody who asks. They are the largest answers there are, all new members want the same ones at
 * the same time, and strangers may ask as often: making megabytes of text anew each time would take the thread from consensus.
 */
import { type DealsAnswer, dealsAnswer } from "../../api/reconfiguration.ts";
import type { DealBundle } from "../../threshold/deal-select.ts";

interface Encoded {
  readonly of: DealsAnswer["of"];
  readonly total: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export type DealsEncoder = (answer: DealsAnswer) => Uint8Array;

/** Kept as long as the ledger keeps the deals. */
export function createDealsEncoder(): DealsEncoder {
  /** By the first deal in the answer: the ledger's own object, which is never another one with the same deals. */
  const known = new WeakMap<DealBundle, Encoded>();
  return (answer) => {
    const { of, total, qualified } = answer;
    const [first] = qualified;
    if (first === undefined) return encode(answer);
    const before = known.get(first);
    if (before?.of === of && before.total === total && before.count === qualified.length) return before.bytes;
    const bytes = encode(answer);
    known.set(first, { of, total, count: qualified.length, bytes });
    return bytes;
  };
}

/** The same text as the schema gives, several times faster: bytes become hex outside of JavaScript. */
function encode({ qualified, ...rest }: DealsAnswer): Uint8Array {
  const hex = (bytes: Uint8Array): string =>
    `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`;
  const deals = qualified.map(({ dealer, deals }) => {
    const texts = Object.entries(deals).map(([suite, bytes]) => [suite, hex(bytes)] as const);
    return { dealer, deals: Object.fromEntries(texts) };
  });
  const shell = dealsAnswer.encode({ ...rest, qualified: [] }) as object; // CAST: the JSON of an object
  return Buffer.from(JSON.stringify({ ...shell, qualified: deals }));
}

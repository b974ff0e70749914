/** Mutations of JSON: of the tree where the text is JSON, of its characters otherwise and now and then. */
import { utf8ToBytes } from "../../src/lib/bytes.ts";
import { type Dice, mutateBytes } from "./mutate.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  -0,
  "",
  "0x",
  "0x0",
  "0",
  "-1",
  "01",
  "1e3",
  "9".repeat(78),
  "18446744073709551616",
  `0x${"00".repeat(32)}`,
  `0x${"ff".repeat(32)}`,
  "\u0000",
  "\ud800",
  [],
  {},
  [[[[]]]],
];
const KEYS = ["__proto__", "constructor", "length", "toString", "", "version", "then"] as const;

const text = new TextDecoder();

interface Place {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string | number;
}

function placesOf(value: Json, places: Place[] = []): Place[] {
  if (typeof value !== "object" || value === null || places.length > 2_000) return places;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  for (const key of keys) {
    places.push({ holder: value, key });
    placesOf(get({ holder: value, key }), places);
  }
  return places;
}

const get = ({ holder, key }: Place): Json => Reflect.get(holder, key) as Json; // CAST: it came out of JSON
const set = ({ holder, key }: Place, value: Json): void =>
  // defineProperty: a key named __proto__ is a key like any other.
  void Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });

/** Digits and lengths of a text, as its reader might get them wrong. */
function mutateText(value: string, dice: Dice): Json {
  const at = dice.below(value.length + 1);
  switch (dice.below(8)) {
    case 0:
      return value.slice(0, at);
    case 1:
      return value + dice.pick(["0", "00", "f", "ff", " ", "\n", "g", "9".repeat(40)]);
    case 2:
      return value.toUpperCase();
    case 3:
      return value.slice(0, at) + dice.pick(["0", "f", "x", "-", ".", "\u0000", "é", "9"]) + value.slice(at + 1);
    case 4:
      return value.slice(0, at) + value.slice(at + 1);
    case 5:
      return Number(value);
    case 6:
      return value.repeat(1 + dice.below(4));
    default:
      return value.slice(0, at) + String(dice.below(256)) + value.slice(at);
  }
}

function mutateTree(root: { value: Json }, other: Json, dice: Dice): void {
  const places = placesOf(root as unknown as Json); // CAST: an object with one JSON property
  const place = dice.pick(places);
  const value = get(place);
  const donors = placesOf({ other });
  switch (dice.below(10)) {
    case 0:
      set(place, dice.pick(VALUES));
      return;
    case 1:
      set(place, structuredClone(get(dice.pick(places))));
      return;
    case 2:
      set(place, structuredClone(get(dice.pick(donors))));
      return;
    case 3:
      if (Array.isArray(place.holder)) place.holder.splice(Number(place.key), 1);
      else if (place.holder !== (root as unknown)) delete place.holder[place.key];
      return;
    case 4:
      if (Array.isArray(value)) value.push(...structuredClone(value.slice(0, 1 + dice.below(40))));
      else if (typeof value === "object" && value !== null)
        set({ holder: value, key: dice.pick(KEYS) }, dice.pick(VALUES));
      return;
    case 5:
      if (Array.isArray(value)) value.reverse();
      else set(place, [value]);
      return;
    case 6:
      if (typeof value === "number") set(place, dice.pick([value + 1, value - 1, -value, value * 1e10, value + 0.5]));
      return;
    default:
      if (typeof value === "string") set(place, mutateText(value, dice));
      else set(place, dice.pick(VALUES));
  }
}

export function mutateJson(bytes: Uint8Array, other: Uint8Array, dice: Dice, maxBytes: number): Uint8Array {
  if (dice.below(8) === 0) return mutateBytes(bytes, other, dice, maxBytes);
  try {
    // CAST: what JSON.parse gives
    const root = { value: JSON.parse(text.decode(bytes)) as Json };
    const donor = JSON.parse(text.decode(other)) as Json;
    for (let k = 1 + dice.below(3); k > 0; k--) mutateTree(root, donor, dice);
    const made = utf8ToBytes(JSON.stringify(root.value) ?? "");
    return made.length <= maxBytes ? made : made.slice(0, maxBytes);
  } catch {
    // One of the two is not JSON any more.
    return mutateBytes(bytes, other, dice, maxBytes);
  }
}

/**
 * A member that works as it should and beside every few messages sends a changed one: any field of any message off by one, stale (as it
 * was in an earlier message of the kind) or swapped with another. What must be refused must leave its receiver as it was.
 */
import { BlockCodec } from "../../../consensus/block.ts";
import type { Block } from "../../../consensus/types.ts";
import { decodeConsensusMessage, encodeConsensusMessage } from "../../../consensus/wire.ts";
import { equalBytes } from "../../../lib/bytes.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../lib/hex.ts";
import type { MemberMessage } from "../../../member/types.ts";
import { decodeMessage, encodeMessage } from "../../../member/wire.ts";
import type { Random } from "../../random.ts";
import type { Driver } from "../process.ts";
import { encodeRaw } from "./raw-block.ts";
import { relay, type World } from "./world.ts";

/** Messages remembered, as sources of stale fields. */
const MEMORY = 64;

export function createMutator(world: World, person: number): Driver {
  const { cluster, test, genesisHash, rules, honest } = world;
  const { committee } = test;
  const self = world.indexOf(person);
  const random = world.random.stream(`mutate ${person}`);
  const codec = new BlockCodec({
    committeeId: committee.id,
    epoch: committee.epoch,
    genesisHash,
    members: committee.members.map(({ address }) => address),
    limits: rules.consensusLimits,
  });
  const seen: Uint8Array[] = [];
  const remember = (bytes: Uint8Array): void => {
    if (seen.length < MEMORY) seen.push(bytes);
    else seen[random.below(MEMORY)] = bytes;
  };

  /** A block with one field changed, under its old signature or a new one of ours; `isBad`: nobody may take it. */
  const mutateBlock = (bytes: Uint8Array): { readonly bytes: Uint8Array; readonly isBad: boolean } | undefined => {
    const block = codec.decode(bytes);
    const donor = seen.map(blockOf).find((other) => other !== undefined && !equalBytes(other, bytes));
    const { digest: _, bytes: __, ...plain } = block;
    const old = donor === undefined ? undefined : codec.decode(donor);
    const changed = tweak(plain as Block, old as unknown, random) as Block; // CAST: tweak keeps the shape of what it changes
    const isOurs = changed.author === self;
    const resigned = isOurs && random.chance(300);
    const { address } = committee.members[changed.author] ?? committee.members[0]!;
    const sign = resigned ? (digest: Hex) => test.identities.sign(world.keysOf(person).identity, digest) : undefined;
    const out = encodeRaw(changed, { committeeId: committee.id, genesisHash }, address, sign);
    if (equalBytes(out, bytes)) return undefined;
    return { bytes: out, isBad: !resigned || !isValid(codec, out) };
  };

  const mutate = (bytes: Uint8Array): { readonly bytes: Uint8Array; readonly isBad: boolean } | undefined => {
    const message = decodeMessage(bytes);
    const again = (changed: MemberMessage): Uint8Array => encodeMessage(committee.epoch, changed);
    if (message.kind !== "consensus") {
      const donor = seen.map(tryDecode).find((other) => other?.kind === message.kind);
      // Alone, because what stands beside a changed one may be good.
      const single = first(message);
      const out = again(tweak(single, donor, random));
      const isBad = (message.kind === "certificates" || message.kind === "instructions") && isOneLong(out);
      // A changed partial marks its author, and certificates that are asked for come.
      return equalBytes(out, again(single)) ? undefined : { bytes: out, isBad };
    }
    const inner = decodeConsensusMessage(message.bytes);
    if (inner.kind === "block") {
      const changed = mutateBlock(inner.bytes);
      if (changed === undefined) return undefined;
      const out = encodeConsensusMessage({ kind: "block", bytes: changed.bytes });
      return { bytes: again({ kind: "consensus", bytes: out }), isBad: changed.isBad };
    }
    const out = encodeConsensusMessage(tweak(inner, undefined, random));
    return { bytes: again({ kind: "consensus", bytes: out }), isBad: false };
  };

  /** Bytes that are no message any more, or one that ends early: in a list the elements before the end may be as good as they were. */
  const cut = (bytes: Uint8Array): Uint8Array =>
    random.chance(500)
      ? bytes.subarray(0, 5 + random.below(Math.max(1, bytes.length - 5)))
      : Uint8Array.of(...bytes.subarray(0, 4), 6 + random.below(250), ...bytes.subarray(5));

  const disturb = (bytes: Uint8Array): void => {
    const to = random.pick(honest);
    world.acted();
    if (random.chance(100)) {
      const short = cut(bytes);
      if (isList(short)) cluster.links.send(person, to, short);
      else cluster.links.probe(person, to, short);
      return;
    }
    let changed: ReturnType<typeof mutate>;
    try {
      changed = mutate(bytes);
    } catch {
      // It has no encoding: some field left its range.
      return;
    }
    if (changed === undefined) return;
    if (changed.isBad) cluster.links.probe(person, to, changed.bytes);
    else cluster.links.send(person, to, changed.bytes);
  };

  return {
    heard: (_, bytes) => remember(bytes),
    act(effects) {
      relay(world, person, person, effects, () => true);
      for (const effect of effects) {
        if (effect.kind !== "send") continue;
        remember(effect.bytes);
        if (random.chance(400)) disturb(random.chance(500) ? effect.bytes : random.pick(seen));
      }
    },
  };
}

function first(message: MemberMessage): MemberMessage {
  if (message.kind === "certificates") return { ...message, certificates: message.certificates.slice(0, 1) };
  if (message.kind === "instructions") return { ...message, instructions: message.instructions.slice(0, 1) };
  return message;
}

function isOneLong(bytes: Uint8Array): boolean {
  const message = tryDecode(bytes);
  if (message?.kind === "certificates") return message.certificates.length === 1;
  return message?.kind === "instructions" && message.instructions.length === 1;
}

function isValid(codec: BlockCodec, bytes: Uint8Array): boolean {
  try {
    codec.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function tryDecode(bytes: Uint8Array): MemberMessage | undefined {
  try {
    return decodeMessage(bytes);
  } catch {
    return undefined;
  }
}

/** Whether there is a message in it that is more than one block. */
function isList(bytes: Uint8Array): boolean {
  try {
    const message = decodeMessage(bytes);
    return message.kind !== "consensus" || decodeConsensusMessage(message.bytes).kind !== "block";
  } catch {
    return false;
  }
}

function blockOf(bytes: Uint8Array): Uint8Array | undefined {
  const message = tryDecode(bytes);
  if (message?.kind !== "consensus") return undefined;
  const inner = decodeConsensusMessage(message.bytes);
  return inner.kind === "block" ? inner.bytes : undefined;
}

/** A copy with one leaf changed: off by one, or as it is in `old` at the same place; lists also lose, repeat and swap elements. */
function tweak<T>(value: T, old: unknown, random: Random): T {
  return tweakAny(value, old, random) as T; // CAST: the shape is kept
}

function tweakAny(value: unknown, old: unknown, random: Random): unknown {
  if (typeof old === typeof value && isLeaf(value) && random.chance(300)) return old;
  if (typeof value === "number") return Math.max(0, value + (random.chance(500) ? 1 : -1));
  if (typeof value === "bigint") return value === 0n || random.chance(500) ? value + 1n : value - 1n;
  if (value instanceof Uint8Array) return tweakBytes(value, random);
  if (typeof value === "string")
    return value.startsWith("0x") ? bytesToHex(tweakBytes(hexToBytes(value as Hex), random)) : value; // CAST: checked
  if (Array.isArray(value)) return tweakList(value, old, random);
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value).filter((key) => key !== "kind");
  if (keys.length === 0) return value;
  const key = random.pick(keys);
  const field = (of: unknown): unknown => (typeof of === "object" && of !== null ? Reflect.get(of, key) : undefined);
  return { ...value, [key]: tweakAny(field(value), field(old), random) };
}

function tweakList(list: readonly unknown[], old: unknown, random: Random): unknown {
  if (list.length === 0) return Array.isArray(old) ? old : list;
  const at = random.below(list.length);
  switch (random.below(5)) {
    case 0:
      return list.toSpliced(at, 1);
    case 1:
      return list.toSpliced(at, 0, list[at]);
    case 2: {
      const other = random.below(list.length);
      return list.with(at, list[other]).with(other, list[at]);
    }
    default:
      return list.with(at, tweakAny(list[at], Array.isArray(old) ? old[at] : undefined, random));
  }
}

function tweakBytes(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return random.bytes(1);
  const copy = Uint8Array.from(bytes);
  const at = random.below(copy.length);
  copy[at] = copy[at]! ^ (1 << random.below(8));
  return copy;
}

const isLeaf = (value: unknown): boolean => typeof value !== "object" || value instanceof Uint8Array;

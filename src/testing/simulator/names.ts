/** The adversaries by name, alone and combined, and the controls that must fail. */

/** What the network does. */
const NETWORK = ["chaos", "loss", "partition", "asymmetric", "starve", "starve-leaders", "early-coin", "lag"] as const;
/** What happens to honest members' processes and disks. */
const TROUBLE = ["crash", "restart", "torn-disk", "rollback"] as const;
/** What malicious members do: up to f of them, and f + 1 only under a control. */
const MALICE = ["equivocate", "late-gift", "jump-and-expose", "twins", "withhold", "garbage", "mutate"] as const;

/**
 * none: honest network. Network: chaos: messages overtake each other by rounds; loss: up to 30 % never arrive and up to 50 % arrive
 * again; partition: now and then two groups hear nothing of each other; asymmetric: paths fail in one direction, flap and clog;
 * starve: whatever one victim says or hears is late; starve-leaders: a scheduler that sees every member's state and every coin that is
 * revealed holds up what would commit; early-coin: the same, with f members' shares in its hands before anybody else's; lag: f
 * members hear and say nothing for several K rounds, and for shorter times.
 * Honest members in trouble: crash: f of them die at random effects and come back; restart: all of them do, in turn, many times;
 * torn-disk: the same with last writes torn, unsynced ones lost (also to power cuts), failing reads and writes, flipped bytes and misdirected writes;
 * rollback: up to f lose their disk or get an old backup back, and their operators say so.
 * Malicious members: equivocate: two or three blocks a round, to split audiences; late-gift: blocks are withheld until just before the
 * last window, and then one member gets them; jump-and-expose: equivocators fall silent when an honest member has just jumped over
 * the rounds in which they are needed; twins: two or three instances of one member; withhold: blocks for some only, and no answers;
 * garbage: bytes, far rounds, orphans, wrong shares and partials; mutate: each field of each message off by one, stale or swapped.
 * reshare: the committee changes again and again, with malicious dealers, members that never open their shares, crashes and chaos; and
 * whatever it is joined with beside.
 * swarm: every seed has its own mix of the others but reshare, with its own parameters.
 */
export const ADVERSARIES = ["none", ...NETWORK, ...TROUBLE, ...MALICE, "reshare", "swarm"] as const;
export type Adversary = (typeof ADVERSARIES)[number];

export type NetworkAdversary = (typeof NETWORK)[number];
export type TroubleAdversary = (typeof TROUBLE)[number];
export type MaliceAdversary = (typeof MALICE)[number];

/**
 * What a run can be made to leave out, and must then fail. no-catch-up: members that are behind wait for what never comes;
 * no-checkpoint-check: the first one asked lies about where the order stands, and is believed; f-plus-one: one malicious member more
 * than the protocol bears; no-register: the sign-once register and the log are durable some time after what they allow was sent;
 * lost-sync: disks answer syncs from a cache that a power cut empties;
 * one-coin-share: a block carries the share of one round, whatever its author jumped over; resume-after-loss: a member that lost its
 * disk asks the others for its own last block and goes on above it; trusted-equivocator: a malicious member is taken for honest, so
 * that the checker must complain of an honest member being exposed or blamed.
 */
export const CONTROLS = [
  "no-catch-up",
  "no-checkpoint-check",
  "f-plus-one",
  "no-register",
  "lost-sync",
  "one-coin-share",
  "resume-after-loss",
  "trusted-equivocator",
] as const;
export type Control = (typeof CONTROLS)[number];

/** What one name or several joined by "+" stand for. */
export interface Mix {
  readonly network: readonly NetworkAdversary[];
  readonly trouble: readonly TroubleAdversary[];
  readonly malice: readonly MaliceAdversary[];
  readonly isReshare: boolean;
  readonly isSwarm: boolean;
}

/** `crash-chaos` is an old name of `crash+chaos`. @throws RangeError for a name that there is not, and for none or swarm beside others. */
export function parseAdversary(text: string): Mix {
  const names = text.split("+").flatMap((name) => (name === "crash-chaos" ? ["crash", "chaos"] : [name]));
  const known: readonly string[] = ADVERSARIES;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new RangeError(`there is no adversary "${unknown}"; there are ${known.join(", ")}`);
  if (names.length > 1 && (names.includes("swarm") || names.includes("none")))
    throw new RangeError(`"${text}": none and swarm stand alone`);
  return {
    network: NETWORK.filter((name) => names.includes(name)),
    trouble: TROUBLE.filter((name) => names.includes(name)),
    malice: MALICE.filter((name) => names.includes(name)),
    isReshare: names.includes("reshare"),
    isSwarm: names.includes("swarm"),
  };
}

/** Everything that a swarm draws from. */
export const SWARM = { network: NETWORK, trouble: TROUBLE, malice: MALICE } as const;

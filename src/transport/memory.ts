/** A transport inside one process, for tests: same limits on frames and queues, delivery in order, links that can be cut. */
import { assert } from "../lib/assert.ts";
import type { Address } from "../lib/hex.ts";
import { resolveLimits, type TransportLimits } from "./limits.ts";
import { type PeerStatus, type Transport, TransportError, type TransportHandlers } from "./port.ts";
import { OutgoingQueue } from "./queue.ts";
import { RateMeter } from "./rate.ts";

/** Like a network of hosts: who is reached is told by identity, and each end has its own list of members. */
export interface MemoryNetwork {
  /** A new end; one at a time runs per address, as on one port (TransportError `listenFailed`). */
  endpoint(members: readonly Address[], self: number): Transport;
  /** Cuts or heals the link between two members, both ways. */
  setLink(a: Address, b: Address, up: boolean): void;
}

export interface MemoryNetworkOptions {
  readonly limits?: Partial<TransportLimits>;
  /** Runs a delivery later; the default is a macrotask, so that `send` never calls back. A simulator passes its own scheduler. */
  readonly defer?: (deliver: () => void) => void;
  readonly nowMs?: () => number;
}

/** The same for one list of members that never changes. */
export interface MemoryHub {
  /** A member's end of the links; after `stop` a fresh one, as after a restart. */
  endpoint(index: number): Transport;
  /** Cuts or heals the link between two members, both ways. */
  setLink(a: number, b: number, up: boolean): void;
}

export interface MemoryHubOptions extends MemoryNetworkOptions {
  readonly addresses: readonly Address[];
}

export function createMemoryHub({ addresses, ...options }: MemoryHubOptions): MemoryHub {
  const network = createMemoryNetwork(options);
  const ends = new Map<number, { readonly transport: Transport; isStopped: boolean }>();
  const addressOf = (index: number): Address => {
    const address = addresses[index];
    assert(address !== undefined, `no member with index ${index}`);
    return address;
  };
  return {
    endpoint(index) {
      addressOf(index);
      const known = ends.get(index);
      if (known !== undefined && !known.isStopped) return known.transport;
      const inner = network.endpoint(addresses, index);
      const end = { transport: { ...inner, stop }, isStopped: false };
      function stop(): Promise<void> {
        end.isStopped = true;
        return inner.stop();
      }
      ends.set(index, end);
      return end.transport;
    },
    setLink: (a, b, up) => network.setLink(addressOf(a), addressOf(b), up),
  };
}

interface Endpoint {
  readonly address: Address;
  readonly handlers: TransportHandlers | undefined;
  /** What we know of a peer; undefined when it is no member of ours. */
  linkTo(peer: Address): MemoryLink | undefined;
  /** Tells this side what the link is like now; delivers what waited. */
  refresh(link: MemoryLink): void;
}

export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  const limits = resolveLimits(options.limits);
  const defer = options.defer ?? ((deliver) => void setImmediate(deliver));
  const nowMs = options.nowMs ?? (() => performance.now());
  const cut = new Set<string>();
  const name = (a: Address, b: Address) => [a, b].sort().join("-");
  const running = new Map<Address, Endpoint>();

  /** The other end, if there is one that knows us. */
  const reached = (from: Endpoint, to: Address): Endpoint | undefined => {
    const there = running.get(to);
    const isUp = running.get(from.address) === from && !cut.has(name(from.address, to));
    return isUp && there?.linkTo(from.address) !== undefined ? there : undefined;
  };
  const refresh = (a: Address, b: Address): void => {
    const end = running.get(a);
    const link = end?.linkTo(b);
    if (link !== undefined) end?.refresh(link);
  };

  function createEndpoint(first: readonly Address[], firstSelf: number): Transport {
    const own = first[firstSelf];
    assert(own !== undefined, `no member with index ${firstSelf}`);
    const address: Address = own;
    let self = firstSelf;
    let hasStarted = false;
    let handlers: TransportHandlers | undefined;
    /** By index, ourselves included. */
    let links = first.map((peer, index) => createLink(peer, index));
    const endpoint: Endpoint = {
      address,
      get handlers() {
        return handlers;
      },
      linkTo: (peer) => links.find((link) => link.address === peer && link.index !== self),
      refresh(link) {
        const up = reached(endpoint, link.address) !== undefined;
        if (up !== link.connected) {
          link.connected = up;
          handlers?.onPeer(link.index, up);
        }
        if (up) schedule(link);
      },
    };

    function refreshAll(of: readonly MemoryLink[]): void {
      for (const { address: peer } of of) {
        if (peer === address) continue;
        refresh(address, peer);
        refresh(peer, address);
      }
    }

    function createLink(peer: Address, index: number): MemoryLink {
      return {
        index,
        address: peer,
        queue: new OutgoingQueue(limits),
        rate: new RateMeter(nowMs()),
        connected: false,
        scheduled: false,
        mutedUntilMs: 0,
        isHeld: false,
        bytesIn: 0,
        bytesOut: 0,
        messagesIn: 0,
        messagesOut: 0,
      };
    }

    function schedule(link: MemoryLink): void {
      if (link.scheduled) return;
      link.scheduled = true;
      defer(() => {
        link.scheduled = false;
        for (
          let there = reached(endpoint, link.address);
          there !== undefined;
          there = reached(endpoint, link.address)
        ) {
          if (there.linkTo(address)?.isHeld === true) return;
          const bytes = link.queue.shift();
          if (bytes === undefined) return;
          link.bytesOut += bytes.length;
          link.messagesOut++;
          deliver(there, bytes);
        }
      });
    }

    function deliver(there: Endpoint, bytes: Uint8Array): void {
      const back = there.linkTo(endpoint.address)!;
      const now = nowMs();
      back.bytesIn += bytes.length;
      back.messagesIn++;
      back.rate.add(bytes.length, now);
      // A copy, as over a wire: receivers own their bytes.
      if (back.mutedUntilMs <= now) there.handlers?.onMessage(back.index, bytes.slice());
    }

    return {
      async start(given) {
        assert(!hasStarted, "a transport is started once");
        if (running.has(address)) throw new TransportError("listenFailed", `${address} is taken`);
        hasStarted = true;
        handlers = given;
        running.set(address, endpoint);
        refreshAll(links);
      },
      change(members, index, given) {
        assert(members[index]?.address === address, "the identity stays the same");
        const before = links;
        self = index;
        handlers = given;
        links = members.map((member, at) => {
          const known = before.find((link) => link.address === member.address) ?? createLink(member.address, at);
          known.index = at;
          known.isHeld = false;
          return known;
        });
        for (const link of links) if (link.connected) given.onPeer(link.index, true);
        refreshAll([...before, ...links]);
      },
      send(to, bytes) {
        const link = links[to];
        assert(to !== self && link !== undefined, `no peer with index ${to}`);
        assert(
          bytes.length > 0 && bytes.length <= limits.maxFrameBytes,
          `a message of ${bytes.length} bytes cannot be framed`,
        );
        link.queue.push(bytes);
        if (reached(endpoint, link.address) !== undefined) schedule(link);
      },
      peers: () => links.filter((link) => link.index !== self).map((link) => statusOf(link, nowMs())),
      mute(peer, forMs) {
        const link = links[peer];
        assert(peer !== self && link !== undefined, `no peer with index ${peer}`);
        link.mutedUntilMs = nowMs() + Math.min(Math.max(0, forMs), limits.maxMuteMs);
      },
      hold(peer, isHeld) {
        const link = links[peer];
        assert(peer !== self && link !== undefined, `no peer with index ${peer}`);
        link.isHeld = isHeld;
        if (!isHeld) refresh(link.address, address);
      },
      async stop() {
        handlers = undefined;
        if (running.get(address) !== endpoint) return;
        running.delete(address);
        for (const link of links) {
          link.connected = false;
          if (link.address !== address) refresh(link.address, address);
        }
      },
    };
  }

  return {
    endpoint: createEndpoint,
    setLink(a, b, up) {
      if (up) cut.delete(name(a, b));
      else cut.add(name(a, b));
      refresh(a, b);
      refresh(b, a);
    },
  };
}

interface MemoryLink {
  index: number;
  readonly address: Address;
  readonly queue: OutgoingQueue;
  readonly rate: RateMeter;
  connected: boolean;
  scheduled: boolean;
  mutedUntilMs: number;
  isHeld: boolean;
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
}

function statusOf(link: MemoryLink, now: number): PeerStatus {
  return {
    index: link.index,
    address: link.address,
    connected: link.connected,
    bytesIn: link.bytesIn,
    bytesOut: link.bytesOut,
    messagesIn: link.messagesIn,
    messagesOut: link.messagesOut,
    queued: link.queue.length,
    queuedBytes: link.queue.bytes,
    dropped: link.queue.dropped,
    faults: 0,
    failedDials: 0,
    lastError: undefined,
    mutedForMs: Math.max(0, link.mutedUntilMs - now),
    roundTripMs: undefined,
    bytesInPerSecond: link.rate.perSecond(now),
  };
}

/** A transport inside one process, for tests: same limits on frames and queues, delivery in order, links that can be cut. */
import { assert } from "../lib/assert.ts";
import type { Address } from "../lib/hex.ts";
import { resolveLimits, type TransportLimits } from "./limits.ts";
import type { PeerStatus, Transport, TransportHandlers } from "./port.ts";
import { OutgoingQueue } from "./queue.ts";
import { RateMeter } from "./rate.ts";

export interface MemoryHub {
  /** A member's end of the links; after `stop` a fresh one, as after a restart. */
  endpoint(index: number): Transport;
  /** Cuts or heals the link between two members, both ways. */
  setLink(a: number, b: number, up: boolean): void;
}

export interface MemoryHubOptions {
  readonly addresses: readonly Address[];
  readonly limits?: Partial<TransportLimits>;
  /** Runs a delivery later; the default is a macrotask, so that `send` never calls back. A simulator passes its own scheduler. */
  readonly defer?: (deliver: () => void) => void;
  readonly nowMs?: () => number;
}

export function createMemoryHub(options: MemoryHubOptions): MemoryHub {
  const limits = resolveLimits(options.limits);
  const defer = options.defer ?? ((deliver) => void setImmediate(deliver));
  const nowMs = options.nowMs ?? (() => performance.now());
  const cut = new Set<string>();
  const name = (a: number, b: number) => `${Math.min(a, b)}-${Math.max(a, b)}`;
  const isUp = (a: number, b: number) =>
    !cut.has(name(a, b)) && endpoints[a]!.running !== undefined && endpoints[b]!.running !== undefined;
  const endpoints = options.addresses.map((_, index) => createEndpoint(index));

  function createEndpoint(self: number) {
    const links = options.addresses.map((address, index) => ({
      index,
      address,
      queue: new OutgoingQueue(limits),
      rate: new RateMeter(nowMs()),
      connected: false,
      scheduled: false,
      mutedUntilMs: 0,
      bytesIn: 0,
      bytesOut: 0,
      messagesIn: 0,
      messagesOut: 0,
    }));
    const endpoint = {
      running: undefined as TransportHandlers | undefined,
      hasStarted: false,
      links,
      /** Tells this side what the link is like now; delivers what waited. */
      refresh(peer: number): void {
        const link = links[peer]!;
        const up = isUp(self, peer);
        if (up !== link.connected) {
          link.connected = up;
          endpoint.running?.onPeer(peer, up);
        }
        if (up) schedule(peer);
      },
    };

    function schedule(peer: number): void {
      const link = links[peer]!;
      if (link.scheduled) return;
      link.scheduled = true;
      defer(() => {
        link.scheduled = false;
        while (isUp(self, peer)) {
          const bytes = link.queue.shift();
          if (bytes === undefined) return;
          link.bytesOut += bytes.length;
          link.messagesOut++;
          receive(peer, bytes);
        }
      });
    }

    function receive(peer: number, bytes: Uint8Array): void {
      const there = endpoints[peer]!;
      const back = there.links[self]!;
      const now = nowMs();
      back.bytesIn += bytes.length;
      back.messagesIn++;
      back.rate.add(bytes.length, now);
      // A copy, as over a wire: receivers own their bytes.
      if (back.mutedUntilMs <= now) there.running?.onMessage(self, bytes.slice());
    }

    const transport: Transport = {
      async start(handlers) {
        assert(!endpoint.hasStarted, "a transport is started once");
        endpoint.hasStarted = true;
        endpoint.running = handlers;
        for (const { index } of links) if (index !== self) refreshBoth(self, index);
      },
      send(to, bytes) {
        assert(to !== self && links[to] !== undefined, `no peer with index ${to}`);
        assert(
          bytes.length > 0 && bytes.length <= limits.maxFrameBytes,
          `a message of ${bytes.length} bytes cannot be framed`,
        );
        links[to]!.queue.push(bytes);
        if (isUp(self, to)) schedule(to);
      },
      peers: () => links.filter((link) => link.index !== self).map((link) => statusOf(link, nowMs())),
      mute(peer, forMs) {
        assert(peer !== self && links[peer] !== undefined, `no peer with index ${peer}`);
        links[peer]!.mutedUntilMs = nowMs() + Math.min(Math.max(0, forMs), limits.maxMuteMs);
      },
      async stop() {
        endpoint.running = undefined;
        for (const link of links) {
          if (link.index === self) continue;
          link.connected = false;
          endpoints[link.index]!.refresh(self);
        }
      },
    };
    return Object.assign(endpoint, { transport });
  }

  function refreshBoth(a: number, b: number): void {
    endpoints[a]!.refresh(b);
    endpoints[b]!.refresh(a);
  }

  return {
    endpoint(index) {
      const endpoint = endpoints[index];
      assert(endpoint !== undefined, `no member with index ${index}`);
      if (!endpoint.hasStarted || endpoint.running !== undefined) return endpoint.transport;
      const fresh = createEndpoint(index);
      endpoints[index] = fresh;
      return fresh.transport;
    },
    setLink(a, b, up) {
      if (up) cut.delete(name(a, b));
      else cut.add(name(a, b));
      refreshBoth(a, b);
    },
  };
}

interface MemoryLink {
  readonly index: number;
  readonly address: Address;
  readonly queue: OutgoingQueue;
  readonly rate: RateMeter;
  readonly connected: boolean;
  readonly mutedUntilMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
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

/**
 * The committee's mesh over libp2p: TCP (Nagle off), Noise, yamux (stack.ts); one long-lived outgoing stream per peer.
 *
 * Who may talk is decided by the members' secp256k1 identities, which Noise authenticates; addresses are only where to look.
 * Nothing but the one protocol is registered: no identify, no discovery, no relay, nothing for a stranger to ask.
 * Sources: libp2p specs (noise, yamux, peer-ids); https://docs.libp2p.io.
 */
import type { Connection, PeerId, Stream } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2p } from "libp2p";
import { assert } from "../lib/assert.ts";
import type { Address, Hex } from "../lib/hex.ts";
import { committeePeerIds, identityKey } from "./identity.ts";
import { resolveLimits, type TransportLimits } from "./limits.ts";
import { PeerLink } from "./peer-link.ts";
import { type PeerConfig, type PeerStatus, type Transport, TransportError, type TransportHandlers } from "./port.ts";
import { hardenedStack, MAX_STREAMS_PER_CONNECTION } from "./stack.ts";
import { WireBudget } from "./wire.ts";

/** Our dial and the peer's dial may cross, and a dead connection may linger beside its successor; more is abuse. */
const MAX_CONNECTIONS_PER_PEER = 4;
/** The committee may grow while this transport runs, and the bound on all connections together cannot be changed then. */
const ROOM_FOR_MEMBERS = 256;
/** Inbound handshakes at once that are not yet authenticated. Strangers can fill these; `UPGRADE_TIMEOUT_MS` empties them. */
const MAX_PENDING_HANDSHAKES = 128;
const UPGRADE_TIMEOUT_MS = 5_000;
/** A stream that lived shorter counts as a failed dial, so that a peer which accepts and closes is not dialled in a loop. */
const STABLE_AFTER_MS = 5_000;

export interface Libp2pTransportConfig {
  readonly committeeId: Hex;
  /** Own member index. */
  readonly self: number;
  /** Own secp256k1 secret, 32 bytes. */
  readonly identity: Uint8Array;
  /** Multiaddrs to listen on, e.g. `/ip4/0.0.0.0/tcp/9000`. */
  readonly listen: readonly string[];
  /** Everybody, by member index, ourselves included. */
  readonly members: readonly PeerConfig[];
  readonly limits?: Partial<TransportLimits>;
  /** Uniform in [0, 1), for jitter only. */
  readonly random?: () => number;
}

export interface Libp2pTransport extends Transport {
  /** Multiaddrs that we listen on, with the port the system chose, ending in our peer id. */
  listening(): string[];
}

/** `/clockless/<first 8 bytes of the committee id>/1`: two committees on one host never talk by mistake. */
export function protocolOf(committeeId: Hex): string {
  return `/clockless/${committeeId.slice(2, 18)}/1`;
}

/** Checks the configuration (TransportError `identityMismatch`, `badAddress`); opens nothing before `start`. */
export function createLibp2pTransport(config: Libp2pTransportConfig): Libp2pTransport {
  return new Mesh(config);
}

interface Peer {
  readonly link: PeerLink;
  readonly id: PeerId;
  addresses: readonly Multiaddr[];
  /** Ends the pause before the next dial. */
  wake: () => void;
  /** It is no member any more; ends what is left of it. */
  lingering: NodeJS.Timeout | undefined;
  /** A loop looks after its connection. */
  isKept: boolean;
}

class Mesh implements Libp2pTransport {
  #config: Libp2pTransportConfig;
  readonly #limits: TransportLimits;
  readonly #protocol: string;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  #peers = new Map<number, Peer>();
  #byId = new Map<string, Peer>();
  /** By peer id; who was a member a moment ago. */
  readonly #left = new Map<string, Peer>();
  #handlers: TransportHandlers | undefined;
  #node: Libp2p | undefined;
  readonly #loops = new Set<Promise<void>>();

  constructor(config: Libp2pTransportConfig) {
    this.#config = config;
    this.#limits = resolveLimits(config.limits);
    this.#protocol = protocolOf(config.committeeId);
    this.#random = config.random ?? Math.random;
    for (const address of config.listen) parseAddress(address);
    // Checked early, so that a wrong key is reported before a port is opened.
    this.#enlist(config.members, config.self);
  }

  change(members: readonly PeerConfig[], self: number, handlers: TransportHandlers): void {
    const before = this.#byId;
    this.#enlist(members, self);
    this.#config = { ...this.#config, members, self };
    this.#handlers = handlers;
    for (const [id, peer] of before) if (!this.#byId.has(id)) this.#dismiss(id, peer);
    if (this.#node === undefined) return;
    for (const peer of this.#byId.values()) {
      if (!peer.isKept) this.#keep(this.#node, peer);
      else if (peer.link.isConnected) handlers.onPeer(peer.link.index, true);
    }
  }

  /** Makes the tables of a list of members, with the peers that we have. Throws and changes nothing, or does not throw. */
  #enlist(members: readonly PeerConfig[], self: number): void {
    const own = members[self];
    assert(own !== undefined, `no member with index ${self}`);
    identityKey(this.#config.identity, own.address);
    const listed = committeePeerIds(members).map((id, index) => ({
      id,
      addresses: members[index]!.multiaddrs.map((text) => addressOfPeer(text, id, index)),
    }));
    const byId = new Map<string, Peer>();
    this.#peers = new Map();
    for (const [index, { id, addresses }] of listed.entries()) {
      if (index === self) continue;
      const name = id.toString();
      const peer = this.#byId.get(name) ?? this.#recall(name) ?? this.#createPeer(members[index]!.address, id, index);
      peer.link.index = index;
      peer.link.hold(false);
      peer.addresses = addresses;
      this.#peers.set(index, peer);
      byId.set(name, peer);
    }
    this.#byId = byId;
  }

  #createPeer(address: Address, id: PeerId, index: number): Peer {
    const link: PeerLink = new PeerLink({
      index,
      address,
      limits: this.#limits,
      onMessage: (bytes) => {
        if (peer.lingering === undefined) this.#handlers?.onMessage(link.index, bytes);
      },
      onFault: (code, details) => {
        if (peer.lingering === undefined) this.#handlers?.onFault?.(link.index, code, details);
      },
    });
    const peer: Peer = { link, id, addresses: [], wake: () => {}, lingering: undefined, isKept: false };
    return peer;
  }

  /** Nothing is heard of it any more, and after a while nothing is sent to it. */
  #dismiss(id: string, peer: Peer): void {
    this.#left.set(id, peer);
    peer.lingering = setTimeout(() => {
      this.#left.delete(id);
      peer.link.stop();
      for (const connection of this.#openConnections(peer)) connection.abort(new Error("not a committee member"));
    }, this.#limits.lingerMs);
    peer.lingering.unref();
    peer.wake();
  }

  /** A member again before it was gone. */
  #recall(id: string): Peer | undefined {
    const peer = this.#left.get(id);
    if (peer === undefined) return undefined;
    clearTimeout(peer.lingering);
    peer.lingering = undefined;
    this.#left.delete(id);
    return peer;
  }

  async start(handlers: TransportHandlers): Promise<void> {
    if (this.#handlers !== undefined) throw new TransportError("alreadyStarted", "This transport was started before");
    this.#handlers = handlers;
    const node = await this.#createNode();
    this.#node = node;
    await node.handle(this.#protocol, (stream, connection) => this.#onStream(stream, connection), {
      maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
      maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
    });
    node.addEventListener("connection:open", (event) => this.#onConnection(event.detail));
    try {
      await node.start();
    } catch (cause) {
      await node.stop();
      throw new TransportError("listenFailed", "Cannot listen for peers: is the port taken or not ours?", {
        cause,
        details: { listen: this.#config.listen },
      });
    }
    for (const peer of this.#byId.values()) this.#keep(node, peer);
  }

  #keep(node: Libp2p, peer: Peer): void {
    const loop = this.#maintain(node, peer).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
  }

  #createNode(): Promise<Libp2p> {
    const { config, limits } = { config: this.#config, limits: this.#limits };
    const n = config.members.length;
    const isMember = (id: PeerId) => {
      const known = this.#byId.has(id.toString());
      if (!known) this.#handlers?.onStranger?.(id.toString());
      return known;
    };
    return createLibp2p({
      start: false,
      privateKey: identityKey(config.identity, config.members[config.self]!.address),
      addresses: { listen: [...config.listen] },
      ...hardenedStack(this.#protocol, (id) => this.#byId.get(id.toString())?.link.wire ?? new WireBudget(() => {})),
      connectionGater: {
        denyDialPeer: (id) => !this.#byId.has(id.toString()),
        denyInboundEncryptedConnection: (id) => !isMember(id),
        denyOutboundEncryptedConnection: (id) => !isMember(id),
      },
      connectionManager: {
        maxConnections: MAX_CONNECTIONS_PER_PEER * Math.max(n, ROOM_FOR_MEMBERS) + MAX_PENDING_HANDSHAKES,
        maxIncomingPendingConnections: MAX_PENDING_HANDSHAKES,
        inboundUpgradeTimeout: UPGRADE_TIMEOUT_MS,
        // A whole committee may sit behind one host (a devnet, a proxy) and reconnect at once.
        inboundConnectionThreshold: 16 + 2 * n,
        dialTimeout: limits.dialTimeoutMs,
        // We reconnect ourselves, for ever.
        reconnectRetries: 0,
      },
    });
  }

  #onConnection(connection: Connection): void {
    const peer = this.#byId.get(connection.remotePeer.toString());
    if (peer === undefined) {
      connection.abort(new Error("not a committee member"));
      return;
    }
    const open = this.#openConnections(peer).filter((other) => other.id !== connection.id);
    for (const extra of open.slice(MAX_CONNECTIONS_PER_PEER - 1)) extra.abort(new Error("too many connections"));
    // It reached us: there is no reason to wait for our own next dial.
    peer.wake();
  }

  #onStream(stream: Stream, connection: Connection): void {
    const peer = this.#byId.get(connection.remotePeer.toString());
    if (peer === undefined || this.#stopping.signal.aborted) stream.abort(new Error("not a committee member"));
    else peer.link.accept(stream);
  }

  /** Newest first: after a peer's crash the oldest are the dead ones. */
  #openConnections(peer: Peer): Connection[] {
    const connections = this.#node?.getConnections(peer.id) ?? [];
    return connections.filter((c) => c.status === "open").sort((a, b) => b.timeline.open - a.timeline.open);
  }

  /** Keeps one outgoing stream to a peer open, for as long as it is a member. */
  async #maintain(node: Libp2p, peer: Peer): Promise<void> {
    const { link } = peer;
    const stop = this.#stopping.signal;
    const tell = (connected: boolean): void => {
      if (peer.lingering === undefined) this.#handlers?.onPeer(link.index, connected);
    };
    peer.isKept = true;
    while (!stop.aborted && peer.lingering === undefined) {
      const stream = await this.#openStream(node, peer);
      if (stream !== undefined) {
        const openedMs = performance.now();
        const closed = link.attach(stream);
        tell(true);
        await closed;
        tell(false);
        link.lastError = "the connection was lost";
        if (performance.now() - openedMs >= STABLE_AFTER_MS) link.failedDials = 0;
        else link.failedDials++;
      }
      if (!stop.aborted && peer.lingering === undefined) await this.#pause(peer);
    }
    peer.isKept = false;
  }

  async #openStream(node: Libp2p, peer: Peer): Promise<Stream | undefined> {
    const { link } = peer;
    let connection: Connection | undefined;
    try {
      const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(this.#limits.dialTimeoutMs)]);
      connection = this.#openConnections(peer)[0];
      if (connection === undefined) {
        if (peer.addresses.length === 0) throw new Error("no address is configured; waiting for the peer to dial");
        connection = await node.dial([...peer.addresses], { signal });
      }
      const stream = await connection.newStream(this.#protocol, { signal });
      await link.greet(stream, connection, signal);
      return stream;
    } catch (error) {
      link.failedDials++;
      link.lastError = error instanceof Error ? error.message : String(error);
      // A connection on which nobody answers is taken for dead: keeping it would make the next attempt fail alike.
      connection?.abort(new Error("no stream could be opened"));
      return undefined;
    }
  }

  /** Exponential back-off with full jitter above half: members that lost the same link do not dial in step. */
  #pause(peer: Peer): Promise<void> {
    const { minBackoffMs, maxBackoffMs } = this.#limits;
    const full = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(peer.link.failedDials, 30));
    const stop = this.#stopping.signal;
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stop.removeEventListener("abort", done);
        peer.wake = () => {};
        resolve();
      };
      const timer = setTimeout(done, full * (0.5 + this.#random() / 2));
      stop.addEventListener("abort", done);
      peer.wake = done;
    });
  }

  send(to: number, bytes: Uint8Array): void {
    assert(
      bytes.length > 0 && bytes.length <= this.#limits.maxFrameBytes,
      `a message of ${bytes.length} bytes cannot be framed`,
    );
    this.#peer(to).link.send(bytes);
  }

  peers(): PeerStatus[] {
    return [...this.#peers.values()].map((peer) => peer.link.status());
  }

  mute(peer: number, forMs: number): void {
    this.#peer(peer).link.mute(forMs);
  }

  hold(peer: number, isHeld: boolean): void {
    this.#peer(peer).link.hold(isHeld);
  }

  listening(): string[] {
    return this.#node?.getMultiaddrs().map(String) ?? [];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const peer of [...this.#byId.values(), ...this.#left.values()]) {
      clearTimeout(peer.lingering);
      peer.link.stop();
    }
    await this.#node?.stop();
    await Promise.all(this.#loops);
  }

  #peer(index: number): Peer {
    const peer = this.#peers.get(index);
    assert(peer !== undefined, `no peer with index ${index}`);
    return peer;
  }
}

function parseAddress(text: string): Multiaddr {
  try {
    return multiaddr(text);
  } catch (cause) {
    throw new TransportError("badAddress", `Not a multiaddr: ${text}`, { cause, details: { address: text } });
  }
}

function addressOfPeer(text: string, id: PeerId, index: number): Multiaddr {
  const address = parseAddress(text);
  const named = address.getComponents().findLast((component) => component.name === "p2p")?.value;
  if (named === undefined) return address.encapsulate(`/p2p/${id.toString()}`);
  if (named !== id.toString()) {
    throw new TransportError("badAddress", `The address of member ${index} names another peer`, {
      details: { index, address: text, expected: id.toString() },
    });
  }
  return address;
}

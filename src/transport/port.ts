/** How members reach each other. Messages are opaque bytes; the transport knows who sent them and nothing else. */
import { ClocklessError } from "../lib/errors.ts";
import type { Address, Hex } from "../lib/hex.ts";

/**
 * - `identityMismatch`: a configured key does not belong to the committee's address, or our own key is not ours.
 * - `badAddress`: a multiaddr does not parse.
 * - `listenFailed`: the port is taken or not ours to take.
 * - `alreadyStarted`: a transport lives once.
 */
export type TransportErrorCode = "identityMismatch" | "badAddress" | "listenFailed" | "alreadyStarted";

export class TransportError extends ClocklessError<TransportErrorCode> {
  override readonly name = "TransportError";
}

/** Why a peer is misbehaving on the wire, below the protocol. */
export type FaultCode = "oversizeFrame" | "slowFrame" | "badProbe" | "rateExceeded";

export interface TransportHandlers {
  /** One whole message from an authenticated member. `from` is its member index. Must not throw; the bytes belong to the receiver. */
  onMessage(from: number, bytes: Uint8Array): void;
  /** The peer answered on our outgoing stream, or that stream is lost. On `true`, resend what it may have missed. */
  onPeer(peer: number, connected: boolean): void;
  /** The peer broke the framing; its stream was reset. For logs, metrics and a decision to mute. */
  onFault?(peer: number, code: FaultCode, details: Readonly<Record<string, unknown>>): void;
  /** Somebody who is no committee member was turned away. */
  onStranger?(peerId: string): void;
}

export interface PeerStatus {
  /** Member index. */
  readonly index: number;
  readonly address: Address;
  /** Our outgoing stream to it is open. */
  readonly connected: boolean;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Messages waiting for the network now. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Messages given up because the queue was full or the peer away for long; the protocol sends them again when asked. */
  readonly dropped: number;
  /** Faults of this peer since start. */
  readonly faults: number;
  /** Failed dials since the last success. */
  readonly failedDials: number;
  /** Last connection error, for operators; undefined when connected. */
  readonly lastError: string | undefined;
  readonly mutedForMs: number;
  /** Last measured round trip in milliseconds; undefined before the first. */
  readonly roundTripMs: number | undefined;
  /** Inbound bytes per second, moving average over about ten seconds. */
  readonly bytesInPerSecond: number;
}

/**
 * Best effort and in order while a connection lives; messages may be lost around reconnects and when a queue is full.
 * Nothing here blocks or throws because of what a peer does or fails to do.
 */
export interface Transport {
  /** Starts listening and dialling. Throws TransportError. Resolves before peers are connected: it reconnects for ever. */
  start(handlers: TransportHandlers): Promise<void>;
  /**
   * Goes on with another list of members, under the same identity; `self` is our index in it. From now on all indices, also in what
   * `handlers` are told, are of the new list. Who is in both keeps its connection and what waits for it, and is told of as
   * connected again. Who is not any more is still sent what waits for it, for a while, and not listened to: what it was sent last
   * is how it learns where the others are. Throws TransportError `identityMismatch`, `badAddress` and changes nothing.
   */
  change(members: readonly PeerConfig[], self: number, handlers: TransportHandlers): void;
  /**
   * Queues one message. Never blocks, never throws for an offline peer; a message to oneself, to nobody, empty or beyond the
   * frame limit is a bug and throws InvariantError. The bytes must not change afterwards: they are not copied.
   */
  send(to: number, bytes: Uint8Array): void;
  /** All members but ourselves, by index. */
  peers(): PeerStatus[];
  /** Ignores what this peer sends for a while (milliseconds, capped); our messages to it still go out. 0 unmutes. */
  mute(peer: number, forMs: number): void;
  /** Stops or goes on reading what this peer sends; nothing is lost, it waits where it is. What was read already may still come. */
  hold(peer: number, isHeld: boolean): void;
  stop(): Promise<void>;
}

/** One row of the node's peer table. */
export interface PeerConfig {
  /** secp256k1 identity as in the committee file. */
  readonly address: Address;
  /** Compressed (33-byte) secp256k1 public key; its address must equal `address`. */
  readonly publicKey: Hex;
  /** libp2p multiaddrs to dial, e.g. `/ip4/10.0.0.7/tcp/9000` or `/dns4/member-7.example/tcp/9000`; tried in order. */
  readonly multiaddrs: readonly string[];
}

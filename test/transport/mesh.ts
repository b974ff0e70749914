/** Builders for the transport's tests: real libp2p nodes on 127.0.0.1 with fixed, well-known keys. */
import { addressOf } from "../../src/lib/ecdsa.ts";
import type { Hex } from "../../src/lib/hex.ts";
import { publicKeyOf } from "../../src/transport/identity.ts";
import { createLibp2pTransport, type Libp2pTransport, type Libp2pTransportConfig } from "../../src/transport/libp2p.ts";
import type { FaultCode, PeerConfig, TransportHandlers } from "../../src/transport/port.ts";

export { freePorts } from "../lib/free-ports.ts";

export const COMMITTEE_ID: Hex = `0x${"c1".repeat(32)}`;

export function secretOf(index: number): Uint8Array {
  return new Uint8Array(32).fill(index + 1);
}

export function membersAt(ports: readonly number[]): PeerConfig[] {
  return ports.map((port, index) => ({
    address: addressOf(secretOf(index)),
    publicKey: publicKeyOf(secretOf(index)),
    multiaddrs: [`/ip4/127.0.0.1/tcp/${port}`],
  }));
}

export interface TestNode {
  readonly transport: Libp2pTransport;
  readonly received: { from: number; bytes: Uint8Array }[];
  readonly faults: { peer: number; code: FaultCode }[];
  readonly strangers: string[];
  readonly events: string[];
}

export async function startNode(
  members: readonly PeerConfig[],
  self: number,
  overrides: Partial<Libp2pTransportConfig> & { onMessage?: TransportHandlers["onMessage"] } = {},
): Promise<TestNode> {
  const { onMessage, ...config } = overrides;
  const transport = createLibp2pTransport({
    committeeId: COMMITTEE_ID,
    self,
    identity: secretOf(self),
    listen: members[self]!.multiaddrs,
    members,
    ...config,
  });
  const node: TestNode = { transport, received: [], faults: [], strangers: [], events: [] };
  await transport.start({
    onMessage: onMessage ?? ((from, bytes) => void node.received.push({ from, bytes })),
    onPeer: (peer, connected) => void node.events.push(`${peer} ${connected ? "up" : "down"}`),
    onFault: (peer, code) => void node.faults.push({ peer, code }),
    onStranger: (peerId) => void node.strangers.push(peerId),
  });
  return node;
}

/** Waits until a condition holds; throws after `forMs`. */
export async function until(what: string, condition: () => boolean, forMs = 10_000): Promise<void> {
  const deadline = performance.now() + forMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function isConnected(node: TestNode): boolean {
  return node.transport.peers().every((peer) => peer.connected);
}

/**
 * yamux lets a peer send as much as the window says and no more; window updates open it again. This implementation sends one for every
 * frame it reads, a message of its own with its own encryption and system call, and small frames are most of what members send each other:
 * about a tenth of a member's time. Half a window is soon enough (as in the reference implementation,
 * https://github.com/hashicorp/yamux/blob/master/stream.go, sendWindowUpdate).
 */
import type { Stream } from "@libp2p/interface";

/** What of a yamux stream this reads; not its public interface, so anything else is left as it is. */
interface WindowedStream {
  recvWindow: number;
  recvWindowCapacity: number;
  state: unknown;
  sendWindowUpdate(): void;
}

/** StreamState.Established of @chainsafe/libp2p-yamux: before, an update carries the acknowledgement of the stream. */
const ESTABLISHED = 3;

function isWindowed(stream: object): stream is WindowedStream {
  return (
    "recvWindow" in stream &&
    typeof stream.recvWindow === "number" &&
    "recvWindowCapacity" in stream &&
    typeof stream.recvWindowCapacity === "number" &&
    "state" in stream &&
    "sendWindowUpdate" in stream &&
    typeof stream.sendWindowUpdate === "function"
  );
}

/** From now on an incoming stream sends an update when half of its window is used up. False: it is another kind of stream. */
export function updateWindowByHalves(stream: Stream): boolean {
  if (!isWindowed(stream)) return false;
  const sendUpdate = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    if (stream.state === ESTABLISHED && stream.recvWindowCapacity > stream.recvWindow / 2) return;
    sendUpdate();
  };
  return true;
}

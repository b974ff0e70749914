/**
 * yamux lets a peer send as much as the window says and no more; window updates open it again. This implementation sends one for every
 * frame it reads, a message of its own with its own encryption and system call, and small frames are most of what members send each other:
 * about a tenth of a member's time. Half a window is soon enough (as in the reference implementation,
 * https://github.com/hashicorp/yamux/blob/master/stream.go, sendWindowUpdate).
 */
import type { Stream } from "@libp2p/interface";
import type { Uint8ArrayList } from "uint8arraylist";

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

interface ReceivingStream {
  readonly readStatus: string;
  onData(data: Uint8Array | Uint8ArrayList): void;
}

function isReceiving(stream: object): stream is ReceivingStream {
  return "onData" in stream && typeof stream.onData === "function" && "readStatus" in stream;
}

const GATHERED_BYTES = 64 * 1024;

/**
 * What a peer sends while it is not read waits in a list, an entry for each piece: a window of single bytes would be four million of them,
 * a gigabyte, and taking them off the list one by one minutes of one turn. So they are copied together. `onPiece` hears of every piece
 * of the stream; call what this returns before reading goes on.
 */
export function gatherWhilePaused(stream: Stream, onPiece: () => void): () => void {
  if (!isReceiving(stream)) return () => {};
  const take = stream.onData.bind(stream);
  let gathered = new Uint8Array(0);
  let length = 0;
  const release = (): void => {
    if (length > 0) take(gathered.subarray(0, length));
    gathered = new Uint8Array(0);
    length = 0;
  };
  stream.onData = (data) => {
    if (data.byteLength > 0) onPiece();
    if (stream.readStatus !== "paused" || data.byteLength >= GATHERED_BYTES) {
      release();
      take(data);
      return;
    }
    if (length + data.byteLength > gathered.length) {
      release();
      gathered = new Uint8Array(GATHERED_BYTES);
    }
    gathered.set(data instanceof Uint8Array ? data : data.subarray(), length);
    length += data.byteLength;
  };
  return release;
}

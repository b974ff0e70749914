/** What a node that joins waits for: for people who watch its log, and for whoever started it. */
import type { AttemptAnswer } from "../api/reconfiguration.ts";
import type { Address, Hex } from "../lib/hex.ts";
import type { Logger } from "../telemetry/port.ts";

/** What is being waited for. */
export type JoinProgress =
  | { readonly step: "unreachable" }
  /** No proposal of this epoch's committee names us. */
  | { readonly step: "unnamed"; readonly epoch: bigint }
  | {
      readonly step: "proposed";
      readonly proposal: Hex;
      readonly approvals: number;
      readonly needed: number;
      readonly waitingFor: readonly Address[];
    }
  | {
      readonly step: "dealing";
      readonly attempt: bigint;
      readonly deals: number;
      readonly needed: number;
      readonly waitingFor: readonly Address[];
    }
  /** The key that was announced for this attempt is not in the key folder. */
  | { readonly step: "keyMissing"; readonly attempt: bigint; readonly announced: Hex }
  | { readonly step: "opening"; readonly attempt: bigint }
  | {
      readonly step: "ready";
      readonly attempt: bigint;
      readonly phase: AttemptAnswer["phase"];
      readonly ready: number;
      readonly needed: number;
      readonly waitingFor: readonly Address[];
    }
  | { readonly step: "begun"; readonly epoch: bigint; readonly sequence: bigint; readonly hasShares: boolean };

const MESSAGES: Readonly<Record<JoinProgress["step"], string>> = {
  unreachable: "none of the members' APIs answers; trying on",
  unnamed: "waiting for a proposal that names this node",
  proposed: "a proposal names this node; waiting for approvals",
  dealing: "waiting for the old members' deals",
  keyMissing: "the encryption key that was announced for this node is not in its key folder: it cannot open its shares",
  opening: "verifying and opening the deals",
  ready: "this node is ready; waiting for the epoch to begin",
  begun: "the epoch has begun",
};

export type Tell = (progress: JoinProgress) => void;

/** Says everything once. */
export function createReporter(logger: Logger, onProgress: Tell | undefined): Tell {
  let last = "";
  return (progress) => {
    const text = JSON.stringify(progress, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
    if (text === last) return;
    last = text;
    const { step, ...fields } = progress;
    logger[step === "keyMissing" ? "error" : "info"](MESSAGES[step], fields);
    onProgress?.(progress);
  };
}

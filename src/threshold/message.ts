import { ThresholdError } from "./errors.ts";

/** What is signed is always a digest that already binds protocol, committee, epoch and kind. */
export const MESSAGE_LENGTH = 32;

/** Throws invalidMessage unless the message is 32 bytes. */
export function checkMessage(message: Uint8Array): void {
  if (message.length !== MESSAGE_LENGTH) {
    throw new ThresholdError("invalidMessage", "a message is a 32-byte digest", {
      details: { length: message.length },
    });
  }
}

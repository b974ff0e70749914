/** What was signed before this process began, as the store says. What is signed in this process goes to the store with its effects. */
import { assert } from "../lib/assert.ts";
import type { Hex } from "../lib/hex.ts";
import type { Recovered } from "./types.ts";

export class SignOnce {
  #registered: Recovered["registered"] = () => undefined;

  restore(registered: Recovered["registered"]): void {
    this.#registered = registered;
  }

  /** True when it is to be registered with this step; false when it is already. Another digest there ends this process. */
  mayRegister(kind: "batch" | "handover", position: bigint, digest: Hex): boolean {
    const registered = this.#registered(kind, position);
    assert(
      registered === undefined || registered === digest,
      `${kind} ${position} was signed with another digest before`,
    );
    return registered === undefined;
  }
}

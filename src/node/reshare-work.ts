/** Dealing, verifying and opening as plain functions, and the messages by which a thread is asked for them. */

import { openShare } from "../threshold/aggregate.ts";
import { type DealContext, dealInstance } from "../threshold/associated-data.ts";
import { DEAL_RANDOMNESS, makeDeal } from "../threshold/deal.ts";
import type { DealEngine } from "../threshold/deal-engine.ts";
import type { DealBundle } from "../threshold/deal-select.ts";
import { type DealFault, faultOfDeal } from "../threshold/deal-verify.ts";
import type { KeyAgreement } from "../threshold/key-agreement.ts";
import { encodeScalar, reduceWide, WIDE_SCALAR_BYTES } from "../threshold/scalar.ts";
import { SUITES, type Suite, type ThresholdKey } from "../threshold/types.ts";

type PerSuite<T> = Readonly<Record<Suite, T>>;

export interface ReshareTools {
  readonly engines: PerSuite<DealEngine>;
  readonly agreement: KeyAgreement;
  /** That many uniform bytes. */
  readonly random: (length: number) => Uint8Array;
}

export type ReshareOrder =
  | {
      readonly kind: "deal";
      readonly contexts: PerSuite<DealContext>;
      readonly dealer: number;
      readonly shares: PerSuite<Uint8Array>;
    }
  | { readonly kind: "verify"; readonly context: DealContext; readonly dealer: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "open";
      readonly contexts: PerSuite<DealContext>;
      readonly qualified: readonly DealBundle[];
      readonly keys: PerSuite<ThresholdKey>;
      readonly index: number;
      readonly encryptionSecret: Uint8Array;
    };

export interface ReshareResults {
  readonly deal: PerSuite<Uint8Array>;
  readonly verify: DealFault | undefined;
  readonly open: PerSuite<Uint8Array>;
}

/** Secrets in the order are overwritten before it returns: they are the callee's copies. Throws ThresholdError. */
export function carryOut(tools: ReshareTools, order: ReshareOrder): ReshareResults[keyof ReshareResults] {
  const { engines, agreement } = tools;
  switch (order.kind) {
    case "deal":
      return perSuite((suite) => deal(tools, order.contexts[suite], order.dealer, order.shares[suite]));
    case "verify": {
      const { context, dealer, bytes } = order;
      return faultOfDeal(engines[context.suite], agreement, dealInstance(context, dealer), bytes);
    }
    case "open": {
      const { contexts, qualified, keys, index, encryptionSecret } = order;
      try {
        return perSuite((suite) =>
          openShare(engines[suite], agreement, contexts[suite], qualified, keys[suite], index, encryptionSecret),
        );
      } finally {
        encryptionSecret.fill(0);
      }
    }
  }
}

function deal({ engines, agreement, random }: ReshareTools, context: DealContext, dealer: number, share: Uint8Array) {
  const engine = engines[context.suite];
  const secret =
    context.kind === "reshare"
      ? share
      : encodeScalar(reduceWide(random(WIDE_SCALAR_BYTES), engine.order), engine.order);
  const randomness = random(DEAL_RANDOMNESS);
  try {
    return makeDeal(engine, agreement, dealInstance(context, dealer), secret, randomness);
  } finally {
    // With the randomness anybody reads the share out of the deal, which is public for ever.
    randomness.fill(0);
    secret.fill(0);
    share.fill(0);
  }
}

function perSuite<T>(make: (suite: Suite) => T): Record<Suite, T> {
  const [bls12381, bn254] = SUITES.map(make);
  return { "bls12-381": bls12381!, bn254: bn254! };
}

/** Constructor arguments of SettlementHub from a module's parameters. */
import type { ArgumentType, IgnitionModuleBuilder } from "@nomicfoundation/ignition-core";

const DAY = 86_400;

/** `tokens` and contracts may be futures; everything else is a parameter of the module that calls this. */
export function hubArguments(
  m: IgnitionModuleBuilder,
  verifier: ArgumentType,
  verifierCode: ArgumentType,
  authority: ArgumentType,
  tokens: ArgumentType,
): ArgumentType[] {
  return [
    m.getParameter<string>("committeeId"),
    verifier,
    verifierCode,
    authority,
    m.getParameter("haltDeadline", 7 * DAY),
    {
      entryFeeWei: m.getParameter("entryFeeWei", 0n),
      feeRecipient: m.getParameter("feeRecipient", m.getAccount(0)),
      maxEntriesPerBlock: m.getParameter("maxEntriesPerBlock", 64),
      maxBytesPerBlock: m.getParameter("maxBytesPerBlock", 65_536),
      maxInstructionBytes: m.getParameter("maxInstructionBytes", 8_192),
      withdrawalWindow: m.getParameter("withdrawalWindow", DAY),
    },
    tokens,
  ];
}

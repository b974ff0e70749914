/**
 * A hub with its vault, on a verifier of either suite. Parameters (module "SettlementBls12381" or "SettlementBn254"):
 *
 *   committeeId          bytes32, the committee file's id
 *   haltDeadline         seconds without a head after which the chain counts as abandoned     (default 7 days)
 *   tokens               [{ token, withdrawalFloor, withdrawalShareBps }]                      (default none)
 *   entryFeeWei, feeRecipient, maxEntriesPerBlock, maxBytesPerBlock, maxInstructionBytes, withdrawalWindow: see ICollateralVault
 *
 * and "Bls12381Verifier" / "Bn254Verifier": groupKey; "Authority": admin. The hub's constructor deploys the vault, so that
 * nobody can come between the two; nothing is upgradable, every parameter is for ever.
 */
import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import AuthorityModule from "./authority.ts";
import { hubArguments } from "./hub-arguments.ts";
import { Bls12381VerifierModule, Bn254VerifierModule, type VerifierModule } from "./verifiers.ts";

function settlementModule(id: string, verifierModule: VerifierModule) {
  return buildModule(id, (m) => {
    const { verifier, verifierCode } = m.useModule(verifierModule);
    const { authority } = m.useModule(AuthorityModule);
    const tokens = m.getParameter<{ token: string; withdrawalFloor: bigint; withdrawalShareBps: number }[]>(
      "tokens",
      [],
    );
    const hub = m.contract("SettlementHub", hubArguments(m, verifier, verifierCode, authority, tokens));
    const vault = m.contractAt("CollateralVault", m.staticCall(hub, "vault"));
    return { hub, vault, verifier, authority };
  });
}

export const SettlementBls12381 = settlementModule("SettlementBls12381", Bls12381VerifierModule);
export const SettlementBn254 = settlementModule("SettlementBn254", Bn254VerifierModule);

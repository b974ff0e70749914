/**
 * Everything a development network needs: verifier, authority, a token that anybody can mint, a hub that lists it, its vault,
 * and the example dApp. Parameters as in settlement.ts, under "DevnetBls12381" or "DevnetBn254"; `tokenDecimals` (default 6).
 */
import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import AuthorityModule from "./authority.ts";
import { hubArguments } from "./hub-arguments.ts";
import { Bls12381VerifierModule, Bn254VerifierModule, type VerifierModule } from "./verifiers.ts";

function devnetModule(id: string, verifierModule: VerifierModule) {
  return buildModule(id, (m) => {
    const { verifier, verifierCode } = m.useModule(verifierModule);
    const { authority } = m.useModule(AuthorityModule);
    const token = m.contract("TestToken", ["Test Dollar", "TUSD", m.getParameter("tokenDecimals", 6)]);
    const listings = [
      { token, withdrawalFloor: m.getParameter("withdrawalFloor", 1_000_000_000_000n), withdrawalShareBps: 10_000 },
    ];
    const hub = m.contract("SettlementHub", hubArguments(m, verifier, verifierCode, authority, listings));
    const vault = m.contractAt("CollateralVault", m.staticCall(hub, "vault"));
    const receiver = m.contract("SettlementReceiver", [hub]);
    return { hub, vault, verifier, authority, token, receiver };
  });
}

export const DevnetBls12381 = devnetModule("DevnetBls12381", Bls12381VerifierModule);
export const DevnetBn254 = devnetModule("DevnetBn254", Bn254VerifierModule);

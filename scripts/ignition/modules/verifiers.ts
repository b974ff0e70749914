/**
 * One committee's key on one chain. Parameter `groupKey`: the verifier's constructor bytes (`encodePublicKeyForVerifier`).
 * Deployment fails where the chain lacks a precompile or the key is not a key: the constructors test both.
 */
import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

function verifierModule(contract: string) {
  return buildModule(contract, (m) => ({
    verifier: m.contract(contract, [m.getParameter<string>("groupKey")]),
    // What the hub creates the verifiers of later keys from.
    verifierCode: m.contract(`${contract}Code`),
  }));
}

export type VerifierModule = ReturnType<typeof verifierModule>;

export const Bls12381VerifierModule = verifierModule("Bls12381Verifier");
export const Bn254VerifierModule = verifierModule("Bn254Verifier");

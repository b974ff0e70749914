import { expect } from "chai";
import { network } from "hardhat";
import { createHandover, handoverArgument, handoverDigest } from "../../src/batch/handover.ts";
import { bytesToHex } from "../../src/lib/hex.ts";
import { encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import { ACCOUNT, COMMITTEE, deployHub, engineOf, SECRET, signDigestFor } from "./hub-support.ts";

describe("hub with bn254 on a chain with Cancun's rules", () => {
  it("takes deposits and real certificates, pays, and changes its key", async () => {
    const { hub, vault, token, book, alice, bob } = await deployHub("bn254", { network: "cancun" });
    await token.mint(alice, 50n);
    await token.connect(alice).approve(vault, 50n);
    await vault.connect(alice).deposit(token, 50n, ACCOUNT);
    const entry = book.payout(bob.address, 20n);
    const batch = book.next();
    await hub.accept(...batch.args);
    await hub.deliver(...book.delivery([entry], batch, 1));
    expect(await token.balanceOf(bob)).to.equal(20n);

    const successor = Uint8Array.from(SECRET, (byte, i) => (i === 31 ? byte ^ 1 : byte));
    const keys = (secret: Uint8Array) => ({
      "bls12-381": bytesToHex(engineOf("bls12-381").publicKey(secret)),
      bn254: bytesToHex(engineOf("bn254").publicKey(secret)),
    });
    const statement = createHandover(1n, keys(SECRET), keys(successor));
    await hub.handover(handoverArgument(statement), signDigestFor("bn254", handoverDigest(statement, COMMITTEE)));
    const next = book.next();
    await expect(hub.accept(...next.args)).to.be.revertedWithCustomError(hub, "InvalidSignature");
    await hub.accept(next.args[0], next.args[1], signDigestFor("bn254", next.digest, successor));
    expect((await hub.head()).sequence).to.equal(2n);
  });

  it("cannot be had with BLS12-381 there: the verifier's constructor says so", async () => {
    const { ethers } = await network.create("cancun");
    const key = encodePublicKeyForVerifier("bls12-381", engineOf("bls12-381").publicKey(SECRET));
    const factory = await ethers.getContractFactory("Bls12381Verifier");
    await expect(factory.deploy(bytesToHex(key))).to.be.revertedWithCustomError(factory, "PrecompileAbsent");
  });

  it("has no instruction in its code that came after Cancun", async () => {
    const { ethers } = await network.create("cancun");
    for (const name of ["SettlementHub", "CollateralVault", "Bn254Verifier", "Bn254VerifierCode", "Authority"]) {
      const { bytecode } = await ethers.getContractFactory(name);
      expect(opcodes(bytecode), name).to.not.include(0x1e);
    }
  });
});

/** Instructions of a bytecode; PUSH data is skipped, what stands behind the last INVALID is no code. */
function opcodes(bytecode: string): number[] {
  const bytes = [...Buffer.from(bytecode.slice(2), "hex")];
  const found: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const op = bytes[i]!;
    if (op >= 0x60 && op <= 0x7f) i += op - 0x5f;
    found.push(op);
  }
  return found;
}

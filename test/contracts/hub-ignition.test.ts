import { expect } from "chai";
import { network } from "hardhat";
import { DevnetBls12381, DevnetBn254 } from "../../scripts/ignition/modules/devnet.ts";
import { SettlementBn254 } from "../../scripts/ignition/modules/settlement.ts";
import { type Address, bytesToHex } from "../../src/lib/hex.ts";
import { encodePublicKeyForVerifier } from "../../src/threshold/evm.ts";
import type { Suite } from "../../src/threshold/types.ts";
import { CollateralVault__factory } from "../../types/factories/contracts/CollateralVault__factory.ts";
import { asHub, Book, COMMITTEE, engineOf, known, SECRET } from "./hub-support.ts";

function groupKeyFor(suite: Suite) {
  return bytesToHex(encodePublicKeyForVerifier(suite, engineOf(suite).publicKey(SECRET)));
}

async function lower(contract: { getAddress(): Promise<string> }): Promise<Address> {
  return (await contract.getAddress()).toLowerCase() as Address; // CAST: ethers gives checksummed 0x hex
}

describe("hub: Ignition modules", () => {
  for (const suite of ["bls12-381", "bn254"] as const)
    it(`deploy a development network with ${suite} that accepts a certificate and pays`, async () => {
      const { ignition, ethers } = await network.create();
      const [module, verifierId, id] =
        suite === "bn254"
          ? ([DevnetBn254, "Bn254Verifier", "DevnetBn254"] as const)
          : ([DevnetBls12381, "Bls12381Verifier", "DevnetBls12381"] as const);
      const deployed = await ignition.deploy(module, {
        parameters: { [id]: { committeeId: COMMITTEE }, [verifierId]: { groupKey: groupKeyFor(suite) } },
      });
      const hub = asHub(deployed.hub);
      const vault = known<"hub" | "isOpen">(deployed.vault);
      const token = known<"mint" | "balanceOf">(deployed.token);
      expect(await vault.hub()).to.equal(await hub.getAddress());
      expect(await vault.isOpen(token)).to.equal(true);
      const { chainId } = await ethers.provider.getNetwork();
      const book = new Book(suite, chainId, await lower(hub), await lower(token));
      await token.mint(vault, 5n);
      const entry = book.payout(`0x${"77".repeat(20)}`, 5n);
      const batch = book.next();
      await hub.accept(...batch.args);
      await hub.deliver(...book.delivery([entry], batch, 1));
      expect(await token.balanceOf(`0x${"77".repeat(20)}`)).to.equal(5n);
    });

  it("deploy a hub for listed tokens with the parameters given", async () => {
    const { ignition, ethers } = await network.create();
    const token = await ethers.deployContract("TestToken", ["Other", "OTH", 18]);
    const { hub, vault } = await ignition.deploy(SettlementBn254, {
      parameters: {
        Bn254Verifier: { groupKey: groupKeyFor("bn254") },
        SettlementBn254: {
          committeeId: COMMITTEE,
          haltDeadline: 86_400,
          entryFeeWei: 3n,
          tokens: [{ token: await token.getAddress(), withdrawalFloor: 10n, withdrawalShareBps: 500 }],
        },
      },
    });
    expect(await known<"haltDeadline">(hub).haltDeadline()).to.equal(86_400n);
    const [anybody] = await ethers.getSigners();
    const typed = CollateralVault__factory.connect(await vault.getAddress(), anybody!);
    expect((await typed.configuration()).entryFeeWei).to.equal(3n);
    expect(await typed.isOpen(token)).to.equal(true);
  });
});

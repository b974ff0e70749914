import { expect } from "chai";
import type { BaseContractMethod } from "ethers";
import { network } from "hardhat";
import { bigintToBytes, concatBytes } from "../../../src/lib/bytes.ts";
import { keccak256 } from "../../../src/lib/hash.ts";
import { hexToBytes } from "../../../src/lib/hex.ts";
import { flipBit, hex, sign } from "../verifiers/fixtures.ts";

const DIGEST = keccak256(Uint8Array.of(1));
/** Where EIP-2537's precompiles live that a verification needs. */
const PRECOMPILES = { G1_ADD: 0x0b, PAIRING: 0x0f, MAP_FP_TO_G1: 0x10 };
const address = (value: number) => `0x${value.toString(16).padStart(40, "0")}`;

const { ethers: osaka } = await network.create();
const gate = await osaka.deployContract("GateHarness");

/** `eth_call` of one function. */
const ask = (contract: { getFunction(name: string): BaseContractMethod }, name: string, ...args: unknown[]) =>
  contract.getFunction(name).staticCall(...args);

describe("PrecompileGate", () => {
  const answers = async (size: number) => (await osaka.deployContract("Answers", [size])).getAddress();
  const nothing = address(0xdead);

  it("takes an answer of exactly the right length", async () => {
    expect(await ask(gate, "callExact", await answers(32), "0x", 32)).to.equal(hex(flipBit(new Uint8Array(32), 31)));
    expect(await ask(gate, "callExact", await answers(64), "0x", 64)).to.have.length(2 + 128);
    expect(await ask(gate, "tryPairing", await answers(32), "0x")).to.equal(true);
  });

  for (const size of [0, 1, 31, 33, 64]) {
    it(`takes an answer of ${size} bytes for an absent precompile`, async () => {
      const target = await answers(size);
      await expect(ask(gate, "callExact", target, "0x", 32))
        .to.be.revertedWithCustomError(gate, "PrecompileAbsent")
        .withArgs(target);
      await expect(ask(gate, "tryPairing", target, "0x"))
        .to.be.revertedWithCustomError(gate, "PrecompileAbsent")
        .withArgs(target);
    });
  }

  it("notices an address without code, to which every call succeeds", async () => {
    await expect(ask(gate, "callExact", nothing, "0x", 32)).to.be.revertedWithCustomError(gate, "PrecompileAbsent");
    await expect(ask(gate, "tryPairing", nothing, "0x")).to.be.revertedWithCustomError(gate, "PrecompileAbsent");
  });

  it("takes a refusal for out of gas where the input is known to be good", async () => {
    const target = await (await osaka.deployContract("Refuses")).getAddress();
    await expect(ask(gate, "callExact", target, "0x", 32))
      .to.be.revertedWithCustomError(gate, "PrecompileOutOfGas")
      .withArgs(target);
  });

  it("takes a refused pairing for false only if the precompile had all the gas it could want", async () => {
    const target = await (await osaka.deployContract("Refuses")).getAddress();
    const at = async (gasLimit: number) => ask(gate, "tryPairing", target, "0x", { gasLimit });
    expect(await at(400_000)).to.equal(false);
    // Swept so that the bound itself is crossed: below it the answer is an error, never false; and it never flips back.
    let decided = false;
    for (let gasLimit = 60_000; gasLimit < 330_000; gasLimit += 500) {
      const answer = await at(gasLimit).catch(() => undefined);
      if (answer !== undefined) expect(answer).to.equal(false);
      if (decided) expect(answer, `gas ${gasLimit}`).to.equal(false);
      decided ||= answer !== undefined;
      // 262,144 for the pairing do not fit into less than this.
      if (gasLimit < 285_000) expect(answer, `gas ${gasLimit}`).to.equal(undefined);
    }
    expect(decided).to.equal(true);
  });
});

describe("A chain without EIP-2537", () => {
  it("cannot be given a BLS12-381 verifier", async () => {
    const { ethers } = await network.create("cancun");
    const { key } = sign("bls12-381", DIGEST);
    const factory = await ethers.getContractFactory("Bls12381Verifier");
    await expect(factory.deploy(hex(key)))
      .to.be.revertedWithCustomError(gate, "PrecompileAbsent")
      .withArgs(address(PRECOMPILES.MAP_FP_TO_G1));
  });

  it("verifies BN254", async () => {
    const { ethers } = await network.create("cancun");
    const { key, proof } = sign("bn254", DIGEST);
    const verifier = await ethers.deployContract("Bn254Verifier", [hex(key)]);
    expect(await ask(verifier, "verify", hex(DIGEST), hex(proof))).to.equal(true);
  });

  it("makes a verifier that is there all the same revert, never answer", async () => {
    const { ethers, networkHelpers } = await network.create("cancun");
    const { key, proof } = sign("bls12-381", DIGEST);
    const original = await osaka.deployContract("Bls12381Verifier", [hex(key)]);
    const lost = await ethers.getContractAt("Bls12381Verifier", address(0x1234));
    await networkHelpers.setCode(address(0x1234), await osaka.provider.getCode(await original.getAddress()));
    expect(await ask(lost, "groupKey")).to.equal(hex(key));
    await expect(ask(lost, "verify", hex(DIGEST), hex(proof))).to.be.revertedWithCustomError(gate, "PrecompileAbsent");
  });

  for (const size of [0, 31, 32, 33, 127, 128, 129]) {
    it(`cannot be fooled by code that answers ${size} bytes at the precompiles' addresses`, async () => {
      const { ethers, networkHelpers } = await network.create("cancun");
      const { key, proof } = sign("bls12-381", DIGEST);
      const fake = await ethers.deployContract("Answers", [size]);
      const code = await ethers.provider.getCode(await fake.getAddress());
      // Every address a draft or the final EIP ever used.
      for (let at = 0x0b; at <= 0x13; at++) await networkHelpers.setCode(address(at), code);
      const factory = await ethers.getContractFactory("Bls12381Verifier");
      if (size === 128) {
        await expect(factory.deploy(hex(key))).to.be.revertedWithCustomError(factory, "SelfTestFailed");
      } else {
        await expect(factory.deploy(hex(key))).to.be.revertedWithCustomError(gate, "PrecompileAbsent");
      }
      // Nor can a verifier that was deployed before.
      const original = await osaka.deployContract("Bls12381Verifier", [hex(key)]);
      await networkHelpers.setCode(address(0x1234), await osaka.provider.getCode(await original.getAddress()));
      const lost = await ethers.getContractAt("Bls12381Verifier", address(0x1234));
      await expect(ask(lost, "verify", hex(DIGEST), hex(proof))).to.be.revertedWithCustomError(
        gate,
        "PrecompileAbsent",
      );
    });
  }

  /** Cancun with the map and the addition of Osaka, as far as the self-test asks them, and any pairing. */
  async function withPairing(pairing: number | Uint8Array) {
    const { ethers, networkHelpers } = await network.create("cancun");
    const recorded = await ethers.provider.getCode(await (await ethers.deployContract("Recorded")).getAddress());
    const at = async (place: number) => {
      await networkHelpers.setCode(address(place), recorded);
      return ethers.getContractAt("Recorded", address(place));
    };
    const harness = await osaka.deployContract("Bls12381Harness");
    const [hi0, lo0, hi1, lo1] = await ask(harness, "hashToField", hex(new Uint8Array(32)));
    const element = (hi: bigint, lo: bigint) => concatBytes(bigintToBytes(hi, 32), bigintToBytes(lo, 32));
    const mapped = await Promise.all(
      [element(hi0, lo0), element(hi1, lo1)].map(async (input) => ({
        input,
        output: hexToBytes(await osaka.provider.call({ to: address(PRECOMPILES.MAP_FP_TO_G1), data: hex(input) })),
      })),
    );
    const map = await at(PRECOMPILES.MAP_FP_TO_G1);
    for (const { input, output } of mapped) await map.getFunction("record").send(hex(input), hex(output));
    const both = concatBytes(...mapped.map(({ output }) => output));
    const sum = await osaka.provider.call({ to: address(PRECOMPILES.G1_ADD), data: hex(both) });
    await (await at(PRECOMPILES.G1_ADD)).getFunction("record").send(hex(both), sum);
    const fake =
      typeof pairing === "number"
        ? await ethers.deployContract("Answers", [pairing])
        : await ethers.deployContract("Constant", [hex(pairing)]);
    await networkHelpers.setCode(address(PRECOMPILES.PAIRING), await ethers.provider.getCode(await fake.getAddress()));
    return ethers.getContractFactory("Bls12381Verifier");
  }

  it("cannot be fooled by a pairing that says yes, no or anything else to everything", async () => {
    const { key } = sign("bls12-381", DIGEST);
    for (const answer of [0n, 1n, 2n, (1n << 256n) - 1n]) {
      const factory = await withPairing(bigintToBytes(answer, 32));
      await expect(factory.deploy(hex(key)), `${answer}`).to.be.revertedWithCustomError(factory, "SelfTestFailed");
    }
    for (const size of [0, 31, 33]) {
      const factory = await withPairing(size);
      await expect(factory.deploy(hex(key))).to.be.revertedWithCustomError(gate, "PrecompileAbsent");
    }
  });
});

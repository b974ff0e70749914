import { globSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatEthersChaiMatchers from "@nomicfoundation/hardhat-ethers-chai-matchers";
import hardhatIgnition from "@nomicfoundation/hardhat-ignition";
import hardhatIgnitionEthers from "@nomicfoundation/hardhat-ignition-ethers";
import hardhatKeystore from "@nomicfoundation/hardhat-keystore";
import hardhatMocha from "@nomicfoundation/hardhat-mocha";
import hardhatNetworkHelpers from "@nomicfoundation/hardhat-network-helpers";
import hardhatTypechain from "@nomicfoundation/hardhat-typechain";
import hardhatVerify from "@nomicfoundation/hardhat-verify";
import hardhatViem from "@nomicfoundation/hardhat-viem";
import hardhatViemAssertions from "@nomicfoundation/hardhat-viem-assertions";
import { configVariable, defineConfig, overrideTask } from "hardhat/config";

/** Contract tests that need a chain; everything else under test/ runs under plain mocha (see .mocharc.json). */
const CHAIN_TESTS = "test/{contracts,differential}/**/*.test.ts";

/**
 * The compiler is npm's `solc`, pinned by the lock file: builds need no download, no network and no trust in a
 * mirror, and the hash of the compiler is the hash in package-lock.json.
 */
const solcPath = fileURLToPath(import.meta.resolve("solc/soljson.js"));

const solidity = {
  version: "0.8.37",
  path: solcPath,
  settings: {
    // What every chain has that a hub may be deployed on; precompiles of later forks are called, not compiled for.
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 1_000_000 },
    viaIR: true,
    metadata: { bytecodeHash: "none" },
  },
};

/** Who deploys to a real network; without it the endpoint's own first account does (development chains). Never in a file here. */
const accounts =
  process.env.CLOCKLESS_DEPLOYER_KEY === undefined ? "remote" : [configVariable("CLOCKLESS_DEPLOYER_KEY")];

export default defineConfig({
  plugins: [
    hardhatEthers,
    hardhatEthersChaiMatchers,
    hardhatViem,
    hardhatViemAssertions,
    hardhatTypechain,
    hardhatMocha,
    hardhatNetworkHelpers,
    hardhatIgnition,
    // One flavour only: the ignition flavours refuse to load next to each other.
    hardhatIgnitionEthers,
    hardhatKeystore,
    hardhatVerify,
  ],
  // Tests run exactly the bytecode that is deployed: both build profiles share their settings.
  solidity: { profiles: { default: solidity, production: { ...solidity, isolated: true } } },
  paths: {
    // Harnesses and mocks are compiled like contracts so that tests can deploy them; they are never published.
    sources: ["contracts", "test/contracts/harness"],
    tests: { mocha: "test", solidity: "test/contracts" },
    ignition: "scripts/ignition",
  },
  typechain: { outDir: "types", tsNocheck: true },
  networks: {
    // Osaka brings EIP-2537 (since Prague) and the gas prices our targets are stated in (EIP-7883, EIP-7951).
    default: { type: "edr-simulated", chainType: "l1", hardfork: "osaka" },
    /** A chain without EIP-2537: the BLS12-381 verifier must refuse to be deployed there. */
    cancun: { type: "edr-simulated", chainType: "l1", hardfork: "cancun" },
    /** A node for the chain that verifies BLS12-381 certificates, and one for the chain that verifies BN254. */
    bls: {
      type: "http",
      chainType: "l1",
      url: configVariable("CLOCKLESS_BLS_RPC_URL", { default: "http://127.0.0.1:8545" }),
      accounts,
    },
    bn: {
      type: "http",
      chainType: "l1",
      url: configVariable("CLOCKLESS_BN_RPC_URL", { default: "http://127.0.0.1:8546" }),
      accounts,
    },
  },
  test: {
    mocha: { timeout: 600_000 },
    solidity: {
      // Profiles do not inherit from each other: each states its own runs. `intense` is for nightly runs.
      profiles: {
        default: { fuzz: { runs: 256 }, invariant: { runs: 32, depth: 64, failOnRevert: false } },
        intense: { fuzz: { runs: 20_000 }, invariant: { runs: 512, depth: 256, failOnRevert: false } },
      },
    },
  },
  tasks: [
    // `paths.tests.mocha` takes one folder, and test/ also holds the suites that plain mocha runs without a chain.
    overrideTask(["test", "mocha"])
      .setInlineAction(async (args, hre, runSuper) => {
        const { root } = hre.config.paths;
        const all = () => globSync(CHAIN_TESTS, { cwd: root }).map((file) => join(root, file));
        const testFiles = args.testFiles.length > 0 ? args.testFiles : all();
        return runSuper({ ...args, testFiles });
      })
      .build(),
  ],
});

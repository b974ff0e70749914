/** `clockless devnet`: a working committee, two local chains and a relayer in one command. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { type CliContext, stopRequested } from "../context.ts";
import { wholeNumber } from "../options.ts";

interface DevnetFlags {
  readonly directory?: string;
  readonly members: number;
}

/** A ceremony's least (MIN_MEMBERS), said here so that `--help` need not load any cryptography. */
const FEWEST_MEMBERS = 4;

/** A devnet's one market: ETH options, futures and perpetuals in USDC, in thousandths of an ETH. */
const ETH_MARKET = {
  id: 1,
  symbol: "ETH",
  quantityDecimals: 3,
  priceCap: 100_000_000n,
  expirySlots: 300,
  slotSeconds: 6,
} as const;

export function addDevnetCommand(program: Command, contextOf: () => CliContext): void {
  program
    .command("devnet")
    .description(
      "run a committee, two local chains and a relayer until a signal stops them; one process makes all keys",
    )
    .option("--directory <folder>", "where configuration, data and logs go; a new temporary folder by default")
    .option(
      "--members <number>",
      "committee size; four are the fewest that tolerate a malicious one",
      wholeNumber(FEWEST_MEMBERS, 31),
      4,
    )
    .action(async (flags: DevnetFlags) => {
      const context = contextOf();
      const { DEVNET_ASSET, startDevnet } = await import("../devnet/devnet.ts");
      const directory =
        flags.directory === undefined ? mkdtempSync(join(tmpdir(), "clockless-devnet-")) : resolve(flags.directory);
      const devnet = await startDevnet({
        directory,
        members: flags.members,
        markets: [{ ...ETH_MARKET, quote: DEVNET_ASSET }],
        time: BigInt(Math.floor(Date.now() / 1000)),
        onProgress: (text) => context.output.note(text),
        signal: context.signal,
      });
      try {
        const summary = {
          directory,
          committeeFile: devnet.layout.committeeFile,
          apis: devnet.layout.apiUrls,
          market: devnet.market.url,
          chains: devnet.chains.map(({ chainId, name, suite, url, deployment }) => ({
            chainId,
            name,
            suite,
            url,
            ...deployment,
          })),
        };
        context.output.result(summary, () =>
          [
            `committee file  ${summary.committeeFile}`,
            ...summary.apis.map((url, index) => `member ${index}        ${url}`),
            ...summary.chains.map(
              ({ chainId, name, suite, url, hub, vault, token }) =>
                `chain ${chainId}     ${name} (${suite}) ${url}\n  hub   ${hub}\n  vault ${vault}\n  token ${token}`,
            ),
          ].join("\n"),
        );
        context.output.note("Running; Ctrl-C stops everything. This process made all keys: for development only.");
        await stopRequested(context.signal);
        context.output.note("Stopping gracefully, use Ctrl+C again to force process exit");
      } finally {
        await devnet.stop();
      }
    });
}

/** The demo's result: one JSON object, or a table for people. */
import type { Devnet } from "../../src/cli/devnet/devnet.ts";
import { maxFaulty } from "../../src/lib/math.ts";
import { type Book, CASH_DECIMALS, formatDecimal, QUANTITY_DECIMALS } from "./book.ts";
import type { HandoverReport, ReshareReport } from "./changes.ts";
import type { Plan } from "./plan.ts";
import type { Outcome } from "./run.ts";

export interface Report {
  readonly settlement: {
    readonly source: string;
    readonly series: number;
    readonly openInterest: string;
    readonly deliveryPriceUsd: string;
    readonly payoutUsd: string;
  };
  readonly committee: {
    readonly members: number;
    readonly faulty: number;
    readonly killed: readonly number[];
    readonly batches: number;
    readonly certificates: number;
  };
  readonly chains: readonly {
    readonly chainId: string;
    readonly engine: string;
    readonly suite: string;
    readonly headSequence: string;
    readonly acceptGas: number;
    readonly entriesDelivered: number;
    readonly deliverGasPerEntry: number;
  }[];
  readonly latencyMs: {
    readonly certificate: { readonly p50: number; readonly p99: number };
    readonly acceptance: { readonly p50: number; readonly p99: number };
  };
  readonly instructionsPerSecond: number;
  readonly balancesChecked: number;
  readonly conserved: boolean;
  /** With --reshare-to: changes under the same group key. */
  readonly reshares?: readonly ReshareReport[];
  /** With --reshare-to: changes to a new group key. */
  readonly handovers?: readonly HandoverReport[];
  /** With --reshare-to: instructions that flowed while members changed, all of them final. */
  readonly instructionsMeanwhile?: number;
}

export async function makeReport(devnet: Devnet, book: Book, outcome: Outcome): Promise<Report> {
  const { tracker, hubs } = outcome;
  const acceptances: number[] = [];
  for (const { submittedMs, sequence } of tracker.settled.values()) {
    const times = hubs.map((hub) => hub.heads.find((head) => head.sequence >= sequence)?.seenMs);
    // Accepted means accepted on every chain.
    if (times.every((time) => time !== undefined)) acceptances.push(Math.max(...times) - submittedMs);
  }
  const chains = await Promise.all(
    devnet.chains.map(async ({ chainId, name, suite }, index) => ({
      chainId: chainId.toString(),
      engine: name,
      suite,
      headSequence: hubs[index]!.headSequence().toString(),
      ...(await hubs[index]!.costs()),
    })),
  );
  return {
    settlement: {
      source: book.source,
      series: book.series.length,
      openInterest: formatDecimal(
        book.series.reduce((total, { openInterest }) => total + openInterest, 0n),
        QUANTITY_DECIMALS,
      ),
      deliveryPriceUsd: formatDecimal(outcome.expiryPrice, CASH_DECIMALS - QUANTITY_DECIMALS),
      payoutUsd: formatDecimal(outcome.payout, CASH_DECIMALS),
    },
    committee: {
      members: devnet.committee.members.length,
      faulty: maxFaulty(devnet.committee.members.length),
      killed: outcome.killed,
      batches: Number(tracker.newestSequence),
      certificates: tracker.certificates,
    },
    chains,
    latencyMs: { certificate: quantiles(tracker.latenciesMs), acceptance: quantiles(acceptances) },
    instructionsPerSecond: Math.round((outcome.instructions / outcome.activeMs) * 100_000) / 100,
    balancesChecked: outcome.balancesChecked,
    conserved: outcome.conserved,
    ...outcome.changes,
  };
}

function quantiles(samples: readonly number[]): { p50: number; p99: number } {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

/** What did not hold; empty when everything did. */
export function complaints(report: Report, book: Book, plan: Plan, accounts: number): string[] {
  const found: string[] = [];
  const payout = formatDecimal(plan.expected.payout, CASH_DECIMALS);
  if (report.settlement.payoutUsd !== payout)
    found.push(`the ledger paid ${report.settlement.payoutUsd}, the input says ${payout}`);
  const price = formatDecimal(book.deliveryPrice, CASH_DECIMALS - QUANTITY_DECIMALS);
  if (report.settlement.deliveryPriceUsd !== price)
    found.push(`settled at ${report.settlement.deliveryPriceUsd} instead of ${price}`);
  if (report.balancesChecked !== accounts)
    found.push(`${accounts - report.balancesChecked} of ${accounts} accounts have a wrong balance on chain`);
  if (!report.conserved) found.push("money was created or lost: ledger, vaults and balances do not add up");
  if (report.chains.some((chain) => chain.entriesDelivered === 0 && Number(chain.headSequence) === 0))
    found.push("a hub accepted nothing");
  for (const { epoch, groupKeyUnchanged } of report.reshares ?? [])
    if (!groupKeyUnchanged) found.push(`the reshare to epoch ${epoch} changed the group key`);
  for (const { number, chains } of report.handovers ?? [])
    if (chains.length !== report.chains.length)
      found.push(`only ${chains.length} of ${report.chains.length} hubs followed handover ${number}`);
  return found;
}

export function describe(report: Report, accounts: number): string {
  const { settlement, committee, chains, latencyMs } = report;
  const rows: [string, string][] = [
    ["source", settlement.source],
    ["series", `${settlement.series}, open interest ${settlement.openInterest} ETH`],
    ["delivery price", `${settlement.deliveryPriceUsd} USD`],
    ["payout", `${settlement.payoutUsd} USD`],
    [
      "committee",
      `${committee.members} members, tolerates ${committee.faulty}; killed and restarted: ${committee.killed.join(", ")}`,
    ],
    ["batches", `${committee.batches}, certificates verified: ${committee.certificates}`],
    [
      "certificate latency",
      `p50 ${latencyMs.certificate.p50} ms, p99 ${latencyMs.certificate.p99} ms (from submission)`,
    ],
    [
      "acceptance latency",
      `p50 ${latencyMs.acceptance.p50} ms, p99 ${latencyMs.acceptance.p99} ms (from submission, on every chain)`,
    ],
    ["instructions", `${report.instructionsPerSecond} a second`],
    ...chains.map(
      ({ chainId, engine, suite, headSequence, acceptGas, entriesDelivered, deliverGasPerEntry }): [string, string] => [
        `chain ${chainId}`,
        `${engine}, ${suite}: head ${headSequence}, ${acceptGas} gas an acceptance, ${entriesDelivered} entries at ${deliverGasPerEntry} gas`,
      ],
    ),
    ...(report.reshares ?? []).map(({ from, to, epoch, durationMs, groupKeyUnchanged }): [string, string] => [
      `reshare to epoch ${epoch}`,
      `${from} became ${to} members in ${durationMs} ms under traffic; ${groupKeyUnchanged ? "the same group key and verifiers" : "ANOTHER GROUP KEY"}`,
    ]),
    ...(report.handovers ?? []).map(({ number, chains: followed, from, to, epoch, durationMs }): [string, string] => [
      `handover ${number}`,
      `${from} became ${to} members in ${durationMs} ms with a new key for epoch ${epoch}; followed by chains ${followed.join(", ")}`,
    ]),
    ...(report.instructionsMeanwhile === undefined
      ? []
      : [["meanwhile", `${report.instructionsMeanwhile} instructions, all of them final`] satisfies [string, string]]),
    ["balances", `${report.balancesChecked} of ${accounts} accounts are exactly as the input says, on every chain`],
    ["conserved", report.conserved ? "yes: ledger empty, vaults empty, every token accounted for" : "NO"],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

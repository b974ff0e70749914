/** What `clockless simulate` says to people. */
import type { CampaignReport } from "../../testing/campaign/campaign.ts";
import type { TwinsReport } from "../../testing/campaign/twins-campaign.ts";
import { BROKEN_RULES } from "../../testing/rules/names.ts";
import { ADVERSARIES } from "../../testing/simulator/names.ts";
import type { SimulationReport } from "../../testing/simulator/types.ts";

export const SIMULATE_HELP = `
Adversaries: ${wrapped(ADVERSARIES, 13)}.
  crash+equivocate is both at once; swarm draws a mix from each seed.
Rules: ours, mahi-mahi-w4-l1, mahi-mahi-w5-l3, mahi-mahi-w5-ln and so on (the baseline: wave length 4 or 5, leaders a round), and
  broken ones: ${wrapped(BROKEN_RULES, 2)}.

Examples:
  clockless simulate --members 10 --adversary chaos --seed 7
  clockless simulate --members 4 --adversary crash+equivocate --rule mahi-mahi-w5-l3
  clockless simulate --campaign 1000 --seeds 5000 --json
  clockless simulate --campaign 100 --rule ours,mahi-mahi-w4-l3,mahi-mahi-w5-l3 --no-controls
  clockless simulate --twins 100000
  clockless simulate --campaign 200 --adversary torn-disk,rollback --members 4,7 --no-controls`;

function wrapped(names: readonly string[], indent: number): string {
  let text = "";
  let width = indent + 8;
  for (const [i, name] of names.entries()) {
    const word = `${name}${i === names.length - 1 ? "" : ", "}`;
    if (width + word.length > 120) {
      text = `${text.trimEnd()}\n  `;
      width = 2;
    }
    text += word;
    width += word.length;
  }
  return text;
}

export function describeReport(report: SimulationReport): string {
  const { latency, instructions } = report;
  const lines = [
    `agreement     ${report.agreement ? "yes" : "NO"}`,
    `latency       mean ${latency.mean}, p50 ${latency.p50}, p99 ${latency.p99} message delays (${latency.samples} samples)`,
    `members       ${report.members}, of which ${report.faulty} may be faulty; adversary ${report.adversary}, seed ${report.seed}`,
    `progress      ${report.rounds} rounds, ${report.commits} commits, ${report.batches} batches, ${report.certificates} certificates`,
    `instructions  ${instructions.applied} applied of ${instructions.submitted}, ${instructions.unsettled} unsettled`,
    ...(report.epochs > 1 ? [`committees    ${report.epochs}, one after the other`] : []),
    `network       ${report.messages} messages, ${report.crashes} crashes`,
    `trace hash    ${report.traceHash}`,
  ];
  return [...lines, ...report.violations.map((violation) => `violation     ${violation}`)].join("\n");
}

export function describeCampaign(report: CampaignReport): string {
  const { rows, failures, controls } = report;
  const lines = [
    ...table(
      [
        "adversary",
        "n",
        "rule",
        "runs",
        "violations",
        "mismatches",
        "mean",
        "p50",
        "p99",
        "rounds",
        "catch-ups",
        "seconds",
      ],
      rows.map(({ adversary, members, rule, runs, violations, mismatches, latency, rounds, catchUps, seconds }) => [
        adversary,
        String(members),
        rule,
        ...[runs, violations, mismatches].map(String),
        latency.mean.toFixed(2),
        ...[latency.p50, latency.p99].map((delays) => delays.toFixed(1)),
        ...[rounds, catchUps].map(String),
        seconds.toFixed(1),
      ]),
    ),
  ];
  for (const { violation, command, smallest } of failures) {
    lines.push("", `FAILED        ${violation}`, `  again       ${command}`);
    if (smallest !== undefined) lines.push(`  smaller     ${smallest.command}`, `              ${smallest.violation}`);
  }
  if (controls.length > 0) lines.push("");
  for (const { name, failedAsItMust, violation, command } of controls) {
    lines.push(
      `control       ${name}: ${failedAsItMust ? "fails as it must" : "DID NOT FAIL AS IT MUST"} (${violation ?? "no violation"})`,
    );
    if (!failedAsItMust && command !== undefined) lines.push(`  again       ${command}`);
  }
  const verdict = report.passed ? "no violation" : "FAILED";
  lines.push(
    "",
    `${verdict}: ${report.runs} of ${report.planned} runs, each twice, ${report.violations} violations, ${report.mismatches} mismatches, ${report.seconds} s`,
  );
  if (!report.isComplete) lines.push("cut off: this is what was seen until then");
  return lines.join("\n");
}

export function describeTwins(report: TwinsReport): string {
  const { scenarios, planned, space, members, rounds, commits, jumps, exposed, failures, seconds, perSecond } = report;
  const lines = [
    `agreement     ${report.passed ? "yes" : "NO"}`,
    `scenarios     ${scenarios} of ${planned} (there are ${space}): ${members} members, ${rounds} rounds with partitions, seed ${report.seed}`,
    `seen          ${commits} commits, ${jumps} jumps, twins exposed in ${exposed}`,
    `time          ${seconds} s, ${perSecond} a second`,
    ...failures.map(({ scenario, what }) => `violation     scenario ${scenario}: ${what}`),
  ];
  if (!report.isComplete) lines.push("cut off: this is what was seen until then");
  return lines.join("\n");
}

/** Names to the left, numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
  );
}

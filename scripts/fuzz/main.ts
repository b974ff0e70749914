/**
 * Fuzzes every decoder of foreign bytes, guided by coverage.
 *
 *   npm run fuzz -- [--executions 200000] [--seed 1] [--decoder block,payload] [--threads 2] [--json]
 *   npm run fuzz -- --decoder block --input 00ff…      one input again, alone
 *
 * Claims: nothing but typed errors, no second encoding of anything, steps and memory in proportion to the input. Exit code 1 when one
 * of them is wrong; the finding says the input.
 */
import { parseArgs } from "node:util";
import type { Report } from "./campaign.ts";
import { fuzz } from "./pool.ts";

const { values } = parseArgs({
  options: {
    executions: { type: "string", default: "200000" },
    seed: { type: "string", default: "1" },
    decoder: { type: "string" },
    threads: { type: "string", default: "2" },
    input: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

function print(report: Report): void {
  const { decoder, executions, accepted, reached, corpus, maxSteps, maxStepsBytes, findings } = report;
  const figures = `${executions} runs, ${accepted} accepted, ${reached} characters of code reached, ${corpus} inputs kept, at most ${maxSteps} steps (${maxStepsBytes} bytes)`;
  process.stderr.write(`${findings.length === 0 ? "ok   " : "WRONG"} ${decoder}: ${figures}\n`);
  for (const { kind, what, input } of findings)
    process.stderr.write(`      ${kind}: ${what}\n      --input ${input}\n`);
}

const startedMs = performance.now();
const reports = await fuzz({
  executions: Number(values.executions),
  seed: Number(values.seed),
  threads: Number(values.threads),
  decoders: values.decoder?.split(","),
  input: values.input === undefined ? undefined : Uint8Array.from(Buffer.from(values.input, "hex")),
  onReport: print,
});
const seconds = (performance.now() - startedMs) / 1_000;
const executions = reports.reduce((sum, report) => sum + report.executions, 0);
const findings = reports.flatMap((report) => report.findings);
const perSecond = Math.round(executions / seconds);
process.stdout.write(
  values.json
    ? `${JSON.stringify({ executions, seed: Number(values.seed), seconds: Math.round(seconds), perSecond, decoders: reports.length, findings, reports })}\n`
    : `${executions} runs of ${reports.length} decoders in ${Math.round(seconds)} s (${perSecond} a second): ${findings.length} findings\n`,
);
process.exit(findings.length === 0 ? 0 : 1);

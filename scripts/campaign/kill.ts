/**
 * Kill −9, at random, of real members on real disks that fail: four `clockless node run` processes, users over HTTP, and afterwards
 * every database is read. Nobody ever signs two digests for one position or lets out what is not durable, all members have the same
 * batches, and everything submitted is settled or refused exactly once.
 *
 *   npm run campaign:kill -- [--minutes 10] [--seed S] [--json] [--directory D] [--control lying-disk]
 *
 * Disks fail by strace (Debian: apt-get install strace): syncs that answer EIO, writes that answer ENOSPC, power that goes in the middle
 * of a sync, and power cuts after which all that was not synced is gone. Without strace members are only killed, and the report says so.
 * The control must be caught: disks that only say they synced.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createRandom } from "../../src/testing/random.ts";
import { runCampaign } from "./campaign.ts";
import { whyNoStrace } from "./life.ts";
import { describeReport, isAsExpected } from "./report.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    directory: { type: "string" },
    control: { type: "string" },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
if (!(minutes > 0)) throw new RangeError("--minutes must be a positive number");
if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError("--seed must be a whole number");
if (values.control !== undefined && values.control !== "lying-disk")
  throw new RangeError("the one control is lying-disk");

const note = (text: string): void => void process.stderr.write(`${text}\n`);
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());

const noStrace = whyNoStrace();
if (noStrace !== undefined) note(`NO DISK FAULTS in this run: ${noStrace}; members are only killed`);
if (noStrace !== undefined && values.control !== undefined) throw new Error(`the control needs strace: ${noStrace}`);
const directory =
  values.directory === undefined ? mkdtempSync(join(tmpdir(), "clockless-kill-")) : resolve(values.directory);
mkdirSync(directory, { recursive: true });
note(`seed ${seed}; everything is in ${directory}`);
const report = await runCampaign({
  ...{ directory, minutes, seed, signal: stop.signal, onProgress: note },
  random: createRandom(seed, "kill"),
  disks: noStrace !== undefined ? "sound" : values.control === undefined ? "faulty" : "lying",
});
process.stdout.write(values.json ? `${JSON.stringify(report, undefined, 2)}\n` : describeReport(report));
const isRight = isAsExpected(report);
if (isRight && values.directory === undefined) rmSync(directory, { recursive: true, force: true });
process.exitCode = isRight ? 0 : 1;

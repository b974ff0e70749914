import { DEFAULT_PACING } from "../../../src/node/config.ts";
import { run } from "./run.ts";

const [members, rate, seconds, warm, wide, kill, profile] = process.argv.slice(2);
const r = await run({
  members: Number(members),
  rate: Number(rate),
  instructionBytes: 512,
  warmupSeconds: Number(warm),
  seconds: Number(seconds),
  wide: wide === "1",
  kill: kill
    ? kill
        .split(",")
        .filter((x) => x !== "-")
        .map(Number)
    : [],
  pacing: DEFAULT_PACING,
  slowdown: Number(process.env.SLOW ?? 1),
  directory: process.env.BENCH_DIR,
  profile: profile,
  onProgress: (t) => console.error(t),
});
const { perSecond, ...l } = r.load;
const S = Number(process.env.SLOW ?? 1);
console.log(
  "first",
  l.firstMs.mean / S,
  l.firstMs.p50 / S,
  l.firstMs.p99 / S,
  "all",
  l.allMs.mean / S,
  l.allMs.p99 / S,
  "certified/s",
  (l.certified / l.seconds) * S,
);
console.log(l, perSecond.join(" "));
for (const s of r.stats) {
  const a = s[0],
    b = s.at(-1);
  if (!a || !b) continue;
  const dt = (b.atMs - a.atMs) / 1000;
  console.log(
    `m${a.index} cpu ${((b.cpuUs - a.cpuUs) / 1e4 / dt).toFixed(1)}% us/instr ${((b.cpuUs - a.cpuUs) / (b.settled - a.settled)).toFixed(1)} rounds/s ${((b.round - a.round) / dt).toFixed(1)} batches/s ${((b.certifiedBatches - a.certifiedBatches) / dt).toFixed(1)} settled/s ${((b.settled - a.settled) / dt).toFixed(0)} rss ${(b.rss / 2 ** 20).toFixed(0)} heap ${(b.heapUsed / 2 ** 20).toFixed(0)} ab ${(b.arrayBuffers / 2 ** 20).toFixed(0)} loop ${b.loopMeanMs.toFixed(1)}/${b.loopMaxMs.toFixed(0)} rep ${b.repeated} drop ${b.dropped} out ${((b.bytesOut - a.bytesOut) / dt / 1e6).toFixed(1)} MB/s`,
  );
}

const all: Record<string, { count: number; bytes: number }> = {};
for (const s of r.stats)
  for (const x of s)
    for (const [k, v] of Object.entries(x.received)) {
      all[k] ??= { count: 0, bytes: 0 };
      const a = all[k];
      a.count += v.count;
      a.bytes += v.bytes;
    }
const secs = r.load.seconds * r.stats.length;
for (const [k, v] of Object.entries(all))
  console.log(k.padEnd(20), (v.count / secs).toFixed(2), "/s/member", (v.bytes / secs / 1e3).toFixed(1), "kB/s/member");

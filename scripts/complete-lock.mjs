/**
 * Adds stub entries to package-lock.json for optional platform packages that the registry in use did not list, so that
 * `npm ci` on another registry or platform accepts the file ("Missing: … from lock file"). Run after every `npm install`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(path, "utf8"));
const OS = /-(android|darwin|freebsd|linux|linuxmusl|netbsd|openbsd|openharmony|sunos|win32|aix)-/;
const CPU = /-(arm64|amd64|arm|x64|ia32|loong64|mips64el|ppc64|riscv64|s390x)(?:-|$)/;

let added = 0;
for (const entry of Object.values(lock.packages)) {
  for (const list of [entry.optionalDependencies, entry.dependencies]) {
    for (const [name, range] of Object.entries(list ?? {})) {
      const key = `node_modules/${name}`;
      if (lock.packages[key] !== undefined || !/^\d/.test(range)) continue;
      const os = OS.exec(name)?.[1];
      const cpu = CPU.exec(name)?.[1];
      if (os === undefined || cpu === undefined) continue;
      lock.packages[key] = { version: range, cpu: [cpu], dev: entry.dev, optional: true, os: [os] };
      added++;
    }
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stderr.write(`package-lock.json: ${added} stub entries added\n`);

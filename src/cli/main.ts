#!/usr/bin/env node
/**
 * The `clockless` command's first step: is this Node new enough? Nothing here is newer than modules themselves, and the rest is loaded
 * only afterwards, so that an old Node says what is wrong instead of failing on syntax it cannot read.
 */
const [major, minor] = process.versions.node.split(".").map(Number) as [number, number]; // CAST: "22.13.0"
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `clockless: needs Node 22.13 or later, this is ${process.versions.node} [nodeTooOld]\n` +
      `  Install a newer Node, or put one beside the project: npm install --save-dev node@24, then npx clockless.\n`,
  );
  process.exitCode = 3;
} else {
  await import("./run.ts");
}

export {};

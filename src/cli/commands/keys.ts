/** `clockless keys`: a member's own keys. */
import { join } from "node:path";
import type { Command } from "commander";
import type { Imported } from "../../keys/import.ts";
import type { Keystore } from "../../keys/keystore.ts";
import type { ListedKey } from "../../keys/list.ts";
import { addHomeOptions, type HomeFlags } from "../ceremony/home.ts";
import type { CliContext } from "../context.ts";
import { several, uint64 } from "../options.ts";

interface NewFlags extends HomeFlags {
  readonly ceremony: string;
  readonly files?: string;
  readonly multiaddr?: readonly string[];
}

interface ImportFlags extends Omit<HomeFlags, "light"> {
  readonly from: readonly string[];
  readonly epoch?: bigint;
  readonly dryRun: boolean;
}

export function addKeysCommand(program: Command, contextOf: () => CliContext): void {
  const keys = program.command("keys").description("make, move and look at a member's keys");
  addHomeOptions(
    keys
      .command("new")
      .description(
        "identity (once) and encryption key (per ceremony) as keystores; prints what to announce to the others",
      ),
  )
    .requiredOption("--ceremony <name>", "name that the members agreed on and never used before")
    .option("--files <folder>", "where to put the announcement: the folder that goes to everybody")
    .option("--multiaddr <address>", "where this member's node will listen; several", several(String))
    .action(async (flags: NewFlags) => {
      const { announce } = await import("../ceremony/announce.ts");
      const { fileName, writePublicFile } = await import("../ceremony/folder.ts");
      const { encodeAnnouncement } = await import("../../threshold/ceremony/json.ts");
      const context = contextOf();
      const announcement = await announce({ ...flags, multiaddrs: flags.multiaddr ?? [] }, context);
      const text = encodeAnnouncement(announcement);
      const file =
        flags.files === undefined ? undefined : join(flags.files, fileName("announcement", announcement.member));
      if (file !== undefined) writePublicFile(file, text);
      context.output.result({ ...announcement, file }, () => text.trimEnd());
      context.output.note(`Member ${announcement.member}; back up ${flags.keys}, it is the only copy.`);
    });
  keys
    .command("import")
    .description("check keystores from elsewhere and put them into a member's key folder, all or none")
    .requiredOption(
      "--from <path>",
      "keystore, or folder of keystores (and of epoch-<e> folders); several",
      several(String),
    )
    .requiredOption("--keys <folder>", "this member's key folder")
    .option("--password-file <file>", "password of the keystores, first line, mode 0600")
    .option("--password-env <name>", "environment variable with the password; asked for without either")
    .option("--epoch <number>", "epoch of shares that are in no epoch-<e> folder; 0 by default", uint64)
    .option("--dry-run", "check everything and write nothing", false)
    .action((flags: ImportFlags) => importKeys(flags, contextOf()));

  keys
    .command("list")
    .description("what keys a folder has; needs no password and shows no secret")
    .requiredOption("--keys <folder>", "a member's key folder")
    .action(async ({ keys: folder }: { keys: string }) => {
      const { listKeys } = await import("../../keys/list.ts");
      const { output } = contextOf();
      const listed = listKeys(folder);
      output.result(listed.map(describeListed), () => (listed.length === 0 ? "no keys" : table(listed)));
      for (const { file, problem } of listed) if (problem !== undefined) output.note(`${file}: ${problem.message}`);
    });
}

async function importKeys(flags: ImportFlags, context: CliContext): Promise<void> {
  const { importKeystores } = await import("../../keys/import.ts");
  const { passwordOf, withLock } = await import("../ceremony/home.ts");
  const { createEngines } = await import("../../threshold/engines.ts");
  const { output, signal } = context;
  const options = {
    from: flags.from,
    directory: flags.keys,
    password: passwordOf(flags, context),
    engines: await createEngines("fast"),
    ...(flags.epoch === undefined ? {} : { epoch: flags.epoch }),
    isDryRun: flags.dryRun,
    onProgress: (done: number, of: number) => output.progress(`opening keystores ${bar(done, of)} ${done} of ${of}`),
    signal,
  };
  try {
    // What writes nothing does not make the folder, either.
    const imported = flags.dryRun
      ? await importKeystores(options)
      : await withLock(flags.keys, () => importKeystores(options));
    output.progress(undefined);
    output.result({ dryRun: flags.dryRun, keys: imported.map(describeImported) }, () =>
      imported
        .map(({ from, to, keystore, status }) => `${status.padEnd(9)} ${nameOf(keystore)}  ${from} → ${to}`)
        .join("\n"),
    );
    if (flags.dryRun) output.note("Nothing was written (--dry-run).");
  } finally {
    output.progress(undefined);
  }
}

const BAR = 24;

function bar(done: number, of: number): string {
  const full = Math.round((BAR * done) / of);
  return `[${"#".repeat(full)}${".".repeat(BAR - full)}]`;
}

function describeImported({ from, to, keystore, status }: Imported) {
  return { from, to, status, ...keystore };
}

function describeListed({ file, epoch, keystore, problem }: ListedKey) {
  return {
    file,
    ...(epoch === undefined ? {} : { epoch }),
    ...keystore,
    ...(problem === undefined ? {} : { problem }),
  };
}

function nameOf(keystore: Keystore): string {
  switch (keystore.kind) {
    case "identity":
      return `identity ${keystore.address ?? ""}`;
    case "share":
      return `share ${keystore.suite}`;
    case "encryption":
      return `encryption key of ${keystore.purpose}`;
  }
}

/** One line per key: file, what it is, epoch, public part. */
function table(listed: readonly ListedKey[]): string {
  const rows = listed.map(({ file, epoch, keystore, problem }) => [
    file,
    keystore === undefined ? `unreadable: ${problem?.code}` : nameOf(keystore),
    epoch === undefined ? "" : `epoch ${epoch}`,
    keystore?.kind === "share"
      ? (keystore.publicShare ?? "")
      : keystore?.kind === "encryption"
        ? keystore.publicKey
        : "",
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

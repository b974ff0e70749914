/** `clockless keys`: a member's own keys. */
import { join } from "node:path";
import type { Command } from "commander";
import { addHomeOptions, type HomeFlags } from "../ceremony/home.ts";
import type { CliContext } from "../context.ts";
import { several } from "../options.ts";

interface NewFlags extends HomeFlags {
  readonly ceremony: string;
  readonly files?: string;
  readonly multiaddr?: readonly string[];
}

export function addKeysCommand(program: Command, contextOf: () => CliContext): void {
  const keys = program.command("keys").description("make a member's keys");
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
}

/** `clockless config`: look at a configuration before something runs with it. */
import { type Command, Option } from "commander";
import type { ConfigKind } from "../config-kinds.ts";
import type { CliContext } from "../context.ts";

interface ConfigFlags {
  readonly kind: ConfigKind;
  readonly config: string;
}

export function addConfigCommand(program: Command, contextOf: () => CliContext): void {
  const config = program.command("config").description("check and show configuration files");
  const kind = (): Option => new Option("--kind <kind>", "whose configuration").choices(["node", "relayer"]);

  config
    .command("check")
    .description("read a configuration file as the node or relayer would, and say what is wrong with it")
    .addOption(kind().makeOptionMandatory())
    .requiredOption("--config <file>", "configuration file (YAML)")
    .action(async (flags: ConfigFlags) => {
      const { output } = contextOf();
      await load(contextOf(), flags);
      output.result({ valid: true, kind: flags.kind, file: flags.config }, () => `${flags.config} is valid`);
    });

  config
    .command("show")
    .description("the resolved configuration and where each value comes from; secrets are redacted")
    .addOption(kind().makeOptionMandatory())
    .requiredOption("--config <file>", "configuration file (YAML)")
    .action(async (flags: ConfigFlags) => {
      const { redactConfig } = await import("../config-kinds.ts");
      const { stringify } = await import("yaml");
      const { jsonReplacer } = await import("../output.ts");
      const { config: resolved, origins } = await load(contextOf(), flags);
      const values = redactConfig(resolved) as Record<string, unknown>; // CAST: an object stays one
      contextOf().output.result({ kind: flags.kind, values, origins }, () =>
        Object.entries(values)
          .map(([key, value]) => {
            const plain: unknown = JSON.parse(JSON.stringify(value, jsonReplacer));
            return `# ${origins[key]}\n${stringify({ [key]: plain }).trimEnd()}`;
          })
          .join("\n"),
      );
    });

  config
    .command("schema")
    .description("the JSON Schema of a configuration file, for editors")
    .addOption(kind().makeOptionMandatory())
    .action(async (flags: Pick<ConfigFlags, "kind">) => {
      const { CONFIG_SCHEMAS } = await import("../config-kinds.ts");
      const { jsonSchemaOf } = await import("../config-schema.ts");
      const schema = jsonSchemaOf(CONFIG_SCHEMAS[flags.kind]);
      contextOf().output.result(schema, () => JSON.stringify(schema, null, 2));
    });
}

async function load({ environment }: CliContext, { kind, config: file }: ConfigFlags) {
  const { CONFIG_SCHEMAS } = await import("../config-kinds.ts");
  const { loadConfig } = await import("../config-file.ts");
  return loadConfig<object>({ schema: CONFIG_SCHEMAS[kind], file, environment, flags: {} });
}

/** `clockless completion`: the shell's word list, made from the commands themselves. */
import { Argument, type Command } from "commander";
import type { CliContext } from "../context.ts";

export function addCompletionCommand(program: Command, contextOf: () => CliContext): void {
  program
    .command("completion")
    .description('print a completion script: eval "$(clockless completion bash)"')
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh"]))
    .action((shell: "bash" | "zsh") => {
      const script = completionScript(program, shell);
      contextOf().output.result({ shell, script }, () => script);
    });
}

function completionScript(program: Command, shell: "bash" | "zsh"): string {
  const cases = [...words(program, "")].map(([path, list]) => `    "${path}") words="${list.join(" ")}" ;;`);
  return [
    // zsh understands bash's completion functions once told to.
    ...(shell === "zsh" ? ["autoload -U +X bashcompinit && bashcompinit"] : []),
    "_clockless() {",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own syntax
    '  local path="" words="" i word="${COMP_WORDS[COMP_CWORD]}"',
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own syntax
    '    case "${COMP_WORDS[i]}" in -*) break ;; *) path="${path:+$path }${COMP_WORDS[i]}" ;; esac',
    "  done",
    '  case "$path" in',
    ...cases,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    "}",
    "complete -o default -F _clockless clockless",
  ].join("\n");
}

function* words(command: Command, path: string): Generator<[string, string[]]> {
  const names = command.commands.map((child) => child.name());
  const options = command.options.flatMap(({ long }) => long ?? []);
  yield [path, [...names, ...options, "--help"]];
  for (const child of command.commands) yield* words(child, path === "" ? child.name() : `${path} ${child.name()}`);
}

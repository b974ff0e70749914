/** Getting a password without leaving it anywhere. */
import { KeyError, type PasswordSource } from "./port.ts";
import { readSecretFile } from "./secret-file.ts";

/** `subject` tells a person what the password is for. Throws KeyError `passwordMissing` and those of reading a secret file. */
export async function readPassword(source: PasswordSource, subject: string): Promise<string> {
  const password = await read(source, subject);
  if (password === "") {
    const where = { file: "file is empty", environment: "variable is unset or empty", prompt: "answer was empty" }[
      source.kind
    ];
    throw new KeyError("passwordMissing", `No password for ${subject}: the ${where}`, {
      details:
        source.kind === "file" ? { path: source.path } : source.kind === "environment" ? { variable: source.name } : {},
    });
  }
  return password;
}

async function read(source: PasswordSource, subject: string): Promise<string> {
  switch (source.kind) {
    case "file":
      // Editors and `echo` end files with a line break that nobody typed.
      return readSecretFile(source.path).split(/\r?\n/, 1)[0]!;
    case "environment":
      return source.environment[source.name] ?? "";
    case "prompt":
      return source.ask(subject);
  }
}

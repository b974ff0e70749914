/** Asks for a password on the terminal, without showing it. */
import { stderr, stdin } from "node:process";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";

export async function askPassword(subject: string): Promise<string> {
  stderr.write(`Password for ${subject}: `);
  // readline echoes what is typed to its output: give it one that forgets.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: stdin, output: silent, terminal: stdin.isTTY === true });
  try {
    return await new Promise((resolve) => {
      prompt.once("line", resolve);
      prompt.once("close", () => resolve(""));
      // Ctrl-C belongs to the command, not to the prompt.
      prompt.once("SIGINT", () => {
        prompt.close();
        process.kill(process.pid, "SIGINT");
      });
    });
  } finally {
    prompt.close();
    stderr.write("\n");
  }
}

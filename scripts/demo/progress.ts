/** Live progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere. */
export interface Progress {
  phase(text: string): void;
  count(done: number, total: number, what: string): void;
  end(): void;
}

export function createProgress(stream: NodeJS.WriteStream): Progress {
  const started = performance.now();
  let isOpen = false;
  let lastShown = 0;
  const stamp = (): string => `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`;
  const close = (): void => {
    if (isOpen) stream.write("\n");
    isOpen = false;
  };
  return {
    phase(text) {
      close();
      stream.write(`${stamp()}  ${text}\n`);
    },
    count(done, total, what) {
      if (!stream.isTTY) {
        // A log file gets a line a quarter.
        const quarter = Math.floor((4 * done) / total);
        if (quarter === lastShown && done !== total) return;
        lastShown = done === total ? 0 : quarter;
        stream.write(`${stamp()}    ${done}/${total} ${what}\n`);
        return;
      }
      const width = 24;
      const filled = Math.round((width * done) / total);
      stream.write(`\r${stamp()}  [${"#".repeat(filled)}${".".repeat(width - filled)}] ${done}/${total} ${what}   `);
      isOpen = true;
      if (done === total) close();
    },
    end: close,
  };
}

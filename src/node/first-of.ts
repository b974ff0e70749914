/** Several places to get one thing from, some of them slow or worse. */

/** The first answer there is; the next source is asked when one has none, or takes longer than `hedgeMs`. */
export function firstOf<S, A>(
  sources: readonly S[],
  ask: (source: S) => Promise<A | undefined>,
  hedgeMs: number,
): Promise<A | undefined> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let running = 0;
    let timer: NodeJS.Timeout | undefined;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      next = sources.length;
      settle();
    };
    const askNext = (): void => {
      clearTimeout(timer);
      if (next === sources.length) {
        if (running === 0) resolve(undefined);
        return;
      }
      running++;
      timer = setTimeout(askNext, hedgeMs);
      ask(sources[next++]!).then(
        (answer) => {
          running--;
          if (answer === undefined) askNext();
          else end(() => resolve(answer));
        },
        (error: unknown) => end(() => reject(error)),
      );
    };
    askNext();
  });
}

/** Who waits for an answer of the member: submissions and transactions are answered in the order in which they were handed in. */
import type { SubmitVerdict, TransactionCode } from "../member/types.ts";

export class Answers {
  readonly #submitters: { readonly count: number; readonly resolve: (verdicts: readonly SubmitVerdict[]) => void }[] =
    [];
  readonly #senders: ((codes: readonly TransactionCode[]) => void)[] = [];
  #verdicts: SubmitVerdict[] = [];

  submitted(count: number): Promise<readonly SubmitVerdict[]> {
    return new Promise((resolve) => this.#submitters.push({ count, resolve }));
  }

  /** Transactions were handed in. */
  sent(resolve: (codes: readonly TransactionCode[]) => void): void {
    this.#senders.push(resolve);
  }

  verdict(verdict: SubmitVerdict): void {
    this.#verdicts.push(verdict);
  }

  taken(codes: readonly TransactionCode[]): void {
    this.#senders.shift()?.(codes);
  }

  /** Answers whoever has all verdicts by now: after what they promise is on disk and sent. */
  give(): void {
    for (let next = this.#submitters[0]; next !== undefined; next = this.#submitters[0]) {
      if (this.#verdicts.length < next.count) return;
      this.#submitters.shift();
      next.resolve(this.#verdicts.splice(0, next.count));
    }
  }
}

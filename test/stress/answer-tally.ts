// Answers to random requests, counted by call and code, and those that the specification does not allow.
import type { RandomRequest } from './random-requests.ts';

export class AnswerTally {
  readonly wrong: string[] = [];
  readonly #codesOf: (rpc: string) => readonly string[];
  readonly #counts = new Map<string, number>();

  /** @param codesOf the codes that a call may be answered with */
  constructor(codesOf: (rpc: string) => readonly string[]) {
    this.#codesOf = codesOf;
  }

  add({ kind, rpc, message }: RandomRequest, code: string, sentence: string): void {
    const key = `${rpc.slice(rpc.lastIndexOf('/') + 1)} ${code}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (this.#codesOf(rpc).includes(code)) return;
    this.wrong.push(
      `${rpc} answers ${code} to ${kind} ${message.toString('hex').slice(0, 400)}: ${sentence}`,
    );
  }

  count(method: string, code: string): number {
    return this.#counts.get(`${method} ${code}`) ?? 0;
  }

  get text(): string {
    const codes = new Map<string, number>();
    for (const [key, count] of this.#counts) {
      const code = key.slice(key.indexOf(' ') + 1);
      codes.set(code, (codes.get(code) ?? 0) + count);
    }
    const all = [...codes.values()].reduce((sum, count) => sum + count, 0);
    return `${all} requests: ${[...codes].map(([code, count]) => `${code} ${count}`).join(', ')}`;
  }
}

// When to try again what failed, each thing by its own count of failures. Knows nothing of the work.
import { type BackOff, backOffMs } from './back-off.ts';

export class Retries {
  readonly #backOff: BackOff;
  readonly #waits = new Map<string, { readonly atMs: number; readonly failures: number }>();

  constructor(backOff: BackOff) {
    this.#backOff = backOff;
  }

  /** It failed: it is not due before a while is over, a longer one each time. */
  later(key: string): void {
    const failures = this.#waits.get(key)?.failures ?? 0;
    const atMs = performance.now() + backOffMs(failures, this.#backOff);
    this.#waits.set(key, { atMs, failures: failures + 1 });
  }

  clear(key: string): void {
    this.#waits.delete(key);
  }

  /** Everything is due now, and has never failed. */
  clearAll(): void {
    this.#waits.clear();
  }

  /** Forgets everything else: what there is no more never comes to its end. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#waits.keys()) if (!keys.has(key)) this.#waits.delete(key);
  }

  isDue(key: string): boolean {
    return (this.#waits.get(key)?.atMs ?? 0) <= performance.now();
  }

  /** In how many milliseconds the next thing is due that is not due yet; for ever, when there is none. */
  nextMs(): number {
    const nowMs = performance.now();
    return Math.min(
      ...[...this.#waits.values()].map(({ atMs }) => atMs - nowMs).filter((waitMs) => waitMs > 0),
    );
  }

  /** How many things have failed and not come to their end since. */
  get size(): number {
    return this.#waits.size;
  }
}

// One timer for any number of deadlines. Knows nothing of what has them.
import { steadyNowMs } from './steady-clock.ts';

/** The longest delay that a timer of Node takes. */
const longestDelayMs = 2 ** 31 - 1;

/**
 * Looks at its owner's deadlines when the earliest comes. A deadline that is met costs a comparison and no timer:
 * the next look finds nothing due and waits for the next deadline that is left.
 */
export class DeadlineWatch {
  readonly #look: (nowMs: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #lookAtMs = Number.POSITIVE_INFINITY;

  /** @param look deals with what is due at `nowMs`; answers the earliest deadline that is left, or Infinity */
  constructor(look: (nowMs: number) => number) {
    this.#look = look;
  }

  /** @param deadlineMs a moment of the steady clock */
  add(deadlineMs: number): void {
    if (deadlineMs >= this.#lookAtMs) return;
    this.close();
    this.#lookAtMs = deadlineMs;
    const delayMs = Math.min(Math.max(deadlineMs - steadyNowMs(), 0), longestDelayMs);
    // Whoever waits has a socket open, which keeps the process alive.
    this.#timer = setTimeout(() => this.#onTimer(), delayMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#lookAtMs = Number.POSITIVE_INFINITY;
  }

  #onTimer(): void {
    this.#lookAtMs = Number.POSITIVE_INFINITY;
    const next = this.#look(steadyNowMs());
    if (next < Number.POSITIVE_INFINITY) this.add(next);
  }
}

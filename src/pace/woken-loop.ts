// Rounds of work, one after the other: another as soon as somebody wakes it, and when the time has come that the last one named.
// Knows nothing of the work.

export interface WokenLoopParts {
  /** One round. @returns in how many milliseconds the next one is due, if nobody wakes the loop before */
  readonly round: (signal: AbortSignal) => Promise<number>;
  /** Is told what a round threw. @returns in how many milliseconds the next one is due */
  readonly failed: (error: unknown) => number;
}

/** setTimeout takes no more. */
const longestWaitMs = 2 ** 31 - 1;

/** Begins once, at `start`, and ends for good, at `stop`. */
export class WokenLoop {
  readonly #parts: WokenLoopParts;
  readonly #stop = new AbortController();
  #woken = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(parts: WokenLoopParts) {
    this.#parts = parts;
  }

  /** Fires when the loop is to end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Asks for a round at once; for another one when one is under way, which may have looked already. */
  wake(): void {
    this.#woken.resolve();
  }

  /** Fires the signal, and settles when the round under way has ended. No other begins. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      const waitMs = await this.#round();
      if (signal.aborted) return;
      const timer = setTimeout(this.#woken.resolve, Math.min(longestWaitMs, Math.max(1, Math.ceil(waitMs))));
      await this.#woken.promise;
      clearTimeout(timer);
    }
  }

  async #round(): Promise<number> {
    const { round, failed } = this.#parts;
    try {
      return await round(this.#stop.signal);
    } catch (error) {
      return this.#stop.signal.aborted ? 0 : failed(error);
    }
  }
}

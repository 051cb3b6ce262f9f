// Tells those who wait for something that a pool may never do, because it fails, that it has failed. Knows no pool.
import type { DriverError } from '../errors.ts';
import { abortable } from './command-queue.ts';

/** A replay that takes longer than this may be one that hangs. */
const askAfterMs = 20;

export class PoolAlarm {
  readonly #listeners = new Set<(error: DriverError) => void>();
  readonly #ask: () => void;

  /** @param ask has the pool looked at now, whether it is well */
  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** The pool has failed: whoever waits is told why. */
  ring(error: DriverError): void {
    for (const tell of this.#listeners) tell(error);
  }

  /**
   * Waits for work that a command which hangs may hold up: no longer than the pool is well, which it is asked when the work
   * takes its time.
   * @throws DriverError the pool's problem, as soon as it is known, and what the work throws
   */
  async whileWell<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#listeners.add(reject);
    const asking = setTimeout(this.#ask, askAfterMs);
    try {
      return await abortable(Promise.race([work, failed]), signal);
    } finally {
      clearTimeout(asking);
      this.#listeners.delete(reject);
    }
  }
}

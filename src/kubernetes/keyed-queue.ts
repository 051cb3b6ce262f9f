// Work by key: what is to be brought in order is named, and done as soon as somebody is free. Knows nothing of the work.
import type { Logger } from '../observe/logger.ts';
import { backOffMs } from '../pace/back-off.ts';

export interface KeyedQueueOptions {
  /**
   * Brings one key in order, however often it was added. When it throws, the key comes again, later each time; when it returns
   * a number, the key comes again after so many milliseconds. The signal fires when the queue stops.
   */
  readonly work: (key: string, signal: AbortSignal) => Promise<number | undefined> | Promise<void>;
  readonly log: Logger;
  /** How many keys are worked on side by side. */
  readonly workers?: number;
  readonly firstBackOffMs?: number;
  readonly longestBackOffMs?: number;
}

const defaults = { workers: 4, firstBackOffMs: 250, longestBackOffMs: 60_000 } as const;

/**
 * Keys to be worked on, in the order in which they were added. A key waits in it once, is worked on by one worker at a time,
 * and when it is added while it is worked on it comes again afterwards.
 */
export class KeyedQueue {
  readonly #options: Required<KeyedQueueOptions>;
  /** In order of arrival. */
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** Added while they were running. */
  readonly #again = new Set<string>();
  readonly #later = new Map<string, { readonly timer: NodeJS.Timeout; readonly atMs: number }>();
  readonly #failures = new Map<string, number>();
  readonly #stopping = new AbortController();
  #idle = Promise.withResolvers<void>();

  constructor(options: KeyedQueueOptions) {
    this.#options = { ...defaults, ...options };
    this.#idle.resolve();
  }

  /** How many keys wait for a worker, those that wait for a time not counted. */
  get waiting(): number {
    return this.#waiting.size + this.#again.size;
  }

  /** Names a key that needs work now, whatever time it waited for. Does nothing once the queue stops. */
  add(key: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#forget(key);
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.add(key);
    this.#dispatch();
  }

  /** Names a key that needs work after a time; the earlier one counts when it waits for one already. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopping.signal.aborted || this.#waiting.has(key)) return;
    const atMs = performance.now() + delayMs;
    const planned = this.#later.get(key);
    if (planned !== undefined && planned.atMs <= atMs) return;
    this.#forget(key);
    this.#later.set(key, { timer: setTimeout(() => this.add(key), delayMs), atMs });
  }

  /** Settles when nothing runs and nothing waits for a worker; what waits for a time is not waited for. */
  async idle(): Promise<void> {
    while (this.#running.size > 0 || this.#waiting.size > 0) await this.#idle.promise;
  }

  /** Takes no more keys, forgets those that wait, and settles when the work under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const key of [...this.#later.keys()]) this.#forget(key);
    this.#waiting.clear();
    this.#again.clear();
    await this.idle();
  }

  #dispatch(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.workers) return;
      this.#waiting.delete(key);
      if (this.#running.size === 0) this.#idle = Promise.withResolvers();
      this.#running.add(key);
      void this.#run(key);
    }
  }

  /** Never throws. */
  async #run(key: string): Promise<void> {
    try {
      const againAfterMs = await this.#options.work(key, this.#stopping.signal);
      this.#failures.delete(key);
      if (typeof againAfterMs === 'number') this.#addAfterRun(key, againAfterMs);
    } catch (error) {
      this.#fail(key, error);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) this.#waiting.add(key);
    this.#dispatch();
    if (this.#running.size === 0) this.#idle.resolve();
  }

  #fail(key: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const { firstBackOffMs, longestBackOffMs } = this.#options;
    // Here the first is the most that is waited, not the least.
    const waitMs = backOffMs(failures, { firstBackOffMs: firstBackOffMs / 2, longestBackOffMs });
    this.#options.log.warn('work on a key failed', { key, failures: failures + 1, waitMs, error });
    this.#addAfterRun(key, waitMs);
  }

  /** A key that was added meanwhile comes at once. */
  #addAfterRun(key: string, delayMs: number): void {
    if (!this.#again.has(key)) this.addAfter(key, delayMs);
  }

  #forget(key: string): void {
    clearTimeout(this.#later.get(key)?.timer);
    this.#later.delete(key);
  }
}

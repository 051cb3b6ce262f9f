// Work that one replica of several does: begun when it becomes the leader, ended when it is not any more, and begun again if it
// leads again. Knows nothing of the work.
import type { Logger } from '../observe/logger.ts';
import type { LeaderElection } from './lease.ts';

/** Something that runs while this process leads. */
export interface LedPart {
  start(): void;
  stop(): Promise<void>;
}

export interface LeadingParts {
  /** A new attempt to lead. */
  readonly elect: () => Pick<LeaderElection, 'start' | 'stop' | 'acquired' | 'lost'>;
  /** The work, made anew each time: what was remembered of the last time is old. */
  readonly work: () => readonly LedPart[];
  readonly log: Logger;
}

export class Leading {
  readonly #parts: LeadingParts;
  readonly #stopping = Promise.withResolvers<void>();
  #isStopping = false;
  #leads = false;
  #running: Promise<void> | undefined;

  constructor(parts: LeadingParts) {
    this.#parts = parts;
  }

  /** Whether the work is done here now. */
  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the work, then gives the lease back. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopping.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const election = this.#parts.elect();
      election.start();
      await Promise.race([election.acquired, this.#stopping.promise]);
      if (!this.#isStopping) await this.#lead(election.lost);
      await election.stop();
    }
  }

  async #lead(lost: AbortSignal): Promise<void> {
    const { work, log } = this.#parts;
    const parts = work();
    const ended = Promise.withResolvers<void>();
    lost.addEventListener('abort', () => ended.resolve(), { once: true });
    if (lost.aborted) ended.resolve();
    this.#leads = true;
    for (const part of parts) part.start();
    await Promise.race([ended.promise, this.#stopping.promise]);
    this.#leads = false;
    for (const outcome of await Promise.allSettled(parts.map((part) => part.stop())))
      if (outcome.status === 'rejected') log.error('led work did not end well', { error: outcome.reason });
  }
}

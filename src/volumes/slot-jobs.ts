// The work under way on slots: one thing at a time on each, a few in each pool, and again after a while what failed. Does not know
// what the work is.
import type { BackOff } from '../pace/back-off.ts';
import { Retries } from '../pace/retries.ts';

/** Something to be done in a slot. */
export interface SlotTask {
  readonly slot: string;
  readonly poolUuid: string;
  /** of one life: what is left of another's work is called off */
  readonly purpose: string;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

/**
 * A pool does one thing at a time; more at once would only wait at the mounter, each on a stream of its own. Each pool has
 * its own share, so that one that hangs does not keep the others waiting.
 */
const maximumJobsOfPool = 8;

interface Job extends Pick<SlotTask, 'purpose' | 'poolUuid'> {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export class SlotJobs {
  readonly #jobs = new Map<string, Job>();
  readonly #retries: Retries;
  readonly #ended: () => void;

  /** @param ended called when something has come to its end, or failed */
  constructor(backOff: BackOff, ended: () => void) {
    this.#retries = new Retries(backOff);
    this.#ended = ended;
  }

  /** Begins what is wanted and due, and calls off everything else. */
  carryOut(tasks: readonly SlotTask[]): void {
    const wanted = new Map(tasks.map(({ slot, purpose }) => [slot, purpose]));
    for (const [slot, { purpose, abort }] of this.#jobs) if (wanted.get(slot) !== purpose) abort.abort();
    this.#retries.keepOnly(new Set(wanted.keys()));
    for (const task of tasks) this.#begin(task);
  }

  /** Everything that failed is due now. */
  retryNow(): void {
    this.#retries.clearAll();
  }

  /** In how many milliseconds something that failed is due again. */
  nextMs(): number {
    return this.#retries.nextMs();
  }

  /** Ends all work where it is. */
  async stop(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const { abort } of jobs) abort.abort();
    await Promise.all(jobs.map(({ done }) => done));
  }

  #begin({ slot, poolUuid, purpose, work }: SlotTask): void {
    if (this.#jobs.has(slot) || !this.#retries.isDue(slot)) return;
    const ofPool = [...this.#jobs.values()].filter((job) => job.poolUuid === poolUuid);
    if (ofPool.length >= maximumJobsOfPool) return;
    const abort = new AbortController();
    const done = work(abort.signal)
      .then(() => this.#retries.clear(slot))
      .catch(() => this.#retries.later(slot))
      .finally(() => {
        this.#jobs.delete(slot);
        this.#ended();
      });
    this.#jobs.set(slot, { purpose, poolUuid, abort, done });
  }
}

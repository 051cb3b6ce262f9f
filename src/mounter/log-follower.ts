// Follows the log of one pool: reads it, validates it, has famfs replay it, and remembers how far that has come. All of it
// under the pool's lock (mounter's rule 1). What the pool is otherwise, and whether it is well, is pool.ts's.
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { CommandQueue } from './command-queue.ts';
import { isPoolFailure } from './pool-failure.ts';
import type { PoolMounts } from './pool-mounts.ts';
import type { LogFigures, Problem } from './pool-state.ts';
import type { LoggedPath, LogSummary } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';

export interface LogFollowerParts {
  readonly mounts: PoolMounts;
  readonly worker: PoolWorker;
  readonly queue: CommandQueue;
  readonly log: Logger;
  readonly replayIntervalMs: number;
  /** Reads the pool's identity and throws when it is another's or cannot be read. */
  readonly probe: () => Promise<void>;
  /** Told of failures that are the pool's own. */
  readonly onPoolFailure: (error: unknown) => void;
  readonly onChange: () => void;
}

/** The log in the hands of whoever holds the pool's lock. */
export interface HeldLog {
  /** the descriptor of the lock, for commands to inherit */
  readonly lockFd: number;
  /** What the log says when it is read to its end now, after the pool's identity was compared. */
  read(): Promise<LogSummary>;
  /** What the log, as it was last read, holds under some paths. */
  look(paths: readonly string[]): Promise<readonly (LoggedPath | undefined)[]>;
  /** Whether this node's mount has something under a path, be it logged or not. */
  shows(path: string): Promise<boolean>;
}

export class LogFollower {
  readonly #uuid: string;
  readonly #parts: LogFollowerParts;
  #summary: LogSummary | undefined;
  #problem: Problem | undefined;
  #replayed = 0;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  /** A replay, or a look at the log, that waits for its turn: whoever needs one now can share it. */
  #nextReplay: Promise<void> | undefined;
  #nextLook: Promise<void> | undefined;

  constructor(uuid: string, parts: LogFollowerParts) {
    this.#uuid = uuid;
    this.#parts = parts;
  }

  /** What was last read; zeros before the first time. */
  get figures(): LogFigures {
    const summary = this.#summary;
    return {
      sizeBytes: summary?.sizeBytes ?? 0n,
      freeBytes: summary?.freeBytes ?? 0n,
      longestFreeRunBytes: summary?.longestFreeRunBytes ?? 0n,
      allocationUnitBytes: summary?.allocationUnitBytes ?? 0n,
      logEntriesTotal: summary?.entriesTotal ?? 0,
      logEntriesUsed: summary?.entriesUsed ?? 0,
      logEntriesReplayed: this.#replayed,
    };
  }

  /** Why the log cannot be followed now. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  /** The mount is new: nothing is replayed in it. */
  forget(): void {
    this.#problem = undefined;
    this.#replayed = 0;
  }

  /** Runs work on the log under the pool's lock; what it reads there is remembered. */
  hold<T>(work: (log: HeldLog) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { queue, worker } = this.#parts;
    const heldBy = (lockFd: number): HeldLog => ({
      lockFd,
      read: () => this.#read(),
      look: (paths) => worker.request('look', { paths }),
      shows: (path) => worker.request('shows', { path }),
    });
    return queue.run((lockFd) => work(heldBy(lockFd)), signal === undefined ? {} : { signal });
  }

  /**
   * Replays once, beginning after this call: one that runs already may have read the log before the caller's file was
   * there.
   */
  replay(): Promise<void> {
    this.#nextReplay ??= this.#soon(
      (lockFd) => this.#replayLocked(lockFd, true),
      () => {
        this.#nextReplay = undefined;
      },
    );
    return this.#nextReplay;
  }

  /** Reads what is in the log now, and replays nothing: whoever finds a file missing here asks for that. */
  look(): Promise<void> {
    this.#nextLook ??= this.#soon(
      async () => {
        await this.#read();
      },
      () => {
        this.#nextLook = undefined;
      },
    );
    return this.#nextLook;
  }

  /** Does something in its turn; `begun` tells that it is too late to share it. */
  async #soon(work: (lockFd: number) => Promise<void>, begun: () => void): Promise<void> {
    let hasBegun = false;
    try {
      await this.#parts.queue.run((lockFd) => {
        hasBegun = true;
        begun();
        return work(lockFd);
      });
    } catch (error) {
      if (!hasBegun) begun();
      this.#noteFailure(error);
      throw error;
    }
  }

  /** Replays if the header has moved, or if it is time to whatever it says; leaves it when somebody is at the log. */
  async replayIfMoved(): Promise<void> {
    const isDue = performance.now() - this.#triedAtMs > this.#parts.replayIntervalMs;
    try {
      await this.#parts.queue.tryRun(async (lockFd) => {
        if (isDue || this.#isBehind() || (await this.#parts.worker.request('logMoved', {})))
          await this.#replayLocked(lockFd, isDue);
      });
    } catch (error) {
      this.#noteFailure(error);
    }
  }

  /** The last look at the log, after a replay that went well, has found entries that came while it ran. */
  #isBehind(): boolean {
    return this.#problem === undefined && (this.#summary?.entriesUsed ?? this.#replayed) !== this.#replayed;
  }

  /**
   * Identity, then validation, then famfs's own replay, then validation of what came in between: famfs checks only CRCs,
   * so nothing is replayed that has not been read and found good here first (design 5).
   */
  async #replayLocked(lockFd: number, force: boolean): Promise<void> {
    if (force) this.#triedAtMs = performance.now();
    const { entriesUsed } = await this.#read();
    if (!force && entriesUsed === this.#replayed) return;
    await this.#parts.mounts.replay(this.#uuid, lockFd);
    this.#replayed = entriesUsed;
    await this.#read();
  }

  async #read(): Promise<LogSummary> {
    await this.#parts.probe();
    this.#summary = await this.#parts.worker.request('refreshLog', {});
    this.#problem = undefined;
    this.#parts.onChange();
    return this.#summary;
  }

  #noteFailure(error: unknown): void {
    const { reason, message } = DriverError.from(error);
    if (isPoolFailure(error)) {
      this.#parts.onPoolFailure(error);
      return;
    }
    if (reason === 'pool-busy') return;
    if (this.#problem?.message !== message)
      this.#parts.log.warn('replay failed', { pool: this.#uuid, reason, problem: message });
    this.#problem = { reason, message };
    this.#parts.onChange();
  }
}

// One famfs command at a time: in this process by waiting in line, on the machine by a lock on a host file that the
// command inherits, so that the lock outlives a mounter that is killed while its command runs. In fuse mode famfs's own
// lock loses data (famfs reference 5.5); this one is what keeps files apart.
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { afterEffect, atEffect, beforeEffect } from '../linux/effect-point.ts';
import { acquireFileLock, type FileLock, tryFileLock } from '../linux/file-lock.ts';
import { SyscallError } from '../linux/syscall-error.ts';

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** How long to wait for a holder outside this process. */
  readonly timeoutMs?: number;
}

const defaultWaitMs = 60_000;

/** The line in front of one pool's commands, or of the machine's mount commands. */
export class CommandQueue {
  readonly #lockPath: string;
  readonly #effect: string;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** @param lockPath a file on the host that everybody who runs famfs commands there locks with flock(2) */
  constructor(lockPath: string) {
    this.#lockPath = lockPath;
    this.#effect = `lock ${path.basename(lockPath).split('-')[0]}`;
  }

  /**
   * Runs `work` when nothing else does. A caller that gives up while it waits leaves the line; work that has begun is
   * not interrupted.
   * @throws DriverError `pool-busy` when a process outside holds the lock for longer than `timeoutMs`
   */
  async run<T>(
    work: (lockFd: number) => Promise<T>,
    { signal, timeoutMs = defaultWaitMs }: WaitOptions = {},
  ): Promise<T> {
    const turn = this.#takeTurn();
    try {
      await abortable(turn.begins, signal);
      const lock = await this.#acquire(signal, timeoutMs);
      try {
        return await work(lock.fd);
      } finally {
        lock.release();
      }
    } finally {
      turn.end();
    }
  }

  /** Runs `work` if nobody is at it and nobody waits; undefined otherwise. For work that can as well be done later. */
  async tryRun<T>(work: (lockFd: number) => Promise<T>): Promise<T | undefined> {
    if (this.#waiting > 0) return undefined;
    const turn = this.#takeTurn();
    try {
      const lock = atEffect(this.#effect, () => tryFileLock(this.#lockPath));
      if (lock === undefined) return undefined;
      try {
        return await work(lock.fd);
      } finally {
        lock.release();
      }
    } finally {
      turn.end();
    }
  }

  async #acquire(signal: AbortSignal | undefined, timeoutMs: number): Promise<FileLock> {
    try {
      beforeEffect(this.#effect);
      const lock = await acquireFileLock(this.#lockPath, {
        timeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
      afterEffect(this.#effect);
      return lock;
    } catch (error) {
      throw asBusy(error, this.#lockPath);
    }
  }

  #takeTurn(): { begins: Promise<void>; end: () => void } {
    const begins = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = begins.then(() => promise);
    this.#waiting++;
    return {
      begins,
      end: () => {
        this.#waiting--;
        resolve();
      },
    };
  }
}

function asBusy(error: unknown, lockPath: string): unknown {
  if (error instanceof SyscallError && error.code === 'ETIMEDOUT') {
    return new DriverError(
      'pool-busy',
      `Another process holds ${lockPath}: a famfs command is running on this pool. Try again when it is done.`,
      { cause: error },
    );
  }
  return error;
}

/** Waits for a promise, or for the signal, whichever is first. The work behind the promise goes on. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(DriverError.from(signal.reason));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

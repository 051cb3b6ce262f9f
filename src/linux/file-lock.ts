// An exclusive lock on a file, held by a descriptor (flock(2)). Knows nothing of what it guards.
import { constants } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeFd, currentDirectoryFd, openat2 } from './file-descriptor.ts';
import { checked, declareFunction } from './libc.ts';
import { SyscallError } from './syscall-error.ts';

const flockFunction = declareFunction('flock', 'int', ['int', 'int']);
const lockExclusive = 2;
const lockNonBlocking = 4;
const firstPauseMs = 2;
const longestPauseMs = 50;

/**
 * A lock that is held. It belongs to the open file, not to the process: a child that inherits `fd` (runCommand's
 * `inheritFds`) holds it too, also when this process is gone. So `release` only closes our descriptor; the lock is
 * free when the last holder's is closed.
 */
export class FileLock {
  readonly path: string;
  #fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** The descriptor that holds the lock; close-on-exec, so only a child that is given it inherits it. */
  get fd(): number {
    if (this.#fd === -1) throw new TypeError(`the lock on ${this.path} has been released`);
    return this.#fd;
  }

  /** Gives our share of the lock back. Safe to call twice. */
  release(): void {
    if (this.#fd === -1) return;
    closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Takes the lock if nobody holds it. Makes the file (mode 0600) when it is missing; a symbolic link in its last place
 * is refused. The file is never removed: who removes a lock file hands out two locks.
 * @returns undefined when somebody else holds it
 * @throws SyscallError when the file cannot be opened
 */
export function tryFileLock(path: string): FileLock | undefined {
  const fd = openat2(currentDirectoryFd, path, {
    flags: constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
    mode: 0o600,
  });
  try {
    checked('flock', flockFunction(fd, lockExclusive | lockNonBlocking), path);
    return new FileLock(path, fd);
  } catch (error) {
    closeFd(fd);
    if (error instanceof SyscallError && error.code === 'EAGAIN') return undefined;
    throw error;
  }
}

export interface FileLockWait {
  readonly signal?: AbortSignal;
  /** how long to wait; for ever unless given */
  readonly timeoutMs?: number;
}

/**
 * Waits for the lock. It asks again and again rather than block a thread of this process in the kernel, so waiters
 * are served in no particular order; who needs an order within one process queues before this.
 * @throws SyscallError `ETIMEDOUT` when somebody else held it all the time, and as `tryFileLock`; the signal's reason
 */
export async function acquireFileLock(
  path: string,
  { signal, timeoutMs }: FileLockWait = {},
): Promise<FileLock> {
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    signal?.throwIfAborted();
    const lock = tryFileLock(path);
    if (lock !== undefined) return lock;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) throw new SyscallError('flock', 110, path);
    await pause(Math.min(pauseMs, leftMs), signal);
  }
}

/** A sleep that an abort ends early; the caller looks at the signal itself, to throw its own reason. */
async function pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(durationMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

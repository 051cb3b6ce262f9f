// One writer's session on the log of a mounted pool: superblock, role, lock, header, and appends. Must not know
// what is appended.
import { writeSync } from 'node:fs';
import path from 'node:path';
import type { LogEntry } from '../famfs/log-entry.ts';
import { appendLogEntry } from '../famfs/log-writer.ts';
import type { Superblock } from '../famfs/superblock.ts';
import type { FileLock } from '../linux/file-lock.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import type { CommandContext } from './command-context.ts';
import { scanLog } from './log-image.ts';
import { findMountOf, readHeaderOf, readLogOf, readSuperblockThrough } from './mounted-pool.ts';
import type { PoolAllocator } from './pool-allocator.ts';
import { checkSuperblock, roleOfNode } from './pool-identity.ts';
import type { FoundMount } from './simulated-mount.ts';

/**
 * The log of a pool, locked by an exclusive flock(2) on `.meta/.log`. In fuse mode the daemon refuses a second
 * locker at once and forgets the lock at any close of the file; in standalone mode a second locker waits.
 */
export class LockedLog {
  readonly found: FoundMount;
  readonly superblock: Superblock;
  readonly #context: CommandContext;
  readonly #lock: FileLock;
  #allocator: PoolAllocator | undefined;

  private constructor(context: CommandContext, found: FoundMount, superblock: Superblock, lock: FileLock) {
    this.#context = context;
    this.found = found;
    this.superblock = superblock;
    this.#lock = lock;
  }

  /** Opens a session for the pool that `file` lies in, or says why not. `file` is named in messages as it is. */
  static async open(context: CommandContext, file: string): Promise<LockedLog | undefined> {
    const found = findMountOf(context, file);
    const bytes = readSuperblockThrough(found);
    if (found === undefined || bytes === undefined) {
      context.complain(
        `famfs_map_superblock_by_path: failed to open superblock file read-only for filesystem ${file}`,
      );
      return undefined;
    }
    const superblock = checkSuperblock(context, bytes);
    if (superblock === undefined) {
      context.complain('famfs_map_superblock_by_path: invalid superblock');
      return undefined;
    }
    if (roleOfNode(context, bytes) !== 'master') {
      context.complain('__famfs_init_locked_log: Error not running on FAMFS_MASTER node');
      return undefined;
    }
    const lock = await lockLog(context, found);
    if (lock === undefined) {
      context.complain('__famfs_init_locked_log: Unable to open famfs log for writing');
      return undefined;
    }
    const image = readLogOf(lock.fd);
    if (image.header.logLengthBytes !== image.fileBytes) {
      context.complain('__famfs_init_locked_log: ****************************************');
      context.complain(
        `__famfs_init_locked_log: log size mismatch log hdr ${image.header.logLengthBytes} != ${image.fileBytes}`,
      );
      lock.release();
      return undefined;
    }
    return new LockedLog(context, found, superblock, lock);
  }

  /** The allocator of this session; its bitmap is built at the first call and knows nothing of what others add. */
  allocator(): PoolAllocator {
    this.#allocator ??= scanLog(this.#context, readLogOf(this.#lock.fd), this.superblock).allocator;
    return this.#allocator;
  }

  /** Whether the log has a slot left. */
  get isFull(): boolean {
    const header = readHeaderOf(this.#lock.fd);
    return header.nextIndex > header.lastIndex;
  }

  /**
   * Writes the next entry, in the order in which famfs writes its parts, at the place that the shared log names now:
   * of two writers that both got past the lock both are logged, with the same memory. The log must not be full.
   */
  append(entry: LogEntry): void {
    const { writes } = appendLogEntry(readHeaderOf(this.#lock.fd), entry);
    for (const { offsetBytes, bytes } of writes) {
      let done = 0;
      while (done < bytes.length) {
        done += writeSync(this.#lock.fd, bytes, done, bytes.length - done, offsetBytes + done);
      }
    }
  }

  /** Ends the session; the close is what releases the lock. */
  close(): void {
    this.#lock.release();
  }
}

/** In fuse mode a second locker is refused at once, and its own close then frees the first one's lock. */
async function lockLog(context: CommandContext, found: FoundMount): Promise<FileLock | undefined> {
  const file = path.join(found.mountPoint, '.meta/.log');
  const { acquireFileLock, tryFileLock } = await import('../linux/file-lock.ts');
  try {
    const lock = found.mount.mode === 'standalone' ? await acquireFileLock(file) : tryFileLock(file);
    if (lock !== undefined) return lock;
  } catch (error) {
    if (errorCodeOf(error) === undefined) throw error;
  }
  context.complain(`__open_relpath: failed to get lock on ${file}`);
  return undefined;
}

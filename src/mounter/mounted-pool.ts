// A pool's own mount, reached afresh for each use: is it there, is it ours, does it answer, whose bytes are these.
// Used in worker processes only: any of these calls can block for ever on a hung mount.
import { closeSync, openSync, readSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { parseSuperblock, type Superblock, superblockBytes } from '../famfs/superblock.ts';
import { openPath } from '../linux/file-descriptor.ts';
import { mountIdOf, statmount } from '../linux/mount-id.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import type { MountPlace } from './pool-verbs.ts';

/** Runs `use` with a descriptor of the directory at the pool's mount path. Opening it asks nothing of the file system. */
export function withPoolRoot<T>(mountPath: string, use: (rootFd: number) => T): T {
  const rootFd = openPath(mountPath);
  try {
    return use(rootFd);
  } finally {
    closeSync(rootFd);
  }
}

/** The mount that stands at a path; undefined when the path is an ordinary directory or absent. */
export function mountPlaceAt(mountPath: string): MountPlace | undefined {
  try {
    return withPoolRoot(mountPath, mountPlaceOf);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The mount whose root a descriptor stands for; undefined when it is not a mount's root. */
export function mountPlaceOf(fd: number): MountPlace | undefined {
  const { mountId, isMountRoot } = mountIdOf(fd);
  if (!isMountRoot) return undefined;
  const info = statmount(mountId);
  if (info === undefined) return undefined;
  const { deviceMajor, deviceMinor, source } = info;
  const fileSystemType =
    info.fileSystemSubtype === '' ? info.fileSystemType : `${info.fileSystemType}.${info.fileSystemSubtype}`;
  return { mountId, deviceMajor, deviceMinor, fileSystemType, source };
}

/**
 * Reads the superblock through a pool's mount: the one cheap read that fails when the daemon is dead or the memory is
 * gone, and that tells whether the memory still holds the same file system (famfs-kernel 8a).
 * @throws DriverError `pool-dead`, `pool-memory-failed`, `pool-not-ready`, `superblock-refused` or `pool-reformatted`
 */
export function probeSuperblock(rootFd: number, expectedUuid: string | undefined): Superblock {
  const superblock = parseSuperblock(readSuperblock(rootFd));
  if (expectedUuid !== undefined && superblock.fileSystemUuid !== expectedUuid) {
    throw new DriverError(
      'pool-reformatted',
      `The memory of pool ${expectedUuid} now holds file system ${superblock.fileSystemUuid}: another host formatted it. Nothing of the old pool can be used; end the pods that use it, then the mounter takes up the new pool.`,
      { details: { expectedUuid, foundUuid: superblock.fileSystemUuid } },
    );
  }
  return superblock;
}

function readSuperblock(rootFd: number): Buffer {
  const bytes = Buffer.alloc(superblockBytes);
  try {
    const fd = openSync(`/proc/self/fd/${rootFd}/.meta/.superblock`, 'r');
    try {
      const length = readSync(fd, bytes, 0, bytes.length, 0);
      return bytes.subarray(0, length);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw mountFailure(error);
  }
}

/** What an error of a file operation on a pool's mount says about the pool. Errors that say nothing stay as they are. */
export function mountFailure(error: unknown): unknown {
  const code = errorCodeOf(error);
  if (code === 'ENOTCONN' || code === 'ECONNABORTED') {
    return new DriverError(
      'pool-dead',
      'The famfs daemon of the pool has ended; its mount and every bind of it answer nothing any more. The pods that use it on this node must be restarted.',
      { cause: error },
    );
  }
  if (code === 'EIO' || code === 'ENODEV' || code === 'ENXIO' || code === 'EHWPOISON') {
    return new DriverError(
      'pool-memory-failed',
      `The memory of the pool cannot be read through its mount (${code}): a memory error, a driver changed under the mount, or a device held by another mount.`,
      { cause: error },
    );
  }
  if (code === 'ETIMEDOUT' || code === 'ESTALE') {
    return new DriverError(
      'pool-hung',
      `The mount of the pool does not answer as it should (${code}); look at the famfs daemon and at the kernel's log.`,
      { cause: error },
    );
  }
  if (code === 'EBUSY') {
    return new DriverError('pool-busy', 'The mount of the pool is busy (EBUSY); try again.', {
      cause: error,
    });
  }
  if (code === 'EINTR' || code === 'EAGAIN') {
    return new DriverError('operation-pending', `A look at the pool was disturbed (${code}); try again.`, {
      cause: error,
    });
  }
  if (code === 'EPERM' || code === 'EACCES') {
    return new DriverError(
      'permission-missing',
      `The mounter may not use the mount of the pool (${code}). Run it privileged, and look for a security module that forbids it.`,
      { cause: error },
    );
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new DriverError(
      'pool-not-ready',
      'There is no famfs superblock at the mount path of the pool: it is not mounted.',
      { cause: error },
    );
  }
  return error;
}

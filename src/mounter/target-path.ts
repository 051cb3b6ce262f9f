// Finds the place of a target below the roots the node allows, without ever following a link or leaving a root.
// The walk stays on kubelet's own file system, down to the directory above the target.
import { closeSync, constants } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import {
  oPath,
  openat2,
  openPath,
  openPathBeneath,
  resolveBeneath,
  resolveFlags,
} from '../linux/file-descriptor.ts';
import { mountIdOf, statmount } from '../linux/mount-id.ts';
import { SyscallError } from '../linux/syscall-error.ts';
import { onTarget, targetFailure } from './target-failure.ts';

/** The directory a target stands in, held open, and the target's name in it. */
export interface TargetPlace {
  readonly parentFd: number;
  readonly leaf: string;
  /** The mount that the directory itself lies on: an entry on another one is a mount. */
  readonly parentMountId: bigint;
}

/**
 * Splits a target path into the allowed root it lies below and the rest.
 * @throws DriverError `invalid-argument` for a path that is not absolute and plain, `outside-allowed-root` otherwise
 */
export function targetBelowRoot(
  target: string,
  allowedRoots: readonly string[],
): { root: string; relative: string } {
  if (
    !path.isAbsolute(target) ||
    target.includes('\0') ||
    path.normalize(target) !== target ||
    target.endsWith('/')
  ) {
    throw new DriverError(
      'invalid-argument',
      `The target path ${JSON.stringify(target)} is not a plain absolute path.`,
    );
  }
  const root = allowedRoots.find((candidate) =>
    target.startsWith(candidate.endsWith('/') ? candidate : `${candidate}/`),
  );
  if (root === undefined) {
    throw new DriverError(
      'outside-allowed-root',
      `The target path ${target} is not below ${allowedRoots.join(' or ')}; the mounter publishes nowhere else. If kubelet keeps its directory elsewhere, set --kubelet-dir.`,
    );
  }
  return { root, relative: path.relative(root, target) };
}

/**
 * Opens the directory that a target stands in. Links, `..` and magic links below the root are refused by the kernel.
 * @returns undefined when that directory does not exist
 * @throws DriverError `target-unusable` when the way there is not made of plain directories
 */
export function openTargetPlace(target: string, allowedRoots: readonly string[]): TargetPlace | undefined {
  const { root, relative } = targetBelowRoot(target, allowedRoots);
  const rootFd = onTarget(target, () => openPath(root));
  try {
    const parentFd = openDirectory(rootFd, path.dirname(relative));
    const parentMountId = mountIdOrClose(parentFd);
    return { parentFd, leaf: path.basename(relative), parentMountId };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === 'ENOENT') return undefined;
    if (!['ENOTDIR', 'ELOOP', 'EXDEV'].includes(error.code)) throw targetFailure(error, target);
    throw new DriverError(
      'target-unusable',
      `The directory of the target ${target} cannot be reached below ${root} by plain directories (${error.code}).`,
      { cause: error },
    );
  } finally {
    closeSync(rootFd);
  }
}

/** The mount a descriptor stands on; the descriptor is closed when that cannot be told. */
function mountIdOrClose(fd: number): bigint {
  try {
    return mountIdOf(fd).mountId;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * The walk asks no file system that can hang: it stays on that of the root, or crosses the mounts on its way one by one
 * (some nodes keep kubelet's pods on a disk of their own) and goes through none that a daemon or famfs serves.
 */
function openDirectory(rootFd: number, relative: string): number {
  const flags = oPath | constants.O_DIRECTORY;
  try {
    return openat2(rootFd, relative, { flags, resolve: resolveBeneath | resolveFlags.noXdev });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EXDEV') throw error;
  }
  return relative.split('/').reduce(
    (aboveFd, step) => {
      try {
        const fd = openPathBeneath(aboveFd, step, { directory: true });
        refuseServedMount(fd, step);
        return fd;
      } finally {
        closeSync(aboveFd);
      }
    },
    openPathBeneath(rootFd, '.', { directory: true }),
  );
}

/** Closes and refuses a directory whose file system is served by a process, or by famfs. */
function refuseServedMount(fd: number, name: string): void {
  try {
    const fileSystemType = statmount(mountIdOf(fd).mountId)?.fileSystemType ?? '';
    if (!/^(fuse|famfs)/.test(fileSystemType)) return;
    throw new DriverError(
      'target-unusable',
      `The way to the target leads through ${name}, which is on a ${fileSystemType} mount; nothing is published there.`,
    );
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A name below an open directory, as a path that no rename or link on the way can turn elsewhere. */
export function nameBelow(directoryFd: number, name: string): string {
  return `/proc/self/fd/${directoryFd}/${name}`;
}

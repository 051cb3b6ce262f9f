// Descriptors reached without trusting a path: openat2(2) and what it can promise. Knows no mounts.
import { closeSync, constants } from 'node:fs';
import { checked, declareFunction, systemCallNumbers } from './libc.ts';

const openat2Call = declareFunction('syscall', 'long', ['long', 'long', 'str', 'void *', 'size_t']);
const openHowBytes = 24;

/** The directory descriptor that stands for the working directory. */
export const currentDirectoryFd = -100;

/** A descriptor that names a place and can do nothing with what is there (open(2), O_PATH). */
export const oPath = 0o10000000;
export const oCloexec = 0o2000000;

/** How openat2(2) may walk a path. */
export const resolveFlags = {
  /** stay on one mount */
  noXdev: 0x01,
  /** no /proc/self/fd/N and its like */
  noMagiclinks: 0x02,
  /** no symbolic link in any place of the path (implies noMagiclinks) */
  noSymlinks: 0x04,
  /** never above the directory descriptor: no absolute path, no `..` that leaves it */
  beneath: 0x08,
  /** the directory descriptor is the root */
  inRoot: 0x10,
} as const;

export interface OpenHow {
  readonly flags: number;
  readonly mode?: number;
  /** `resolveFlags`, or-ed */
  readonly resolve?: number;
}

/**
 * Opens `path` as openat2(2) does, always close-on-exec. EAGAIN (a rename raced with a `..` of a beneath walk) is
 * tried again a few times.
 * @returns the new descriptor; the caller closes it
 * @throws SyscallError — ELOOP for a forbidden link, EXDEV for leaving the root or the mount, and open(2)'s own
 */
export function openat2(dirFd: number, path: string, { flags, mode = 0, resolve = 0 }: OpenHow): number {
  const how = Buffer.alloc(openHowBytes);
  how.writeBigUInt64LE(BigInt(flags | oCloexec), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const attempts = 16;
  for (let attempt = 1; ; attempt++) {
    try {
      const number = systemCallNumbers.openat2;
      return checked('openat2', openat2Call(number, dirFd, path, how, openHowBytes), path);
    } catch (error) {
      const isRace = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!isRace || attempt === attempts) throw error;
    }
  }
}

/**
 * The walk for a path that somebody else may have named or may be changing: no symbolic link and no magic link in
 * any place of it, never above the directory it starts from. Not to be combined with O_PATH and O_NOFOLLOW both, which
 * make openat2(2) hand out a symbolic link in the last place.
 */
export const resolveBeneath = resolveFlags.beneath | resolveFlags.noSymlinks | resolveFlags.noMagiclinks;

/**
 * An O_PATH descriptor of what `relativePath` names below `rootFd`, walked by `resolveBeneath`. With `directory`, it
 * has to be one (ENOTDIR). `.` is the root itself.
 * @throws SyscallError as `openat2`
 */
export function openPathBeneath(rootFd: number, relativePath: string, { directory = false } = {}): number {
  // Without O_NOFOLLOW: together with O_PATH it would open a link in the last place instead of refusing it.
  const flags = oPath | (directory ? constants.O_DIRECTORY : 0);
  return openat2(rootFd, relativePath, { flags, resolve: resolveBeneath });
}

/**
 * An O_PATH descriptor of an absolute path that the operator configured, such as kubelet's directory or a pool's
 * mount: symbolic links are followed, so it is not for anything a user can name.
 * @throws SyscallError as `openat2`
 */
export function openPath(path: string): number {
  return openat2(currentDirectoryFd, path, { flags: oPath });
}

/** Closes a descriptor; an error of close(2) says nothing useful for what these descriptors are used for. */
export function closeFd(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Linux has released the number even when close(2) fails, so trying again could close another's.
  }
}

/**
 * Runs `body` with descriptors that are closed on every way out. `own` adopts one and returns it.
 * For code that opens several things before it can give any of them away.
 */
export function withDescriptors<T>(body: (own: (fd: number) => number) => T): T {
  const owned: number[] = [];
  try {
    return body((fd) => {
      owned.push(fd);
      return fd;
    });
  } finally {
    for (const fd of owned.reverse()) closeFd(fd);
  }
}

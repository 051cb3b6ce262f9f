// What stands at a target: nothing, an empty place, or a mount. Decided by the kernel's mount ids, never by reading the
// mount table as text.
import { closeSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { openPathBeneath } from '../linux/file-descriptor.ts';
import { type MountInfo, mountIdAt, mountIdOf, statmount } from '../linux/mount-id.ts';
import { SyscallError } from '../linux/syscall-error.ts';
import type { TargetPlace } from './target-path.ts';

/** A directory that nothing is mounted on, or the topmost mount on it. */
export type TargetState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'directory' }
  | { readonly kind: 'mount'; readonly mount: MountInfo }
  | { readonly kind: 'not-a-directory'; readonly code: string };

/**
 * Looks at a target without following it if it is a link and without asking the file system mounted there anything, so
 * that a dead mount can be looked at too.
 */
export function lookAtTarget(place: TargetPlace): TargetState {
  let fd: number;
  try {
    fd = openTarget(place);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === 'ENOENT') return { kind: 'absent' };
    if (error.code === 'ENOTDIR' || error.code === 'ELOOP')
      return { kind: 'not-a-directory', code: error.code };
    throw error;
  }
  try {
    const { mountId } = mountIdOf(fd);
    if (mountId === place.parentMountId) return { kind: 'directory' };
    const mount = statmount(mountId);
    if (mount === undefined) {
      throw new DriverError(
        'operation-pending',
        'The mount at the target changed while it was looked at; try again.',
      );
    }
    return { kind: 'mount', mount };
  } finally {
    closeSync(fd);
  }
}

/**
 * The id of the topmost mount on a target, by a single system call; undefined when nothing is mounted on it, whatever it
 * is. Neither follows a link nor asks the mounted file system anything.
 */
export function mountAtTarget(place: TargetPlace): bigint | undefined {
  try {
    const { mountId } = mountIdAt(place.parentFd, place.leaf);
    return mountId === place.parentMountId ? undefined : mountId;
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Opens the target itself (the root of the topmost mount on it), as a place only. */
export function openTarget(place: TargetPlace): number {
  return openPathBeneath(place.parentFd, place.leaf, { directory: true });
}

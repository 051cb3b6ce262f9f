// Takes a target away: unmount everything stacked on it, verify with the kernel, remove the directory. Never a recursive
// delete. Asks no file system but kubelet's own: a mount is looked at as a place only and taken away without a word to
// whoever serves it, so a dead or hung pool holds nothing up here.
import { closeSync, rmdirSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { atEffect } from '../linux/effect-point.ts';
import { unmountBelow } from '../linux/mounts.ts';
import { errorCodeOf, SyscallError } from '../linux/syscall-error.ts';
import type { BindRecords } from './bind-record.ts';
import { mountAtTarget } from './target.ts';
import { onTarget } from './target-failure.ts';
import { nameBelow, openTargetPlace, type TargetPlace } from './target-path.ts';

/** How many mounts stacked on one target are taken off before it is called hopeless. */
const stackLimit = 10_000;

/**
 * Unmounts whatever is mounted at the target and removes the directory. A target, or a directory above it, that is gone
 * is success; so is one that is not a directory, which nothing of ours can be mounted on and which is left alone.
 * @returns whether something was mounted there, and the mount ids that are gone now
 * @throws DriverError `not-published` when the target holds another volume than `volumeId`, `target-busy`,
 *   `target-unusable` when the directory is not empty
 */
export function unbindTarget(
  target: string,
  volumeId: string,
  allowedRoots: readonly string[],
  records: BindRecords,
): { wasBound: boolean; mountIds: bigint[] } {
  const place = openTargetPlace(target, allowedRoots);
  if (place === undefined) return { wasBound: false, mountIds: [] };
  try {
    return onTarget(target, () => {
      refuseOtherVolume(mountAtTarget(place), target, volumeId, records);
      const mountIds = unmountAll(place, records);
      removeDirectory(place, target);
      return { wasBound: mountIds.length > 0, mountIds };
    });
  } finally {
    closeSync(place.parentFd);
  }
}

function refuseOtherVolume(
  mountId: bigint | undefined,
  target: string,
  volumeId: string,
  records: BindRecords,
): void {
  if (volumeId === '' || mountId === undefined) return;
  const record = records.read(mountId);
  if (record === undefined || record.volumeId === '' || record.volumeId === volumeId) return;
  throw new DriverError(
    'not-published',
    `The target ${target} holds volume ${record.volumeId}, not ${volumeId}; it is left alone.`,
  );
}

/**
 * Unmounts every mount stacked at a place, with the binds of single files inside; each look after an unmount is the proof
 * that it is gone. Returns the ids that are gone.
 */
export function unmountAll(place: TargetPlace, records: BindRecords): bigint[] {
  const mountIds: bigint[] = [];
  for (let mountId = mountAtTarget(place); mountId !== undefined; ) {
    if (mountIds.length === stackLimit) {
      throw new DriverError('target-busy', `More than ${stackLimit} mounts are stacked on the target.`);
    }
    atEffect('unmount target', () => unmountOnce(place));
    const next = mountAtTarget(place);
    if (next === mountId) {
      throw new DriverError('target-busy', 'The mount at the target did not go away when it was unmounted.');
    }
    records.remove(mountId);
    mountIds.push(mountId);
    mountId = next;
  }
  return mountIds;
}

/**
 * One mount off the stack. A busy one (or one with binds inside) is detached: whoever holds it keeps it alive, the target
 * is free. To ask for the binds inside beforehand would cost a walk over every mount of the node (listmount(2)).
 */
function unmountOnce(place: TargetPlace): void {
  try {
    unmountBelow(place.parentFd, place.leaf, { detach: false });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EBUSY') throw error;
    unmountBelow(place.parentFd, place.leaf, { detach: true });
  }
}

function removeDirectory(place: TargetPlace, target: string): void {
  try {
    atEffect('rmdir target', () => rmdirSync(nameBelow(place.parentFd, place.leaf)));
  } catch (error) {
    const code = errorCodeOf(error);
    // Not a directory: nothing of ours, and nothing that a directory's name could hold.
    if (code === 'ENOENT' || code === 'ENOTDIR') return;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    throw new DriverError(
      'target-unusable',
      `The target ${target} is unmounted but its directory cannot be removed (${code}); what is in it was not put there by this driver and is not deleted.`,
      { cause: error },
    );
  }
}

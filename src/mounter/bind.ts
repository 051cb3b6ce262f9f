// Makes a directory of a pool appear at a target, read-only from its first moment. Used in worker processes only.
import { closeSync, mkdirSync, rmdirSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { attachClone } from '../linux/bind.ts';
import { atEffect } from '../linux/effect-point.ts';
import { openPathBeneath } from '../linux/file-descriptor.ts';
import { type MountInfo, mountIdOf } from '../linux/mount-id.ts';
import { errorCodeOf, SyscallError } from '../linux/syscall-error.ts';
import type { BindRecord, BindRecords } from './bind-record.ts';
import { mountFailure, mountPlaceOf, probeSuperblock, withPoolRoot } from './mounted-pool.ts';
import type { BindOrder, MountPlace } from './pool-verbs.ts';
import { lookAtTarget, openTarget } from './target.ts';
import { targetFailure } from './target-failure.ts';
import { nameBelow, openTargetPlace, type TargetPlace } from './target-path.ts';
import { unmountAll } from './unbind.ts';

/** What a pool's worker knows about its pool and about targets. */
export interface BindContext {
  readonly poolUuid: string;
  readonly mountPath: string;
  readonly allowedRoots: readonly string[];
  readonly records: BindRecords;
}

/**
 * Binds `order.path` of the pool to the target; repeating it changes nothing. The pool's identity and health are read
 * first, in the same breath. `writableFiles` (relative to the path) get a writable bind of their own on top of the
 * read-only directory when the order asks for one, so that a pod can change bytes and never names.
 * @throws DriverError from the pool's probe, `path-not-visible`, `path-not-directory`, `target-unusable`,
 *   `already-published`, `resource-exhausted`
 */
export function bindPath(
  context: BindContext,
  order: BindOrder,
  writableFiles: readonly string[],
): { alreadyBound: boolean; mountId: bigint } {
  try {
    return withPoolRoot(context.mountPath, (rootFd) => bindFrom(rootFd, context, order, writableFiles));
  } catch (error) {
    // What is to be said of the target and of the records is a DriverError by now.
    throw mountFailure(error);
  }
}

function bindFrom(
  rootFd: number,
  context: BindContext,
  order: BindOrder,
  writableFiles: readonly string[],
): { alreadyBound: boolean; mountId: bigint } {
  const place = mountPlaceOf(rootFd);
  if (place === undefined) {
    throw new DriverError(
      'pool-not-ready',
      `Pool ${context.poolUuid} is not mounted at ${context.mountPath}.`,
    );
  }
  probeSuperblock(rootFd, context.poolUuid);
  const sourceFd = openSource(rootFd, place, order.path);
  try {
    return bindSource(context, order, place, sourceFd, writableFiles);
  } finally {
    closeSync(sourceFd);
  }
}

function openSource(rootFd: number, place: MountPlace, path: string): number {
  let fd: number;
  try {
    fd = openPathBeneath(rootFd, path, { directory: true });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === 'ENOTDIR') {
      throw new DriverError(
        'path-not-directory',
        `${path} is a file of the pool; a volume has to be a directory.`,
        { cause: error },
      );
    }
    // EXDEV: somebody mounts over a part of the path, or takes that away, just now.
    if (error.code === 'ENOENT' || error.code === 'ELOOP' || error.code === 'EXDEV') {
      throw new DriverError(
        'path-not-visible',
        `This node cannot open ${path} in the pool (${error.code}).`,
        { cause: error },
      );
    }
    throw mountFailure(error);
  }
  try {
    if (mountIdOf(fd).mountId === place.mountId) return fd;
    throw new DriverError(
      'path-not-visible',
      `Something else is mounted over ${path} inside the pool's own mount; it is not published.`,
    );
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function bindSource(
  context: BindContext,
  order: BindOrder,
  place: MountPlace,
  sourceFd: number,
  writableFiles: readonly string[],
): { alreadyBound: boolean; mountId: bigint } {
  const target = openTargetPlace(order.target, context.allowedRoots);
  if (target === undefined) {
    throw new DriverError(
      'target-unusable',
      `The directory above the target ${order.target} does not exist; kubelet makes it before it asks.`,
    );
  }
  try {
    const made = prepareTarget(context, order, place, target);
    if (typeof made === 'bigint') return { alreadyBound: true, mountId: made };
    try {
      return { alreadyBound: false, mountId: attachTree(context, order, sourceFd, target, writableFiles) };
    } catch (error) {
      clearAway(context, target, made);
      throw error;
    }
  } catch (error) {
    throw targetFailure(error, order.target);
  } finally {
    closeSync(target.parentFd);
  }
}

/**
 * Takes away what a failed bind has made. The error that led here is the one to tell: what cannot be taken away now is
 * known as unfinished by its record, or taken away by the call that unbinds. What stands in a directory that we have just
 * made was put there by somebody else, who keeps it.
 */
function clearAway(context: BindContext, target: TargetPlace, made: 'made' | 'found'): void {
  try {
    unmountAll(target, context.records);
    if (made === 'made') atEffect('rmdir target', () => rmdirSync(nameBelow(target.parentFd, target.leaf)));
  } catch {
    // See above.
  }
}

/** Brings the target into a state to bind on; the mount id when the very bind is there already. */
function prepareTarget(
  context: BindContext,
  order: BindOrder,
  place: MountPlace,
  target: TargetPlace,
): 'made' | 'found' | bigint {
  if (makeTarget(target)) return 'made';
  const state = lookAtTarget(target);
  switch (state.kind) {
    case 'absent':
      throw new DriverError(
        'operation-pending',
        `The target ${order.target} went away while it was looked at; try again.`,
      );
    case 'directory':
      return 'found';
    case 'not-a-directory':
      throw new DriverError(
        'target-unusable',
        `The target ${order.target} is there already and is not a directory (${state.code}); remove it.`,
      );
    case 'mount':
      if (isSameBind(context, order, place, state.mount)) return state.mount.mountId;
      clearStale(context, order, place, target, state.mount);
      return 'found';
  }
}

/** Makes the directory of a fresh target, as nearly every target is; false when something is there already. */
function makeTarget(target: TargetPlace): boolean {
  try {
    atEffect('mkdir target', () => mkdirSync(nameBelow(target.parentFd, target.leaf), { mode: 0o750 }));
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function isSameBind(context: BindContext, order: BindOrder, place: MountPlace, mount: MountInfo): boolean {
  const record = context.records.read(mount.mountId);
  return (
    mount.deviceMajor === place.deviceMajor &&
    mount.deviceMinor === place.deviceMinor &&
    mount.root === `/${order.path}` &&
    mount.readOnly &&
    record?.complete === true &&
    record.volumeId === order.volumeId &&
    record.writable === order.writable &&
    record.allowExec === order.allowExec &&
    record.soleTarget === order.soleTarget
  );
}

/**
 * A bind of the same volume that is unfinished, or whose pool's mount has been replaced since, is ours to take away.
 * Everything else at the target is somebody's and refused.
 */
function clearStale(
  context: BindContext,
  order: BindOrder,
  place: MountPlace,
  target: TargetPlace,
  mount: MountInfo,
): void {
  const record = context.records.read(mount.mountId);
  const isOfThisMount = mount.deviceMajor === place.deviceMajor && mount.deviceMinor === place.deviceMinor;
  const isOurs = record !== undefined && record.volumeId === order.volumeId;
  if (isOurs && (!isOfThisMount || !record.complete)) {
    unmountAll(target, context.records);
    return;
  }
  const what =
    record === undefined
      ? `a mount of ${mount.source} that this driver did not make`
      : `volume ${record.volumeId}`;
  const how = isOurs ? ' in another way (path, access, access mode or flags differ)' : '';
  throw new DriverError(
    'already-published',
    `The target ${order.target} already holds ${what}${how}; unpublish it first.`,
  );
}

function attachTree(
  context: BindContext,
  order: BindOrder,
  sourceFd: number,
  target: TargetPlace,
  writableFiles: readonly string[],
): bigint {
  const record: BindRecord = {
    volumeId: order.volumeId,
    target: order.target,
    poolUuid: context.poolUuid,
    path: order.path,
    writable: order.writable,
    allowExec: order.allowExec,
    soleTarget: order.soleTarget,
    complete: !order.writable,
  };
  const attributes = { nosuid: true, nodev: true, noexec: !order.allowExec };
  const mountId = attachDirectory(context, sourceFd, target, attributes, record);
  if (!order.writable) return mountId;
  const boundFd = openTarget(target);
  try {
    // A writable bind belongs on ours, and on nothing that has come to stand in its place or on top of it.
    if (mountIdOf(boundFd).mountId !== mountId) {
      throw new DriverError(
        'operation-pending',
        `Somebody has mounted over the target ${order.target}, or unmounted it, while its files were being bound; try again.`,
      );
    }
    for (const file of writableFiles) attachWritableFile(sourceFd, boundFd, file, attributes);
  } finally {
    closeSync(boundFd);
  }
  context.records.write(mountId, { ...record, complete: true });
  return mountId;
}

/** Attaches the read-only bind of the directory. Its record is there before it is, and goes when it does not come to be. */
function attachDirectory(
  context: BindContext,
  sourceFd: number,
  target: TargetPlace,
  attributes: { nosuid: boolean; nodev: boolean; noexec: boolean },
  record: BindRecord,
): bigint {
  const targetFd = openTarget(target);
  let recorded: bigint | undefined;
  try {
    return attachClone({
      sourceFd,
      targetFd,
      label: 'directory',
      attributes: { ...attributes, readOnly: true },
      beforeAttach: (mountId) => {
        recorded = mountId;
        context.records.write(mountId, record);
      },
    }).mountId;
  } catch (error) {
    if (recorded !== undefined) context.records.remove(recorded);
    throw error;
  } finally {
    closeSync(targetFd);
  }
}

function attachWritableFile(
  directoryFd: number,
  boundFd: number,
  file: string,
  attributes: { nosuid: boolean; nodev: boolean; noexec: boolean },
): void {
  const sourceFd = openPathBeneath(directoryFd, file);
  try {
    const targetFd = openPathBeneath(boundFd, file);
    try {
      attachClone({ sourceFd, targetFd, label: 'file', attributes: { ...attributes, readOnly: false } });
    } finally {
      closeSync(targetFd);
    }
  } finally {
    closeSync(sourceFd);
  }
}

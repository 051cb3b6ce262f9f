// Clears what famfs leaves in its folder for temporary things when it is killed over a dummy mount, or when the mounter is
// before it has cleared up after famfs. Told by famfs's own names for them, and by nobody using them.
import { lstatSync, readdirSync, rmdirSync, rmSync, type Stats } from 'node:fs';
import path from 'node:path';
import { type CommandLocation, pathSeenFromHere } from '../famfs/command-location.ts';
import { atEffect } from '../linux/effect-point.ts';
import { type MountTableEntry, mountOf, readMountTable } from '../linux/mount-table.ts';
import { listProcesses, mountNamespaceOf } from '../linux/processes.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import { daemonWords } from './famfs-daemons.ts';

/** What famfs names by itself, by mkdtemp(3): nothing else is ever taken for a leftover. */
export const dummyPattern = /^(?:\/[\w.-]+)*\/famfs_dummy_[A-Za-z0-9]{6}$/;
export const shadowPattern = /^(?:\/[\w.-]+)*\/famfs_shadow_[A-Za-z0-9]{6}$/;

/** Programs that make such a folder first and mount on it, or serve from it, a moment later. */
const famfsCommands: ReadonlySet<string> = new Set(['famfs', 'mkfs.famfs']);

/**
 * Removes empty dummy mount points and unused shadow trees below `folder`, a path where famfs runs. Only under the
 * machine's lock, so that no command of a driver is at it; while a person's famfs command runs, nothing is touched.
 * Never fails: what cannot be removed now is tried again the next time.
 * @returns the paths that were removed
 */
export function clearDummyLeftovers(folder: string, location: CommandLocation): string[] {
  const left = placesLeft(folder, location);
  if (left.length === 0) return [];
  const used = usedShadows(folder, location.kind === 'host' ? location.hostPid : 'self');
  if (used === undefined) return [];
  const mountPoints = readMountTable(location.kind === 'host' ? location.hostPid : 'self').map(
    ({ mountPoint }) => mountPoint,
  );
  return left.filter((place) => {
    const isMounted = mountPoints.some((point) => point === place || point.startsWith(`${place}/`));
    return !isMounted && !used.has(place) && remove(pathSeenFromHere(location, place));
  });
}

/** Whether there is something to clear, or a famfs command at work; asks nothing but the folder. */
export function hasDummyLeftovers(folder: string, location: CommandLocation): boolean {
  return placesLeft(folder, location).length > 0;
}

/** What goes by famfs's names, as paths where famfs runs. */
function placesLeft(folder: string, location: CommandLocation): string[] {
  return namesIn(pathSeenFromHere(location, folder))
    .map((name) => path.join(folder, name))
    .filter((place) => dummyPattern.test(place) || shadowPattern.test(place));
}

/** The shadow trees that daemons serve from; undefined when that cannot be known, or may change this moment. */
function usedShadows(folder: string, famfsPid: number | 'self'): ReadonlySet<string> | undefined {
  const namespace = mountNamespaceOf(famfsPid);
  const ownPlace = placeInFileSystem(folder, famfsPid);
  const used = new Set<string>();
  for (const { pid, state, comm } of listProcesses()) {
    if (state === 'Z' || !(comm === 'famfs_fused' || famfsCommands.has(comm))) continue;
    const isHere = mountNamespaceOf(pid) === namespace;
    if (!isHere && placeInFileSystem(folder, pid) !== ownPlace) continue;
    // The command line of a process elsewhere may not be readable: it can call itself what it likes, and be stuck.
    if (!isHere || famfsCommands.has(comm)) return undefined;
    for (const word of daemonWords(pid)) {
      const shadow = /(?:^|,)shadow=([^,]+)/.exec(word)?.[1];
      if (shadow !== undefined) used.add(shadow);
    }
  }
  return used;
}

/** Which directory of which file system a path is for a process, by its mount table alone; undefined when it has ended. */
function placeInFileSystem(folder: string, pid: number | 'self'): string | undefined {
  let table: MountTableEntry[];
  try {
    table = readMountTable(pid);
  } catch {
    return undefined;
  }
  const mount = mountOf(folder, table);
  if (mount === undefined) return undefined;
  const { deviceMajor, deviceMinor, root, mountPoint } = mount;
  return `${deviceMajor}:${deviceMinor} ${path.join(root, path.relative(mountPoint, folder))}`;
}

function remove(place: string): boolean {
  try {
    if (!isOurOwn(lstatSync(place))) return false;
    atEffect('remove leftover', () => {
      if (dummyPattern.test(place)) rmdirSync(place);
      else rmSync(place, { recursive: true, force: true });
    });
    return true;
  } catch {
    // Not empty or busy: somebody's after all, and only a leftover.
    return false;
  }
}

/**
 * mkdtemp(3) makes a directory that is its maker's alone. Any user can make one of that name in /tmp, fill it with what it
 * likes and exchange it while root is deleting below; that one is not root's, or not closed to others.
 */
function isOurOwn(found: Stats): boolean {
  return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT' || errorCodeOf(error) === 'EACCES') return [];
    throw error;
  }
}

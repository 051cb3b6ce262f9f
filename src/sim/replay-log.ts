// Replays a log into the tree of names of a mount, as `famfs logplay` and `famfs mount` do. Must not know how the
// log was read.
import { lstatSync } from 'node:fs';
import path from 'node:path';
import type { FileEntry } from '../famfs/log-entry.ts';
import type { CommandContext } from './command-context.ts';
import { ensureExtent, openDevice } from './device.ts';
import { isHeaderValid, judgeEntry, type LogImage } from './log-image.ts';
import { type Role, roleOfNode } from './pool-identity.ts';
import { addDirectory, addFile, shadowPath } from './shadow.ts';
import type { SimulatedMount } from './simulated-mount.ts';

/** How to replay. `asClient` takes write permission off files even where this node is the master. */
export interface ReplayOptions {
  readonly isDryRun: boolean;
  readonly asClient: boolean;
}

/**
 * Adds every name of the log that the mount does not show yet. Returns famfs's result: 0, a count of entries that
 * could not be made, or -1 after a message when superblock, header or an entry is not valid (entries before it stay).
 */
export function replayLog(
  context: CommandContext,
  mount: SimulatedMount,
  superblock: Buffer,
  image: LogImage,
  options: ReplayOptions,
): number {
  const role = roleOfNode(context, superblock);
  if (role === 'none') {
    context.complain('__famfs_logplay: no valid superblock on device');
    return -1;
  }
  if (!isHeaderValid(context, image)) {
    context.complain('__famfs_logplay: invalid log header');
    return -1;
  }
  const total = Number(image.header.nextIndex);
  const counts = { files: 0, directories: 0, errors: 0 };
  for (let index = 0; index < total; index += 1) {
    const entry = judgeEntry(context, image, index);
    if (entry === 'bad') {
      context.complain(`__famfs_logplay: Error: invalid log entry at index ${index} of ${total}`);
      return -1;
    }
    if (entry === 'ignored') continue;
    if (entry.path === '' || entry.path.startsWith('/')) {
      context.complain(`__famfs_logplay: ignoring log entry; path is not relative (${entry.path})`);
      counts.errors += 1;
      continue;
    }
    if (isTaken(mount, entry.path)) continue;
    const isFile = entry.kind === 'file';
    try {
      if (!options.isDryRun) {
        if (isFile) addLoggedFile(mount, entry, loggedOwnerAndMode(mount, entry, role, options.asClient));
        else addDirectory(mount, entry.path, entry);
      }
      if (isFile) counts.files += 1;
      else counts.directories += 1;
    } catch {
      context.complain(`__famfs_logplay: failed to create ${isFile ? 'file' : 'directory'} ${entry.path}`);
      counts.errors += 1;
    }
  }
  const kind = mount.mode === 'fuse' ? 'shadow' : 'v1';
  context.print(
    `famfs_logplay(${kind}): ${total} log entries; ${counts.files} new files; ${counts.directories} new directories`,
  );
  return counts.errors;
}

/** Owner and permission of a file as a mount shows it. */
interface OwnerAndMode {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Gives a logged or newly made file its name and its memory. Returns false when the name is taken. */
export function addLoggedFile(mount: SimulatedMount, entry: FileEntry, shown: OwnerAndMode): boolean {
  const first = entry.extents[0];
  // A size that no signed number holds has no memory behind it; famfs shows the name all the same.
  const isMappable = first !== undefined && first.lengthBytes > 0n && entry.sizeBytes < 1n << 62n;
  if (isMappable) ensureExtent(openDevice(mount.deviceDirectory), first.offsetBytes, entry.sizeBytes);
  return addFile(mount, entry.path, {
    sizeBytes: entry.sizeBytes,
    ...shown,
    extents: entry.extents,
    ...(entry.interleave === undefined ? {} : { chunkBytes: entry.interleave.chunkBytes }),
  });
}

/** Standalone mode keeps uid 0 and gid 0 unless both are given, and takes `w` away on a client (reference 3, 4.5). */
export function loggedOwnerAndMode(
  mount: SimulatedMount,
  entry: OwnerAndMode,
  role: Role,
  asClient: boolean,
): OwnerAndMode {
  if (mount.mode === 'fuse') return { mode: entry.mode, uid: entry.uid, gid: entry.gid };
  const isReadOnly = role === 'client' || asClient;
  const isOwned = entry.uid !== 0 && entry.gid !== 0;
  return {
    mode: isReadOnly ? entry.mode & ~0o222 : entry.mode,
    uid: isOwned ? entry.uid : 0,
    gid: isOwned ? entry.gid : 0,
  };
}

function isTaken(mount: SimulatedMount, relativePath: string): boolean {
  return lstatSync(shadowPath(mount, path.normalize(relativePath)), { throwIfNoEntry: false }) !== undefined;
}

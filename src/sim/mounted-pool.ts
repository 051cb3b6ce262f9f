// From a path to the famfs file system it lies in, and the bytes of its superblock and log through the mount, as
// the real commands go about it. Must not change anything.
import { closeSync, fstatSync, openSync, readSync, realpathSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { type LogHeader, logHeaderBytes } from '../famfs/log-header.ts';
import { superblockBytes } from '../famfs/superblock.ts';
import { mountOf, readMountTable } from '../linux/mount-table.ts';
import type { CommandContext } from './command-context.ts';
import { decodeHeader, type LogImage, readLogImage } from './log-image.ts';
import { type FoundMount, findMount } from './simulated-mount.ts';

/** Reads `.meta/.superblock` of the mount that a path lies in. Undefined when the path is not in a whole mount. */
export function readSuperblockThrough(found: FoundMount | undefined): Buffer | undefined {
  if (found === undefined || found.rootWithin !== '/') return undefined;
  try {
    return readAll(path.join(found.mountPoint, '.meta/.superblock'), superblockBytes).bytes;
  } catch {
    return undefined;
  }
}

/**
 * Reads the log through `.meta/.log`. In fuse mode the close at its end releases whatever lock somebody holds on
 * the log: that is famfs's own hazard (reference 5.5) and must stay. Undefined when there is no such file.
 */
export function readLogThrough(found: FoundMount | undefined): LogImage | undefined {
  if (found === undefined || found.rootWithin !== '/') return undefined;
  let fd: number;
  try {
    fd = openSync(path.join(found.mountPoint, '.meta/.log'), 'r');
  } catch {
    return undefined;
  }
  try {
    return readLogOf(fd);
  } finally {
    closeSync(fd);
  }
}

/** Reads the log from an open descriptor of it. */
export function readLogOf(fd: number): LogImage {
  return readLogImage((offset, length) => readFrom(fd, offset, length), BigInt(fstatSync(fd).size));
}

/** Reads the header of the log, as it is at this moment, from an open descriptor of the log. */
export function readHeaderOf(fd: number): LogHeader {
  return decodeHeader(readFrom(fd, 0, logHeaderBytes));
}

/** The mount that a path lies in; a path that does not exist counts as lying where its parent does. */
export function findMountOf(context: CommandContext, file: string): FoundMount | undefined {
  const real = realPathOf(file) ?? realPathOf(path.dirname(path.resolve(file)));
  return real === undefined ? undefined : findMount(context.node, real);
}

/**
 * realpath(3), or undefined. The link that stands for a device node is taken as the thing itself: only its parent
 * is resolved, so that /dev/dax0.0 of a node keeps its name.
 */
export function realPathOf(file: string): string | undefined {
  try {
    return realpathSync(file);
  } catch {
    return undefined;
  }
}

/** famfs's first look at a path that is to be made: it or its parent must answer statfs(2). Says so when not. */
export function isPathReachable(context: CommandContext, file: string): boolean {
  if (answersStatfs(file) || answersStatfs(path.dirname(path.resolve(file)))) return true;
  context.complain(`file_is_famfs: statfs failed for path ${file} and its parent`);
  return false;
}

/**
 * The path of a file relative to the root of its file system, as famfs logs it: what stands after the mount point,
 * word for word (`a/../b` stays so); for a path written in another way, its real parent and its own name.
 */
export function relativePathOf(found: FoundMount, file: string): string {
  const prefix = `${found.mountPoint}/`;
  if (file.startsWith(prefix)) return file.slice(prefix.length);
  const absolute = path.resolve(file);
  const parent = realPathOf(path.dirname(absolute)) ?? path.dirname(absolute);
  return path.join(parent, path.basename(absolute)).slice(prefix.length);
}

function answersStatfs(file: string): boolean {
  try {
    statfsSync(file);
    return true;
  } catch {
    return false;
  }
}

function readAll(file: string, lengthBytes: number): { bytes: Buffer } {
  const fd = openSync(file, 'r');
  try {
    return { bytes: readFrom(fd, 0, lengthBytes) };
  } finally {
    closeSync(fd);
  }
}

function readFrom(fd: number, offsetBytes: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let done = 0;
  while (done < lengthBytes) {
    const count = readSync(fd, bytes, done, lengthBytes - done, offsetBytes + done);
    if (count === 0) break;
    done += count;
  }
  return bytes;
}

/** The mount point that any path lies under, famfs or not, by the mount table. */
export function mountPointOf(absolutePath: string): string {
  return mountOf(absolutePath, readMountTable())?.mountPoint ?? '/';
}

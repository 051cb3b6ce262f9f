// The record that a simulated node keeps of each of its mounts, so that a command can find from a path what the
// real famfs asks the kernel or the daemon. Knows the mount table, never FUSE.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type MountTableEntry, readMountTable } from '../linux/mount-table.ts';
import type { SimulatedNode } from './node.ts';

/** A mount of a device on a simulated node. */
export interface SimulatedMount {
  /** Unique on the machine; names the record and, in views, the directory of links. */
  readonly id: string;
  readonly nodeRoot: string;
  /** Name on the node, e.g. `dax0.0`. */
  readonly deviceName: string;
  /** What the mount table shows as source: the path that `famfs mount` was given. */
  readonly source: string;
  readonly deviceDirectory: string;
  readonly mode: 'fuse' | 'standalone';
  readonly presentation: 'fuse' | 'views';
  /** Absolute, as seen in the mount namespace of the daemon. */
  readonly mountPoint: string;
  /** In standalone mode a hidden one below NODE/run, in fuse mode what --shadow or the default says. */
  readonly shadow: string;
  /** Views: the directory with the hard links; else null. */
  readonly viewDirectory: string | null;
  /** The daemon. */
  readonly pid: number;
  /** The device was held by another mount: everything reads as EIO (fuse mode's status 99 state). */
  readonly broken: boolean;
  /** `major:minor` of the mount, as in mountinfo. */
  readonly deviceNumber: string;
}

/** A line of the mount table together with the record it belongs to. */
export interface FoundMount {
  readonly mount: SimulatedMount;
  /** Where this line mounts it (another place than `mount.mountPoint` for a bind). */
  readonly mountPoint: string;
  /** Which directory of the file system this line shows: '/' for the whole. A bind of a subdirectory has no `.meta`. */
  readonly rootWithin: string;
}

/**
 * The simulated mount that a path lies on, by the caller's own mount table, or undefined when the path is not on
 * one. Textual, and never touches the path: it works on a dead mount. `absolutePath` is free of links and `..`.
 */
export function findMount(node: SimulatedNode, absolutePath: string): FoundMount | undefined {
  let best: MountTableEntry | undefined;
  for (const entry of readMountTable()) {
    // A later line of the same mount point lies on top of an earlier one.
    if (!isAtOrBelow(absolutePath, entry.mountPoint)) continue;
    if (best === undefined || entry.mountPoint.length >= best.mountPoint.length) best = entry;
  }
  return best === undefined ? undefined : matchRecord(readMountRecords(node), best);
}

/** Every line of the caller's mount table that shows a device of this node (by its name), binds included. */
export function findMountsOfDevice(node: SimulatedNode, deviceName: string): FoundMount[] {
  const records = readMountRecords(node).filter((record) => record.deviceName === deviceName);
  return readMountTable().flatMap((entry) => matchRecord(records, entry) ?? []);
}

/** Keeps the record of a mount, and drops older ones whose device number the kernel has given to it. */
export function writeMountRecord(node: SimulatedNode, mount: SimulatedMount): void {
  for (const old of readMountRecords(node)) {
    const isReused = old.presentation === 'fuse' && old.deviceNumber === mount.deviceNumber;
    if (isReused && mount.presentation === 'fuse' && old.id !== mount.id) removeMountRecord(node, old);
  }
  const file = recordPath(node, mount.id);
  mkdirSync(path.dirname(file), { recursive: true });
  // Readers must never see half of it.
  writeFileSync(`${file}.new`, `${JSON.stringify(mount, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Forgets a mount. */
export function removeMountRecord(node: SimulatedNode, mount: Pick<SimulatedMount, 'id'>): void {
  rmSync(recordPath(node, mount.id), { force: true });
}

/** The records of the node. Those of daemons that were killed stay until their mount's number is used again. */
export function readMountRecords(node: SimulatedNode): SimulatedMount[] {
  const directory = path.join(node.runDirectory, 'mounts');
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => readRecord(path.join(directory, name)) ?? []);
}

/** One record, or undefined when its mount went away meanwhile. */
function readRecord(file: string): SimulatedMount | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return isRecord(parsed) ? parsed : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file is written by `writeMountRecord` alone, so a look at a few fields tells that it is one of ours. */
function isRecord(value: unknown): value is SimulatedMount {
  if (typeof value !== 'object' || value === null) return false;
  return 'id' in value && 'shadow' in value && 'deviceNumber' in value && 'viewDirectory' in value;
}

function recordPath(node: SimulatedNode, id: string): string {
  return path.join(node.runDirectory, 'mounts', `${id}.json`);
}

function matchRecord(records: readonly SimulatedMount[], entry: MountTableEntry): FoundMount | undefined {
  for (const mount of records) {
    const rootWithin = mount.presentation === 'fuse' ? rootOfFuse(mount, entry) : rootOfView(mount, entry);
    if (rootWithin !== undefined) return { mount, mountPoint: entry.mountPoint, rootWithin };
  }
  return undefined;
}

function rootOfFuse(mount: SimulatedMount, entry: MountTableEntry): string | undefined {
  const isFuse = entry.fileSystemType === 'fuse' || entry.fileSystemType === 'fuse.famfs';
  const number = `${entry.deviceMajor}:${entry.deviceMinor}`;
  return isFuse && number === mount.deviceNumber && entry.source === mount.source ? entry.root : undefined;
}

function rootOfView(mount: SimulatedMount, entry: MountTableEntry): string | undefined {
  const marker = `/views/${mount.id}`;
  const at = entry.root.indexOf(marker);
  if (at === -1) return undefined;
  const rest = entry.root.slice(at + marker.length);
  if (rest !== '' && !rest.startsWith('/')) return undefined;
  return rest === '' ? '/' : rest;
}

function isAtOrBelow(candidate: string, directory: string): boolean {
  return candidate === directory || directory === '/' || candidate.startsWith(`${directory}/`);
}

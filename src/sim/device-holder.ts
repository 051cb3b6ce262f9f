// Who holds a device on a simulated node. The real kernel lets one mount at a time hold a dax device, in whatever
// mount namespace it is, alive or dead (famfs kernel reference 3). Knows locks and mount tables, no FUSE.
import { mkdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { type FileLock, tryFileLock } from '../linux/file-lock.ts';
import type { MountTableEntry } from '../linux/mount-table.ts';
import { processesHolding } from '../linux/processes.ts';
import type { SimulatedNode } from './node.ts';

/** The mount that a lock file speaks of, for when its daemon was killed and the mount is still there. */
interface HeldMount {
  readonly deviceNumber: string;
  readonly source: string;
}

/** A hold on a device. It ends with `release`, or with the process. */
export interface DeviceHold {
  /** Says which mount it is for, so that the hold outlives the daemon as the mount does. */
  readonly note: (mount: HeldMount) => void;
  readonly release: () => void;
}

/**
 * Takes hold of a device, or returns undefined when another mount of this node has it: one with a living daemon,
 * or one whose daemon was killed but that some process on the machine still has in its mount table.
 */
export function tryHoldDevice(node: SimulatedNode, deviceName: string): DeviceHold | undefined {
  const directory = path.join(node.runDirectory, 'holders');
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, deviceName);
  const lock = tryFileLock(file);
  if (lock === undefined) return undefined;
  const last = parseNote(readFileSync(file, 'utf8'));
  if (last !== undefined && processesHolding((entry) => shows(entry, last)).length > 0) {
    lock.release();
    return undefined;
  }
  return { note: (mount) => writeNote(lock, mount), release: () => lock.release() };
}

/** Whether a mount would find the device held. */
export function isDeviceHeld(node: SimulatedNode, deviceName: string): boolean {
  const hold = tryHoldDevice(node, deviceName);
  hold?.release();
  return hold === undefined;
}

function writeNote(lock: FileLock, { deviceNumber, source }: HeldMount): void {
  // Padded, so that a shorter note leaves nothing of a longer one.
  writeSync(lock.fd, `${deviceNumber} ${source}\n`.padEnd(4096), 0);
}

function parseNote(text: string): HeldMount | undefined {
  const match = /^(\d+:\d+) (.+)$/m.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { deviceNumber: match[1], source: match[2] };
}

function shows(entry: MountTableEntry, mount: HeldMount): boolean {
  const number = `${entry.deviceMajor}:${entry.deviceMinor}`;
  return (
    number === mount.deviceNumber &&
    entry.source === mount.source &&
    /^fuse(\.famfs)?$/.test(entry.fileSystemType)
  );
}

// A simulated dax device: a directory on tmpfs that stands for the bytes of shared memory. Knows where bytes
// live, never what they mean: the on-media format is src/famfs, who may hold a device is device-holder.ts.
//
//   DEVICE/size         decimal bytes of the memory
//   DEVICE/superblock   bytes [0, 2 MiB)
//   DEVICE/log          bytes [2 MiB, 2 MiB + log length)
//   DEVICE/x<offset>    the bytes of the file whose first extent (or first strip) begins at that offset
//   DEVICE/poisoned     while it is there, new accesses through a mount fail as on a memory error; may list the
//                       roots of the nodes that this is true for, one a line
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';

/** Bytes before the log, fixed by famfs (reference 2): the superblock's area. */
export const superblockAreaBytes = 0x200000n;

/** An opened simulated device. `directory` is absolute. */
export interface SimulatedDevice {
  readonly directory: string;
  readonly sizeBytes: bigint;
}

/**
 * Makes the directory of a device whose memory is all zero. The directory should be on tmpfs (it is what makes
 * mappings of several nodes the same memory). Throws `exists-differently` when there is a device already.
 */
export function createDevice(directory: string, sizeBytes: bigint): SimulatedDevice {
  const absolute = path.resolve(directory);
  if (existsSync(path.join(absolute, 'size'))) {
    throw new DriverError(
      'exists-differently',
      `${absolute} is a simulated device already; remove it to make another`,
    );
  }
  mkdirSync(absolute, { recursive: true });
  const device: SimulatedDevice = { directory: absolute, sizeBytes };
  writeFileSync(superblockPath(device), '');
  truncateSync(superblockPath(device), Number(superblockAreaBytes));
  writeFileSync(logPath(device), '');
  writeFileSync(path.join(absolute, 'size'), `${sizeBytes}\n`);
  return device;
}

/** Opens the device in a directory. Throws `device-unsuitable` when the directory holds none. */
export function openDevice(directory: string): SimulatedDevice {
  const absolute = path.resolve(directory);
  const sizePath = path.join(absolute, 'size');
  if (!existsSync(sizePath)) {
    throw new DriverError(
      'device-unsuitable',
      `${absolute} holds no simulated device; make one with create-device`,
    );
  }
  const text = readFileSync(sizePath, 'utf8').trim();
  if (!/^[0-9]+$/.test(text)) {
    throw new DriverError('device-unsuitable', `${sizePath} does not hold a number of bytes: ${text}`);
  }
  return { directory: absolute, sizeBytes: BigInt(text) };
}

/** The file with the superblock's 2 MiB. */
export function superblockPath(device: SimulatedDevice): string {
  return path.join(device.directory, 'superblock');
}

/** The file with the log; empty until something was written there. */
export function logPath(device: SimulatedDevice): string {
  return path.join(device.directory, 'log');
}

/** The file with the bytes of an extent. Offset 0 is the superblock, 2 MiB the log, as on the memory. */
export function extentPath(device: SimulatedDevice, offsetBytes: bigint): string {
  if (offsetBytes === 0n) return superblockPath(device);
  if (offsetBytes === superblockAreaBytes) return logPath(device);
  return path.join(device.directory, `x${offsetBytes}`);
}

/** The first `lengthBytes` of the superblock's area (200 are in use). */
export function readSuperblockBytes(device: SimulatedDevice, lengthBytes = 200): Buffer {
  return readAt(superblockPath(device), 0, lengthBytes);
}

/** Puts bytes at the start of the superblock's area; the rest of the area stays. */
export function writeSuperblockBytes(device: SimulatedDevice, bytes: Uint8Array): void {
  writeAt(superblockPath(device), 0, bytes);
}

/** `lengthBytes` of the log from `offsetBytes` on; bytes that were never written read as zero, as memory does. */
export function readLog(device: SimulatedDevice, offsetBytes: number, lengthBytes: number): Buffer {
  return readAt(logPath(device), offsetBytes, lengthBytes);
}

/** Puts bytes into the log. */
export function writeLog(device: SimulatedDevice, offsetBytes: number, bytes: Uint8Array): void {
  writeAt(logPath(device), offsetBytes, bytes);
}

/** Makes the log area this long and all zero, as mkfs does. */
export function clearLog(device: SimulatedDevice, lengthBytes: bigint): void {
  truncateSync(logPath(device), 0);
  truncateSync(logPath(device), Number(lengthBytes));
}

/**
 * Makes sure that the file for an extent is there with exactly `sizeBytes`, and returns its path. Bytes that are
 * there stay ("famfs does not zero", reference 4.1): only what lies past a smaller new size is lost.
 */
export function ensureExtent(device: SimulatedDevice, offsetBytes: bigint, sizeBytes: bigint): string {
  const file = extentPath(device, offsetBytes);
  const fd = openSync(file, 'a+', 0o600);
  try {
    ftruncateSync(fd, Number(sizeBytes));
  } finally {
    closeSync(fd);
  }
  return file;
}

/**
 * Makes the memory of the device fail, or work again, for every new access through a mount: on all nodes, or on those
 * with these roots. A mount that has met the failure stays failed until it is unmounted, as on a memory error.
 */
export function setPoisoned(
  device: SimulatedDevice,
  poisoned: boolean,
  nodeRoots: readonly string[] = [],
): void {
  const marker = path.join(device.directory, 'poisoned');
  if (poisoned) writeFileSync(marker, nodeRoots.map((root) => `${root}\n`).join(''));
  else rmSync(marker, { force: true });
}

/** Tells whether the memory of the device fails on a node. */
export function isPoisoned(device: SimulatedDevice, nodeRoot: string): boolean {
  const marker = path.join(device.directory, 'poisoned');
  if (!existsSync(marker)) return false;
  const roots = readFileSync(marker, 'utf8').trim();
  return roots === '' || roots.split('\n').includes(nodeRoot);
}

function readAt(file: string, offsetBytes: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  const fd = openSync(file, 'r');
  try {
    let done = 0;
    while (done < lengthBytes) {
      const count = readSync(fd, bytes, done, lengthBytes - done, offsetBytes + done);
      if (count === 0) break;
      done += count;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}

function writeAt(file: string, offsetBytes: number, bytes: Uint8Array): void {
  const fd = openSync(file, statSync(file, { throwIfNoEntry: false }) === undefined ? 'w+' : 'r+');
  try {
    let done = 0;
    while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, offsetBytes + done);
  } finally {
    closeSync(fd);
  }
}

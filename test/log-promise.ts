// What a pool whose log was accepted promises to everyone who uses it, checked from the outside and the slow way.
// Must not use the validator's own rules: it is what they are held against.
import { logCapacity } from '../src/famfs/log-header.ts';
import type { PoolLog } from '../src/famfs/pool-log.ts';

/** Which promise an accepted log breaks, as a sentence; undefined for one that keeps all of them. */
export function brokenPromise(log: PoolLog): string | undefined {
  const { superblock, entries, header } = log;
  const { allocationUnitBytes: unit, deviceSizeBytes } = superblock;
  const logEnd = superblock.logOffsetBytes + superblock.logLengthBytes;
  if (logEnd > deviceSizeBytes) return `the log ends at ${logEnd}, behind the device`;
  if (header.nextIndex !== BigInt(entries.length)) return `${entries.length} entries of ${header.nextIndex}`;
  if (header.nextIndex > logCapacity(superblock.logLengthBytes)) return 'more entries than fit';
  const directories = new Set(['']);
  const paths = new Set<string>();
  const taken: (readonly [from: bigint, to: bigint, path: string])[] = [[0n, logEnd, 'superblock and log']];
  for (const entry of entries) {
    const { path } = entry;
    const wrongPath = unsafePath(path);
    if (wrongPath !== undefined) return `${JSON.stringify(path)} ${wrongPath}`;
    if (paths.has(path)) return `${JSON.stringify(path)} is there twice`;
    paths.add(path);
    if (!directories.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) {
      return `${JSON.stringify(path)} lies in no directory`;
    }
    if (entry.mode > 0o7777) return `${path} has the mode 0${entry.mode.toString(8)}`;
    if (entry.kind === 'directory') {
      directories.add(path);
      continue;
    }
    if (entry.sizeBytes <= 0n) return `${path} is ${entry.sizeBytes} bytes long`;
    if (entry.extents.length < 1 || entry.extents.length > 16) return `${path} has too many or no extents`;
    let room = 0n;
    for (const { offsetBytes, lengthBytes } of entry.extents) {
      if (lengthBytes <= 0n) return `${path} has an empty extent`;
      if (offsetBytes % unit !== 0n || lengthBytes % unit !== 0n) return `${path} has a crooked extent`;
      if (offsetBytes + lengthBytes > deviceSizeBytes) return `${path} leaves the device`;
      taken.push([offsetBytes, offsetBytes + lengthBytes, path]);
      room += lengthBytes;
    }
    if (room < entry.sizeBytes) return `${path} is longer than its extents`;
  }
  return overlap(taken) ?? wrongSpace(log, taken);
}

function unsafePath(path: string): string | undefined {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.length > 78) return `is ${bytes.length} bytes long`;
  if (!path.isWellFormed() || bytes.toString() !== path) return 'is not Unicode';
  if ([...bytes].some((byte) => byte < 0x20 || byte === 0x7f)) return 'has a control byte';
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'is no plain way down';
  return parts[0] === '.meta' ? 'is famfs’s own' : undefined;
}

function overlap(taken: readonly (readonly [bigint, bigint, string])[]): string | undefined {
  const sorted = taken.toSorted(([left], [right]) => (left < right ? -1 : Number(left > right)));
  for (const [i, [from, , path]] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && before[1] > from) return `${path} overlaps ${before[2]} at ${from}`;
  }
  return undefined;
}

function wrongSpace(log: PoolLog, taken: readonly (readonly [bigint, bigint, string])[]): string | undefined {
  const { allocationUnitBytes: unit } = log.superblock;
  const units = taken.reduce((sum, [from, to]) => sum + (to - from + unit - 1n) / unit, 0n);
  const { allocatedBytes, sizeBytes, freeBytes, collisions } = log.space;
  if (collisions !== 0) return `${collisions} collisions were counted`;
  if (allocatedBytes !== units * unit) return `${allocatedBytes} bytes are counted, not ${units * unit}`;
  return freeBytes === sizeBytes - allocatedBytes ? undefined : `${freeBytes} bytes are called free`;
}

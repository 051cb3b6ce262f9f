// Writes the famfs format: a new pool, the next entry of a log, and the places of a new file, as famfs would choose
// them. Pure: the caller writes the bytes. Must not know where they go; only the simulator and tests write logs.
import { DriverError } from '../errors.ts';
import { type Extent, encodeLogEntry, type Interleave, type LogEntry, maxExtents } from './log-entry.ts';
import {
  encodeLogHeader,
  type LogHeader,
  logCapacity,
  logEntryOffset,
  nextIndexOffset,
  nextSequenceOffset,
} from './log-header.ts';
import { allocationUnitBytes, logOffsetBytes, type Superblock, superblockVersion } from './superblock.ts';
import type { UnitBitmap, UnitRun } from './unit-bitmap.ts';

/** The smallest log that mkfs.famfs makes, and its default. */
export const minLogLengthBytes = 0x800000n;
const maxBuckets = 64;
const minBucketBytes = 1n << 30n;

/** One write into the log, `offsetBytes` from the log's start. */
export interface LogWrite {
  readonly offsetBytes: number;
  readonly bytes: Buffer;
}

/** The superblock that mkfs.famfs writes (version 48, format 2.2). */
export function newSuperblock(options: {
  fileSystemUuid: string;
  deviceUuid: string;
  systemUuid: string;
  deviceSizeBytes: bigint;
  devicePath: string;
  logLengthBytes?: bigint;
}): Superblock {
  return {
    version: superblockVersion,
    logOffsetBytes,
    logLengthBytes: options.logLengthBytes ?? minLogLengthBytes,
    allocationUnitBytes,
    omfMajor: 2,
    omfMinor: 2,
    fileSystemUuid: options.fileSystemUuid,
    deviceUuid: options.deviceUuid,
    systemUuid: options.systemUuid,
    deviceSizeBytes: options.deviceSizeBytes,
    devicePath: options.devicePath,
  };
}

/** The header of a log without entries. */
export function emptyLogHeader(logLengthBytes: bigint): LogHeader {
  return { logLengthBytes, lastIndex: logCapacity(logLengthBytes) - 1n, nextSequence: 0n, nextIndex: 0n };
}

/**
 * The next entry of a log, as the writes that famfs makes and in its order: the entry, next_seqnum, next_index. A
 * reader between two of them finds a header that does not know the entry yet. Returns the header after them, too.
 * Throws DriverError `log-full`.
 */
export function appendLogEntry(
  header: LogHeader,
  entry: LogEntry,
): { header: LogHeader; writes: LogWrite[] } {
  if (header.nextIndex > header.lastIndex) {
    throw new DriverError(
      'log-full',
      `The log is full: all of its ${header.lastIndex + 1n} entries are in use. Only a new format makes room.`,
    );
  }
  const index = Number(header.nextIndex);
  const next = { ...header, nextSequence: header.nextSequence + 1n, nextIndex: header.nextIndex + 1n };
  const headerBytes = encodeLogHeader(next);
  return {
    header: next,
    writes: [
      { offsetBytes: logEntryOffset(index), bytes: encodeLogEntry(entry, index) },
      { offsetBytes: nextSequenceOffset, bytes: headerBytes.subarray(nextSequenceOffset, nextIndexOffset) },
      { offsetBytes: nextIndexOffset, bytes: headerBytes.subarray(nextIndexOffset) },
    ],
  };
}

/** Header and entries of a whole log, up to the end of the last entry. */
export function encodeLog(logLengthBytes: bigint, entries: readonly LogEntry[]): Buffer {
  const count = BigInt(entries.length);
  const header = { ...emptyLogHeader(logLengthBytes), nextSequence: count, nextIndex: count };
  if (count > header.lastIndex + 1n)
    throw new DriverError('log-full', `${count} entries do not fit into the log.`);
  return Buffer.concat([
    encodeLogHeader(header),
    ...entries.map((entry, index) => encodeLogEntry(entry, index)),
  ]);
}

/**
 * A place for a contiguous file: first fit over the whole bitmap, in whole units. Undefined where no free run is long
 * enough. Does not mark the bitmap.
 */
export function allocateContiguous(
  bitmap: UnitBitmap,
  unitBytes: bigint,
  sizeBytes: bigint,
): Extent[] | undefined {
  const run = bitmap.firstFit(unitsOf(sizeBytes, unitBytes));
  return run === undefined ? undefined : [extentOf(run, unitBytes)];
}

export interface InterleaveRequest {
  readonly stripCount: number;
  readonly bucketCount: number;
  readonly chunkBytes: bigint;
}

/**
 * Places for a striped file (famfs reference 4.2): the device is cut into `bucketCount` equal buckets, and as many of
 * them as there are strips, in a random order, hold one strip each, first fit. A file smaller than one chunk is
 * contiguous. `random` gives numbers in [0, 1). Undefined where the strips do not fit. Does not mark the bitmap.
 * Throws DriverError `invalid-argument` for a geometry that famfs refuses.
 */
export function allocateInterleaved(
  bitmap: UnitBitmap,
  unitBytes: bigint,
  sizeBytes: bigint,
  request: InterleaveRequest,
  random: () => number = Math.random,
): { extents: Extent[]; interleave?: Interleave } | undefined {
  const bucketUnits = Math.floor(bitmap.unitCount / request.bucketCount);
  const problem = geometryProblem(request, unitBytes, BigInt(bucketUnits) * unitBytes);
  if (problem !== undefined)
    throw new DriverError('invalid-argument', `A striped file is not possible: ${problem}.`);
  const { stripCount, chunkBytes } = request;
  if (sizeBytes < chunkBytes) {
    const extents = allocateContiguous(bitmap, unitBytes, sizeBytes);
    return extents === undefined ? undefined : { extents };
  }
  const chunks = (sizeBytes + chunkBytes - 1n) / chunkBytes;
  const stripBytes = ((chunks + BigInt(stripCount) - 1n) / BigInt(stripCount)) * chunkBytes;
  const stripUnits = unitsOf(stripBytes, unitBytes);
  const extents: Extent[] = [];
  for (const bucket of shuffled(request.bucketCount, random)) {
    const run = bitmap.firstFit(stripUnits, bucket * bucketUnits, (bucket + 1) * bucketUnits);
    if (run !== undefined) extents.push(extentOf(run, unitBytes));
    if (extents.length === stripCount) return { extents, interleave: { chunkBytes, stripCount } };
  }
  return undefined;
}

function geometryProblem(
  request: InterleaveRequest,
  unitBytes: bigint,
  bucketBytes: bigint,
): string | undefined {
  const { stripCount, bucketCount, chunkBytes } = request;
  if (!(stripCount >= 1 && stripCount <= maxExtents))
    return `${stripCount} strips, and there can be 1 to ${maxExtents}`;
  if (!(bucketCount >= stripCount && bucketCount <= maxBuckets)) {
    return `${bucketCount} buckets for ${stripCount} strips, and there can be up to ${maxBuckets}, never fewer than strips`;
  }
  if (chunkBytes <= 0n || (chunkBytes & (chunkBytes - 1n)) !== 0n || chunkBytes % unitBytes !== 0n) {
    return `a chunk of ${chunkBytes} bytes, and it has to be a power of two and a multiple of ${unitBytes}`;
  }
  if (bucketBytes < minBucketBytes)
    return `buckets of ${bucketBytes} bytes, and they have to be at least 1 GiB`;
  return undefined;
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    const held = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = held;
  }
  return order;
}

function unitsOf(bytes: bigint, unitBytes: bigint): number {
  return Number((bytes + unitBytes - 1n) / unitBytes);
}

function extentOf(run: UnitRun, unitBytes: bigint): Extent {
  return { offsetBytes: BigInt(run.first) * unitBytes, lengthBytes: BigInt(run.count) * unitBytes };
}

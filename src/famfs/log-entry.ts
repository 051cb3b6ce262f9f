// One 544-byte entry of a famfs log: its layout, read and written (famfs reference 2).
// Must not know about other entries or the device: log-validator.ts judges an entry among the others.
import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { logRefusal } from './refusal.ts';

export const logEntryBytes = 544;
/** The longest path that famfs logs whole; its buffer holds 80 bytes. */
export const maxPathBytes = 78;
export const maxExtents = 16;
/** Permission bits with setuid, setgid and sticky: all that an entry's mode may hold. */
export const permissionBits = 0o7777;

const pathBufferBytes = 80;
const crcOffset = 536;
const fileType = 0;
const directoryType = 1;
const simpleExtents = 0;
const interleavedExtents = 1;
const allHostsReadWrite = 2;
const file = { size: 16, flags: 24, uid: 28, gid: 32, mode: 36, path: 40, extentType: 120, extentCount: 128 };
const directory = { uid: 16, gid: 20, mode: 24, path: 28 };
const simpleList = 136;
const interleave = { stripCount: 136, chunk: 144, list: 152 };
const extentBytes = 24;
const otherTypes = new Map([
  [2, 'DELETE, which famfs never writes'],
  [3, 'ADD_DAXDEV, which no released famfs writes'],
]);

/** A run of bytes on the device. */
export interface Extent {
  readonly offsetBytes: bigint;
  readonly lengthBytes: bigint;
}

/** Chunk c of a striped file lies in strip c mod stripCount, at (c div stripCount) × chunkBytes. */
export interface Interleave {
  readonly chunkBytes: bigint;
  /** Equals the number of the entry's extents, which are the strips in order. */
  readonly stripCount: number;
}

export interface FileEntry {
  readonly kind: 'file';
  /** Relative to the root of the pool, without a leading slash. */
  readonly path: string;
  readonly sizeBytes: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly extents: readonly Extent[];
  readonly interleave?: Interleave;
}

export interface DirectoryEntry {
  readonly kind: 'directory';
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type LogEntry = FileEntry | DirectoryEntry;

/**
 * Why an entry is not whole: its CRC or its sequence number is wrong, as in memory that never held it or holds only
 * part of it yet. Undefined for a whole entry. `at` is where the entry begins in `bytes`, `index` its number.
 */
export function integrityProblem(
  bytes: Buffer,
  at: number,
  index: number,
): { field: string; reason: string } | undefined {
  const computed = crc32(bytes.subarray(at, at + crcOffset));
  if (bytes.readUInt32LE(at + crcOffset) !== computed || bytes.readUInt32LE(at + crcOffset + 4) !== 0) {
    const stored = bytes.readBigUInt64LE(at + crcOffset);
    return {
      field: 'crc',
      reason: `is 0x${stored.toString(16)} but its bytes give 0x${computed.toString(16)}`,
    };
  }
  if (bytes.readUInt32LE(at) !== index || bytes.readUInt32LE(at + 4) !== 0) {
    return { field: 'seqnum', reason: `is ${bytes.readBigUInt64LE(at)} and has to be ${index}` };
  }
  return undefined;
}

/**
 * Reads entry `index` of a log from `bytes` (one entry, or a run of entries with this one at `at`). Refuses what has
 * no meaning by the layout alone: CRC, sequence number, type, a path that does not end or is not UTF-8, counts out of
 * range, another device than 0. Paths, sizes and places are judged by LogValidator.
 * Throws DriverError `log-refused` with details `{entry, field, reason}`.
 *
 * DELETE and ADD_DAXDEV count as unknown types: famfs ignores them on replay, and a reader that did the same would
 * show another pool than the one their writer meant. `flags` and padding are not looked at, as nothing in famfs does.
 */
export function parseLogEntry(bytes: Buffer, index: number, at = 0): LogEntry {
  if (bytes.length < at + logEntryBytes) {
    throw logRefusal(index, 'size', `is ${bytes.length - at} bytes and has to be ${logEntryBytes}`);
  }
  const problem = integrityProblem(bytes, at, index);
  if (problem !== undefined) throw logRefusal(index, problem.field, problem.reason);
  const type = bytes.readUInt32LE(at + 8);
  if (type === fileType) return parseFile(bytes, index, at);
  if (type === directoryType) {
    return {
      kind: 'directory',
      path: parsePath(bytes, index, at + directory.path),
      mode: bytes.readUInt32LE(at + directory.mode),
      uid: bytes.readUInt32LE(at + directory.uid),
      gid: bytes.readUInt32LE(at + directory.gid),
    };
  }
  throw logRefusal(index, 'type', `is ${type}, ${otherTypes.get(type) ?? 'which is unknown'}`);
}

/**
 * The 544 bytes of an entry, CRC included; the inverse of parseLogEntry. `index` is its number and sequence number.
 * Paths are written as they are, as famfs does, and cut to 79 bytes, as famfs's mkdir does; who must not write a path
 * that a reader refuses asks LogValidator first.
 */
export function encodeLogEntry(entry: LogEntry, index: number): Buffer {
  const data = Buffer.alloc(logEntryBytes);
  data.writeUInt32LE(index, 0);
  if (entry.kind === 'directory') {
    data.writeUInt32LE(directoryType, 8);
    data.writeUInt32LE(entry.uid, directory.uid);
    data.writeUInt32LE(entry.gid, directory.gid);
    data.writeUInt32LE(entry.mode, directory.mode);
    writePath(data, entry.path, directory.path);
  } else {
    encodeFile(data, entry, index);
  }
  data.writeUInt32LE(crc32(data.subarray(0, crcOffset)), crcOffset);
  return data;
}

function parseFile(bytes: Buffer, index: number, at: number): FileEntry {
  const path = parsePath(bytes, index, at + file.path);
  const fields = {
    kind: 'file',
    path,
    sizeBytes: readBytes64(bytes, at + file.size),
    mode: bytes.readUInt32LE(at + file.mode),
    uid: bytes.readUInt32LE(at + file.uid),
    gid: bytes.readUInt32LE(at + file.gid),
  } as const;
  const extentType = bytes.readUInt32LE(at + file.extentType);
  const extentCount = bytes.readUInt32LE(at + file.extentCount);
  if (extentType === simpleExtents) {
    if (extentCount < 1 || extentCount > maxExtents) {
      throw logRefusal(index, 'extent count', `is ${extentCount} and has to be 1 to ${maxExtents}`);
    }
    return { ...fields, extents: parseExtents(bytes, index, at + simpleList, extentCount) };
  }
  if (extentType !== interleavedExtents) {
    throw logRefusal(index, 'extent type', `is ${extentType}, which is unknown`);
  }
  if (extentCount !== 1) {
    throw logRefusal(index, 'extent count', `is ${extentCount} and has to be 1 for an interleaved file`);
  }
  const stripCount = readBytes64(bytes, at + interleave.stripCount);
  if (stripCount < 1n || stripCount > BigInt(maxExtents)) {
    throw logRefusal(index, 'strip count', `is ${stripCount} and has to be 1 to ${maxExtents}`);
  }
  const count = Number(stripCount);
  return {
    ...fields,
    extents: parseExtents(bytes, index, at + interleave.list, count),
    interleave: { chunkBytes: readBytes64(bytes, at + interleave.chunk), stripCount: count },
  };
}

function parseExtents(bytes: Buffer, index: number, at: number, count: number): Extent[] {
  const extents: Extent[] = [];
  for (let i = 0; i < count; i += 1) {
    const start = at + i * extentBytes;
    if (bytes.readUInt32LE(start) !== 0 || bytes.readUInt32LE(start + 4) !== 0) {
      throw logRefusal(index, `extent ${i} devindex`, `is ${bytes.readBigUInt64LE(start)} and has to be 0`);
    }
    extents.push({ offsetBytes: readBytes64(bytes, start + 8), lengthBytes: readBytes64(bytes, start + 16) });
  }
  return extents;
}

/** A 64-bit figure. The way over two halves is several times faster than readBigUInt64LE for what fits a number. */
function readBytes64(bytes: Buffer, at: number): bigint {
  const high = bytes.readUInt32LE(at + 4);
  return high < 0x200000 ? BigInt(high * 0x100000000 + bytes.readUInt32LE(at)) : bytes.readBigUInt64LE(at);
}

function parsePath(bytes: Buffer, index: number, at: number): string {
  const limit = at + pathBufferBytes;
  let end = at;
  let ascii = true;
  for (; end < limit; end += 1) {
    const byte = bytes[end] ?? 0;
    if (byte === 0) break;
    if (byte >= 0x80) ascii = false;
  }
  if (end === limit) throw logRefusal(index, 'path', `has no end within its ${pathBufferBytes} bytes`);
  if (ascii) return bytes.toString('latin1', at, end);
  if (!isUtf8(bytes.subarray(at, end))) throw logRefusal(index, 'path', 'is not UTF-8');
  return bytes.toString('utf8', at, end);
}

function encodeFile(data: Buffer, entry: FileEntry, index: number): void {
  const { extents } = entry;
  if (extents.length > maxExtents) {
    throw logRefusal(index, 'extent count', `is ${extents.length} and has to be 1 to ${maxExtents}`);
  }
  data.writeUInt32LE(fileType, 8);
  data.writeBigUInt64LE(entry.sizeBytes, file.size);
  data.writeUInt32LE(allHostsReadWrite, file.flags);
  data.writeUInt32LE(entry.uid, file.uid);
  data.writeUInt32LE(entry.gid, file.gid);
  data.writeUInt32LE(entry.mode, file.mode);
  writePath(data, entry.path, file.path);
  let at = simpleList;
  if (entry.interleave === undefined) {
    data.writeUInt32LE(simpleExtents, file.extentType);
    data.writeUInt32LE(extents.length, file.extentCount);
  } else {
    data.writeUInt32LE(interleavedExtents, file.extentType);
    data.writeUInt32LE(1, file.extentCount);
    data.writeUInt32LE(entry.interleave.stripCount, interleave.stripCount);
    data.writeBigUInt64LE(entry.interleave.chunkBytes, interleave.chunk);
    at = interleave.list;
  }
  for (const extent of extents) {
    data.writeBigUInt64LE(extent.offsetBytes, at + 8);
    data.writeBigUInt64LE(extent.lengthBytes, at + 16);
    at += extentBytes;
  }
}

function writePath(data: Buffer, path: string, at: number): void {
  Buffer.from(path).copy(data, at, 0, pathBufferBytes - 1);
}

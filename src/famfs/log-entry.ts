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
/** Where an entry's CRC lies, and so how many bytes it covers. */
export const entryCrcOffset = 536;
/** Values of the type field. */
export const fileType = 0;
export const directoryType = 1;
/** The extent type of a file that is not striped. */
export const simpleExtents = 0;
const interleavedExtents = 1;
const allHostsReadWrite = 2;
/** Where the fields of a file's entry lie, from the entry's start. */
export const fileLayout = {
  size: 16,
  flags: 24,
  uid: 28,
  gid: 32,
  mode: 36,
  path: 40,
  extentType: 120,
  extentCount: 128,
};
/** Where the fields of a directory's entry lie, from the entry's start. */
export const directoryLayout = { uid: 16, gid: 20, mode: 24, path: 28 };
/** Where the extents of a file that is not striped begin. */
export const simpleList = 136;
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
  const computed = crc32(bytes.subarray(at, at + entryCrcOffset));
  const stored = bytes.readBigUInt64LE(at + entryCrcOffset);
  if (stored !== BigInt(computed)) {
    return {
      field: 'crc',
      reason: `is 0x${stored.toString(16)} but its bytes give 0x${computed.toString(16)}`,
    };
  }
  const sequence = bytes.readBigUInt64LE(at);
  return sequence === BigInt(index)
    ? undefined
    : { field: 'seqnum', reason: `is ${sequence} and has to be ${index}` };
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
    const got = Math.max(0, bytes.length - at);
    throw logRefusal(index, 'length', `is ${got} bytes and has to be ${logEntryBytes}: the log ends in it`);
  }
  const problem = integrityProblem(bytes, at, index);
  if (problem !== undefined) throw logRefusal(index, problem.field, problem.reason);
  return decodeLogEntry(bytes, index, at);
}

/** parseLogEntry for bytes whose integrity is known: neither CRC nor sequence number is looked at. */
export function decodeLogEntry(bytes: Buffer, index: number, at: number): LogEntry {
  const type = bytes.readUInt32LE(at + 8);
  if (type === fileType) return parseFile(bytes, index, at);
  if (type === directoryType) {
    return {
      kind: 'directory',
      path: parsePath(bytes, index, at + directoryLayout.path),
      mode: bytes.readUInt32LE(at + directoryLayout.mode),
      uid: bytes.readUInt32LE(at + directoryLayout.uid),
      gid: bytes.readUInt32LE(at + directoryLayout.gid),
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
    data.writeUInt32LE(entry.uid, directoryLayout.uid);
    data.writeUInt32LE(entry.gid, directoryLayout.gid);
    data.writeUInt32LE(entry.mode, directoryLayout.mode);
    writePath(data, entry.path, directoryLayout.path);
  } else {
    encodeFile(data, entry, index);
  }
  data.writeUInt32LE(crc32(data.subarray(0, entryCrcOffset)), entryCrcOffset);
  return data;
}

function parseFile(bytes: Buffer, index: number, at: number): FileEntry {
  const path = parsePath(bytes, index, at + fileLayout.path);
  const fields = {
    kind: 'file',
    path,
    sizeBytes: readBytes64(bytes, at + fileLayout.size),
    mode: bytes.readUInt32LE(at + fileLayout.mode),
    uid: bytes.readUInt32LE(at + fileLayout.uid),
    gid: bytes.readUInt32LE(at + fileLayout.gid),
  } as const;
  const extentType = bytes.readUInt32LE(at + fileLayout.extentType);
  const extentCount = bytes.readUInt32LE(at + fileLayout.extentCount);
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
  data.writeBigUInt64LE(entry.sizeBytes, fileLayout.size);
  data.writeUInt32LE(allHostsReadWrite, fileLayout.flags);
  data.writeUInt32LE(entry.uid, fileLayout.uid);
  data.writeUInt32LE(entry.gid, fileLayout.gid);
  data.writeUInt32LE(entry.mode, fileLayout.mode);
  writePath(data, entry.path, fileLayout.path);
  let at = simpleList;
  if (entry.interleave === undefined) {
    data.writeUInt32LE(simpleExtents, fileLayout.extentType);
    data.writeUInt32LE(extents.length, fileLayout.extentCount);
  } else {
    data.writeUInt32LE(interleavedExtents, fileLayout.extentType);
    data.writeUInt32LE(1, fileLayout.extentCount);
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

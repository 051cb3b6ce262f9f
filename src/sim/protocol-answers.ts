// What a FUSE server answers the kernel (include/uapi/linux/fuse.h, version 7.40 and later, little-endian). Pure:
// values in, bytes out; the requests are protocol.ts. Knows no files and no famfs.
import { type InitRequest, maxWriteBytes } from './protocol.ts';

/** errno values that answers carry (asm-generic/errno.h). */
export const errnos = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ERANGE: 34,
  ENOSYS: 38,
  ENODATA: 61,
  EOPNOTSUPP: 95,
  EHWPOISON: 133,
} as const;

/** Open flags of an answer to OPEN. */
export const openFlags = { directIo: 1, passthrough: 0x80 } as const;

const initFlags = {
  atomicOTrunc: 1n << 3n,
  bigWrites: 1n << 5n,
  flockLocks: 1n << 10n,
  doReaddirplus: 1n << 13n,
  parallelDirops: 1n << 18n,
  handleKillprivV2: 1n << 28n,
  initExt: 1n << 30n,
  passthrough: 1n << 37n,
} as const;

const answerHeaderBytes = 16;
const entryBytes = 128;

/** Attributes of an inode. `mode` includes the file type. Times in nanoseconds. */
export interface FuseAttributes {
  readonly inode: bigint;
  readonly sizeBytes: bigint;
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A whole answer with a body. */
export function encodeAnswer(unique: bigint, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(answerHeaderBytes + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeBigUInt64LE(unique, 8);
  bytes.set(body, answerHeaderBytes);
  return bytes;
}

/** A whole answer that says no; `errno` is positive, 0 means done with nothing to tell. */
export function encodeError(unique: bigint, errno: number): Buffer {
  const bytes = Buffer.alloc(answerHeaderBytes);
  bytes.writeUInt32LE(answerHeaderBytes, 0);
  bytes.writeInt32LE(-errno, 4);
  bytes.writeBigUInt64LE(unique, 8);
  return bytes;
}

/**
 * The answer to INIT. With `serverLocks` flock(2) is asked of the server (fuse mode), else the kernel does it.
 * A stack depth of 1 is what passthrough to a plain file needs.
 */
export function encodeInit(request: InitRequest, { serverLocks }: { readonly serverLocks: boolean }): Buffer {
  const wanted =
    initFlags.atomicOTrunc |
    initFlags.bigWrites |
    initFlags.doReaddirplus |
    initFlags.parallelDirops |
    initFlags.handleKillprivV2 |
    initFlags.initExt |
    initFlags.passthrough |
    (serverLocks ? initFlags.flockLocks : 0n);
  const flags = wanted & request.flags;
  const body = Buffer.alloc(64);
  body.writeUInt32LE(7, 0);
  body.writeUInt32LE(Math.min(request.minor, 45), 4);
  body.writeUInt32LE(request.maxReadaheadBytes, 8);
  body.writeUInt32LE(Number(flags & 0xffff_ffffn), 12);
  body.writeUInt16LE(16, 16);
  body.writeUInt16LE(12, 18);
  body.writeUInt32LE(maxWriteBytes, 20);
  body.writeUInt32LE(1, 24);
  body.writeUInt32LE(Number(flags >> 32n), 32);
  body.writeUInt32LE(1, 36);
  return body;
}

/** The body of an answer that names an inode (LOOKUP, CREATE's first part). */
export function encodeEntry(nodeId: bigint, attributes: FuseAttributes, timeoutSeconds: number): Buffer {
  const body = Buffer.alloc(entryBytes);
  body.writeBigUInt64LE(nodeId, 0);
  writeTimeout(body, timeoutSeconds, 16, 32);
  writeTimeout(body, timeoutSeconds, 24, 36);
  writeAttributes(body, 40, attributes);
  return body;
}

/** The body of an answer to GETATTR and SETATTR. */
export function encodeAttributes(attributes: FuseAttributes, timeoutSeconds: number): Buffer {
  const body = Buffer.alloc(104);
  writeTimeout(body, timeoutSeconds, 0, 8);
  writeAttributes(body, 16, attributes);
  return body;
}

function writeTimeout(body: Buffer, seconds: number, atSeconds: number, atNanoseconds: number): void {
  const whole = Math.trunc(seconds);
  body.writeBigUInt64LE(BigInt(whole), atSeconds);
  body.writeUInt32LE(Math.round((seconds - whole) * 1e9), atNanoseconds);
}

function writeAttributes(body: Buffer, at: number, a: FuseAttributes): void {
  const second = 1_000_000_000n;
  body.writeBigUInt64LE(a.inode, at);
  body.writeBigUInt64LE(a.sizeBytes, at + 8);
  body.writeBigUInt64LE((a.sizeBytes + 511n) / 512n, at + 16);
  for (const [index, time] of [a.atimeNs, a.mtimeNs, a.ctimeNs].entries()) {
    body.writeBigUInt64LE(time / second, at + 24 + 8 * index);
    body.writeUInt32LE(Number(time % second), at + 48 + 4 * index);
  }
  body.writeUInt32LE(a.mode, at + 60);
  body.writeUInt32LE(a.linkCount, at + 64);
  body.writeUInt32LE(a.uid, at + 68);
  body.writeUInt32LE(a.gid, at + 72);
  body.writeUInt32LE(4096, at + 80);
}

/** The body of an answer to OPEN and OPENDIR. `backingId` goes with the passthrough flag. */
export function encodeOpen(handle: bigint, flags: number, backingId = 0): Buffer {
  const body = Buffer.alloc(16);
  body.writeBigUInt64LE(handle, 0);
  body.writeUInt32LE(flags, 8);
  body.writeInt32LE(backingId, 12);
  return body;
}

/** The body of an answer to WRITE, and of one to a GETXATTR that asked for the size only. */
export function encodeCount(count: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(count, 0);
  return body;
}

/** One name of a directory. `cookie` is where reading goes on after it. */
export interface DirectoryEntry {
  readonly name: string;
  readonly inode: bigint;
  readonly isDirectory: boolean;
  readonly cookie: bigint;
}

/** One record of READDIR, padded to eight bytes. With `entry` (128 bytes of `encodeEntry`) one of READDIRPLUS. */
export function encodeDirectoryEntry(entry: DirectoryEntry, plus?: Buffer): Buffer {
  const name = Buffer.from(entry.name, 'utf8');
  const start = plus === undefined ? 0 : entryBytes;
  const record = Buffer.alloc(start + Math.ceil((24 + name.length) / 8) * 8);
  if (plus !== undefined) record.set(plus, 0);
  record.writeBigUInt64LE(entry.inode, start);
  record.writeBigUInt64LE(entry.cookie, start + 8);
  record.writeUInt32LE(name.length, start + 16);
  record.writeUInt32LE(entry.isDirectory ? 4 : 8, start + 20);
  record.set(name, start + 24);
  return record;
}

/** An entry of READDIRPLUS that says nothing, for `.` and `..`. */
export const emptyEntry: Buffer = Buffer.alloc(entryBytes);

/** Figures of STATFS, in blocks of `blockBytes`. */
export interface FuseStatfs {
  readonly blocks: bigint;
  readonly freeBlocks: bigint;
  readonly availableBlocks: bigint;
  readonly files: bigint;
  readonly freeFiles: bigint;
  readonly blockBytes: number;
}

/** The body of an answer to STATFS. */
export function encodeStatfs(figures: FuseStatfs): Buffer {
  const body = Buffer.alloc(80);
  const counts = [
    figures.blocks,
    figures.freeBlocks,
    figures.availableBlocks,
    figures.files,
    figures.freeFiles,
  ];
  for (const [index, count] of counts.entries()) body.writeBigUInt64LE(count, 8 * index);
  body.writeUInt32LE(figures.blockBytes, 40);
  body.writeUInt32LE(255, 44);
  body.writeUInt32LE(figures.blockBytes, 48);
  return body;
}

// The wire format between the kernel's FUSE and a server in user space (include/uapi/linux/fuse.h, version 7.40
// and later, little-endian). Pure: bytes in, values out. Knows no files and no famfs.

/** Requests of the kernel that the simulator tells apart. */
export const opcodes = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  setlk: 32,
  setlkw: 33,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
} as const;

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

/** Largest data of one WRITE. The read buffer must hold it and the headers. */
export const maxWriteBytes = 128 * 1024;
/** One read(2) of /dev/fuse returns one request whole; the kernel refuses smaller buffers with EINVAL. */
export const requestBufferBytes = maxWriteBytes + 4096;

const requestHeaderBytes = 40;
const answerHeaderBytes = 16;
const entryBytes = 128;

/** A request: the header's fields that matter and a view of what follows it (valid until the next read). */
export interface FuseRequest {
  readonly opcode: number;
  readonly unique: bigint;
  readonly nodeId: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly body: Buffer;
}

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

/** Splits one request. Throws RangeError for bytes that are shorter than they claim. */
export function decodeRequest(bytes: Buffer): FuseRequest {
  const length = bytes.readUInt32LE(0);
  if (length < requestHeaderBytes || length > bytes.length)
    throw new RangeError(`a FUSE request of ${length} bytes`);
  return {
    opcode: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    nodeId: bytes.readBigUInt64LE(16),
    uid: bytes.readUInt32LE(24),
    gid: bytes.readUInt32LE(28),
    pid: bytes.readUInt32LE(32),
    body: bytes.subarray(requestHeaderBytes, length),
  };
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

/** What the kernel says at the start. */
export interface InitRequest {
  readonly major: number;
  readonly minor: number;
  readonly maxReadaheadBytes: number;
  readonly flags: bigint;
}

/** Reads the body of INIT. */
export function decodeInit(body: Buffer): InitRequest {
  const low = BigInt(body.readUInt32LE(12));
  const high = body.length >= 20 ? BigInt(body.readUInt32LE(16)) : 0n;
  return {
    major: body.readUInt32LE(0),
    minor: body.readUInt32LE(4),
    maxReadaheadBytes: body.readUInt32LE(8),
    flags: low | (high << 32n),
  };
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

/** A NUL-terminated name at an offset of a body, or undefined when it is not UTF-8. */
export function decodeName(body: Buffer, offset = 0): string | undefined {
  const end = body.indexOf(0, offset);
  const bytes = body.subarray(offset, end === -1 ? body.length : end);
  const name = bytes.toString('utf8');
  return Buffer.from(name, 'utf8').equals(bytes) ? name : undefined;
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

/** What SETATTR asks to change; absent fields stay. */
export interface AttributeRequest {
  readonly sizeBytes?: bigint;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs?: bigint;
  readonly mtimeNs?: bigint;
}

/** Reads the body of SETATTR; `nowNs` stands in for UTIME_NOW. */
export function decodeSetattr(body: Buffer, nowNs: bigint): AttributeRequest {
  const valid = body.readUInt32LE(0);
  const has = (bit: number): boolean => (valid & bit) !== 0;
  const time = (at: number, atNs: number): bigint =>
    body.readBigUInt64LE(at) * 1_000_000_000n + BigInt(body.readUInt32LE(atNs));
  return {
    ...(has(1) ? { mode: body.readUInt32LE(68) } : {}),
    ...(has(2) ? { uid: body.readUInt32LE(76) } : {}),
    ...(has(4) ? { gid: body.readUInt32LE(80) } : {}),
    ...(has(8) ? { sizeBytes: body.readBigUInt64LE(16) } : {}),
    ...(has(16) ? { atimeNs: has(128) ? nowNs : time(32, 56) } : {}),
    ...(has(32) ? { mtimeNs: has(256) ? nowNs : time(40, 60) } : {}),
  };
}

/** The body of an answer to OPEN and OPENDIR. `backingId` goes with the passthrough flag. */
export function encodeOpen(handle: bigint, flags: number, backingId = 0): Buffer {
  const body = Buffer.alloc(16);
  body.writeBigUInt64LE(handle, 0);
  body.writeUInt32LE(flags, 8);
  body.writeInt32LE(backingId, 12);
  return body;
}

/** The first fields of READ, WRITE, READDIR and READDIRPLUS. */
export function decodeTransfer(body: Buffer): { handle: bigint; offsetBytes: bigint; sizeBytes: number } {
  return {
    handle: body.readBigUInt64LE(0),
    offsetBytes: body.readBigUInt64LE(8),
    sizeBytes: body.readUInt32LE(16),
  };
}

/** The data of a WRITE. */
export function decodeWriteData(body: Buffer): Buffer {
  return body.subarray(40, 40 + body.readUInt32LE(16));
}

/** The body of an answer to WRITE, and of one to a GETXATTR that asked for the size only. */
export function encodeCount(count: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(count, 0);
  return body;
}

/** What flock(2) asks for: an exclusive or a shared lock, or to give it up. */
export function decodeLock(body: Buffer): {
  handle: bigint;
  owner: bigint;
  kind: 'shared' | 'exclusive' | 'unlock';
} {
  const type = body.readUInt32LE(32);
  const kind = type === 0 ? 'shared' : type === 1 ? 'exclusive' : 'unlock';
  return { handle: body.readBigUInt64LE(0), owner: body.readBigUInt64LE(8), kind };
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

/** The inodes that FORGET or BATCH_FORGET lets go of, and how many lookups each. */
export function decodeForget(request: FuseRequest): { nodeId: bigint; count: bigint }[] {
  const { body } = request;
  if (request.opcode === opcodes.forget) return [{ nodeId: request.nodeId, count: body.readBigUInt64LE(0) }];
  return Array.from({ length: body.readUInt32LE(0) }, (_, index) => ({
    nodeId: body.readBigUInt64LE(8 + 16 * index),
    count: body.readBigUInt64LE(16 + 16 * index),
  }));
}

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

/** GETXATTR: which attribute, and how many bytes the caller has room for (0 = tell the size). */
export function decodeGetxattr(body: Buffer): { name: string | undefined; roomBytes: number } {
  return { name: decodeName(body, 8), roomBytes: body.readUInt32LE(0) };
}

// What the kernel's FUSE asks of a server in user space (include/uapi/linux/fuse.h, version 7.40 and later,
// little-endian). Pure: bytes in, values out; the answers are protocol-answers.ts. Knows no files and no famfs.

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

/** Largest data of one WRITE. The read buffer must hold it and the headers. */
export const maxWriteBytes = 128 * 1024;
/** One read(2) of /dev/fuse returns one request whole; the kernel refuses smaller buffers with EINVAL. */
export const requestBufferBytes = maxWriteBytes + 4096;

const requestHeaderBytes = 40;

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

/** A NUL-terminated name at an offset of a body, or undefined when it is not UTF-8. */
export function decodeName(body: Buffer, offset = 0): string | undefined {
  const end = body.indexOf(0, offset);
  const bytes = body.subarray(offset, end === -1 ? body.length : end);
  const name = bytes.toString('utf8');
  return Buffer.from(name, 'utf8').equals(bytes) ? name : undefined;
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

/** The inodes that FORGET or BATCH_FORGET lets go of, and how many lookups each. */
export function decodeForget(request: FuseRequest): { nodeId: bigint; count: bigint }[] {
  const { body } = request;
  if (request.opcode === opcodes.forget) return [{ nodeId: request.nodeId, count: body.readBigUInt64LE(0) }];
  return Array.from({ length: body.readUInt32LE(0) }, (_, index) => ({
    nodeId: body.readBigUInt64LE(8 + 16 * index),
    count: body.readBigUInt64LE(16 + 16 * index),
  }));
}

/** GETXATTR: which attribute, and how many bytes the caller has room for (0 = tell the size). */
export function decodeGetxattr(body: Buffer): { name: string | undefined; roomBytes: number } {
  return { name: decodeName(body, 8), roomBytes: body.readUInt32LE(0) };
}

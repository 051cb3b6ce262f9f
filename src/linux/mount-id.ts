// Mounts by the id the kernel never reuses: statx(2), statmount(2), listmount(2). Needs Linux 6.8, of which
// `kernel.ts` makes sure. Reads the mount table only where a kernel before 6.13 leaves something out.
import { checked, declareFunction, lastErrno, systemCallNumbers } from './libc.ts';
import { type MountTableEntry, readMountTable } from './mount-table.ts';
import { SyscallError } from './syscall-error.ts';

const statxFunction = declareFunction('statx', 'int', ['int', 'str', 'int', 'uint', 'void *']);
const statmountCall = declareFunction('syscall', 'long', ['long', 'void *', 'void *', 'size_t', 'uint']);
const listmountCall = declareFunction('syscall', 'long', ['long', 'void *', 'void *', 'size_t', 'uint']);

const atEmptyPath = 0x1000;
const atNoAutomount = 0x800;
/** Ask the file system nothing that it would have to fetch: a hung one still answers. */
const atStatxDontSync = 0x4000;
const atSymlinkNofollow = 0x100;
const statxMntIdUnique = 0x4000;
const statxAttrMountRoot = 0x2000n;
const statxBytes = 256;

export interface MountIdentity {
  /** the unique 64-bit id (STATX_MNT_ID_UNIQUE), not the recycled one of mountinfo */
  readonly mountId: bigint;
  /** whether the descriptor names the root of that mount */
  readonly isMountRoot: boolean;
}

/**
 * The mount that an open descriptor, O_PATH included, stands on.
 * @throws SyscallError — ENOTSUP when the kernel is older than 6.8 and knows no unique ids
 */
export function mountIdOf(fd: number): MountIdentity {
  return statMountId(fd, '', atEmptyPath);
}

/**
 * The mount that is on top of entry `name` of the directory `parentFd`, without following a symbolic link there.
 * @throws SyscallError — ENOENT when there is no such entry
 */
export function mountIdAt(parentFd: number, name: string): MountIdentity {
  return statMountId(parentFd, name, atSymlinkNofollow);
}

function statMountId(fd: number, path: string, flags: number): MountIdentity {
  const answer = Buffer.alloc(statxBytes);
  const allFlags = flags | atNoAutomount | atStatxDontSync;
  checked(
    'statx',
    statxFunction(fd, path, allFlags, statxMntIdUnique, answer),
    path === '' ? undefined : path,
  );
  const mask = answer.readUInt32LE(0);
  if ((mask & statxMntIdUnique) === 0) throw new SyscallError('statx STATX_MNT_ID_UNIQUE', 95);
  return {
    mountId: answer.readBigUInt64LE(0x90),
    isMountRoot: (answer.readBigUInt64LE(0x08) & statxAttrMountRoot) !== 0n,
  };
}

/** What statmount(2) tells of one mount of this mount namespace. */
export interface MountInfo {
  readonly mountId: bigint;
  readonly parentMountId: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly fileSystemType: string;
  /** what stands after the dot in `fuse.sshfs`; empty for most */
  readonly fileSystemSubtype: string;
  /** the device, or whatever was named as source when it was mounted */
  readonly source: string;
  /** the directory of the file system that is the root of this mount */
  readonly root: string;
  /** where it is mounted, from the root of the calling process; empty when out of its sight */
  readonly mountPoint: string;
  readonly readOnly: boolean;
  readonly nosuid: boolean;
  readonly nodev: boolean;
  readonly noexec: boolean;
  readonly superblockReadOnly: boolean;
}

const statmountWants = {
  superblockBasic: 0x01,
  mountBasic: 0x02,
  mountRoot: 0x08,
  mountPoint: 0x10,
  fileSystemType: 0x20,
  fileSystemSubtype: 0x100,
  source: 0x200,
} as const;
const statmountAll = Object.values(statmountWants).reduce((all, bit) => all | bit, 0);
const requestBytes = 24;
const statmountHeaderBytes = 512;
/** Unique ids begin after it, so that they cannot be mixed up with the recycled ones (fs/namespace.c). */
const largestShortId = 1n << 31n;
/** LSMT_ROOT: the root of the caller's mount namespace */
const listmountRoot = 0xffff_ffff_ffff_ffffn;

function mountRequest(mountId: bigint, param: bigint): Buffer {
  const request = Buffer.alloc(requestBytes);
  request.writeUInt32LE(requestBytes, 0);
  request.writeBigUInt64LE(mountId, 8);
  request.writeBigUInt64LE(param, 16);
  return request;
}

const notFound = 2;
const overflow = 75;

/**
 * What the kernel knows of a mount, or undefined when there is none of that id in this mount namespace (any more).
 * @throws SyscallError — EPERM for a mount outside of the process's root without CAP_SYS_ADMIN
 */
export function statmount(mountId: bigint): MountInfo | undefined {
  if (mountId <= largestShortId) return undefined;
  const request = mountRequest(mountId, BigInt(statmountAll));
  for (let sizeBytes = 4096; ; sizeBytes *= 4) {
    const answer = Buffer.alloc(sizeBytes);
    const result = statmountCall(systemCallNumbers.statmount, request, answer, sizeBytes, 0);
    if (Number(result) === 0) return withSource(answer, decodeStatmount(answer));
    const errno = lastErrno();
    // The common answer for a mount that has just gone; an error object would cost more than the call.
    if (errno === notFound) return undefined;
    if (errno !== overflow || sizeBytes >= 1 << 20) throw new SyscallError('statmount', errno);
  }
}

function decodeStatmount(answer: Buffer): MountInfo {
  const mask = answer.readBigUInt64LE(0x08);
  const text = (bit: number, at: number): string =>
    (mask & BigInt(bit)) === 0n ? '' : readString(answer, statmountHeaderBytes + answer.readUInt32LE(at));
  const attributes = answer.readBigUInt64LE(0x40);
  return {
    mountId: answer.readBigUInt64LE(0x28),
    parentMountId: answer.readBigUInt64LE(0x30),
    deviceMajor: answer.readUInt32LE(0x10),
    deviceMinor: answer.readUInt32LE(0x14),
    fileSystemType: text(statmountWants.fileSystemType, 0x24),
    fileSystemSubtype: text(statmountWants.fileSystemSubtype, 0x78),
    source: text(statmountWants.source, 0x7c),
    root: text(statmountWants.mountRoot, 0x68),
    mountPoint: text(statmountWants.mountPoint, 0x6c),
    readOnly: (attributes & 1n) !== 0n,
    nosuid: (attributes & 2n) !== 0n,
    nodev: (attributes & 4n) !== 0n,
    noexec: (attributes & 8n) !== 0n,
    superblockReadOnly: (answer.readUInt32LE(0x20) & 1) !== 0,
  };
}

/**
 * Source and subtype as the mount table has them, for kernels before 6.13, whose statmount(2) does not tell. A mount
 * that is out of sight or has just gone keeps them empty.
 */
function withSource(answer: Buffer, info: MountInfo): MountInfo {
  const mask = answer.readBigUInt64LE(0x08);
  if ((mask & BigInt(statmountWants.source)) !== 0n) return info;
  const shortId = answer.readUInt32LE(0x38);
  const entry = readMountTable().find((each) => each.mountId === shortId);
  return entry === undefined ? info : sourceFromTable(info, entry);
}

/** `info` with source and subtype from its line in the mount table, where `fuse.sshfs` is one word. */
export function sourceFromTable(info: MountInfo, entry: MountTableEntry): MountInfo {
  const dot = entry.fileSystemType.indexOf('.');
  const fileSystemSubtype = dot === -1 ? '' : entry.fileSystemType.slice(dot + 1);
  return { ...info, fileSystemSubtype, source: entry.source };
}

function readString(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end === -1 ? bytes.length : end);
}

/**
 * The ids of all mounts of this mount namespace below the process's root, or only of those directly on the mount
 * `parentMountId`, in the order they were made.
 * @throws SyscallError — ENOENT when there is no such parent
 */
export function listmount(parentMountId: bigint = listmountRoot): bigint[] {
  const batch = 512;
  const ids: bigint[] = [];
  const answer = Buffer.alloc(batch * 8);
  for (let last = 0n; ; ) {
    const request = mountRequest(parentMountId, last);
    const call = listmountCall(systemCallNumbers.listmount, request, answer, batch, 0);
    const count = checked('listmount', call);
    for (let index = 0; index < count; index++) ids.push(answer.readBigUInt64LE(index * 8));
    if (count < batch) return ids;
    last = ids.at(-1) ?? last;
  }
}

// The mount calls of Linux, one function each, on descriptors wherever the kernel allows it. Knows nothing of what
// is mounted; `bind.ts` composes them into the one step that publishing needs.
import { oCloexec } from './file-descriptor.ts';
import { checked, declareFunction, systemCallNumbers } from './libc.ts';

const openTreeCall = declareFunction('syscall', 'long', ['long', 'long', 'str', 'ulong']);
const mountSetattrCall = declareFunction('syscall', 'long', [
  'long',
  'long',
  'str',
  'ulong',
  'void *',
  'size_t',
]);
const moveMountCall = declareFunction('syscall', 'long', ['long', 'long', 'str', 'long', 'str', 'ulong']);
const mountFunction = declareFunction('mount', 'int', ['str', 'str', 'str', 'ulong', 'str']);
const umount2Function = declareFunction('umount2', 'int', ['str', 'int']);
const unshareFunction = declareFunction('unshare', 'int', ['int']);

const atEmptyPath = 0x1000;
const atRecursive = 0x8000;
const openTreeClone = 1;
const moveMountFromEmptyPath = 0x04;
const moveMountToEmptyPath = 0x40;
const mountAttrBytes = 32;

/** Attributes of one mount (mount_setattr(2)). */
export const mountAttributes = {
  readOnly: 0x01,
  nosuid: 0x02,
  nodev: 0x04,
  noexec: 0x08,
  noatime: 0x10,
  nosymfollow: 0x200000,
} as const;

/** Flags of mount(2), as far as the project uses them. */
export const mountFlags = {
  readOnly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  noatime: 1024,
  bind: 4096,
  move: 8192,
  recursive: 16384,
} as const;

const propagationFlags = { unbindable: 1 << 17, private: 1 << 18, slave: 1 << 19, shared: 1 << 20 } as const;
export type Propagation = keyof typeof propagationFlags;

/**
 * A descriptor of the mount and place that `fd` names. With `clone`, of a detached copy of that mount that begins
 * at that place: it is attached nowhere, and goes away with the descriptor unless `moveMount` attaches it.
 * @throws SyscallError — EINVAL when the mount of `fd` is unbindable or no longer attached
 */
export function openTree(fd: number, { clone = false, recursive = false } = {}): number {
  const flags = atEmptyPath | oCloexec | (clone ? openTreeClone : 0) | (clone && recursive ? atRecursive : 0);
  return checked('open_tree', openTreeCall(systemCallNumbers.open_tree, fd, '', flags));
}

export interface AttributeChange {
  /** `mountAttributes` to switch on, or-ed */
  readonly set?: number;
  /** `mountAttributes` to switch off, or-ed */
  readonly clear?: number;
  readonly propagation?: Propagation;
  /** the whole tree of mounts below, all or none */
  readonly recursive?: boolean;
}

/**
 * Changes attributes of the mount whose root `fd` names, at once and in one step.
 * @throws SyscallError — EINVAL when `fd` is no mount root, EBUSY when it becomes read-only under a writer
 */
export function setMountAttributes(fd: number, change: AttributeChange): void {
  const { set = 0, clear = 0, propagation, recursive = false } = change;
  const attributes = Buffer.alloc(mountAttrBytes);
  attributes.writeBigUInt64LE(BigInt(set), 0);
  attributes.writeBigUInt64LE(BigInt(clear), 8);
  attributes.writeBigUInt64LE(propagation === undefined ? 0n : BigInt(propagationFlags[propagation]), 16);
  const flags = atEmptyPath | (recursive ? atRecursive : 0);
  const number = systemCallNumbers.mount_setattr;
  checked('mount_setattr', mountSetattrCall(number, fd, '', flags, attributes, mountAttrBytes));
}

/**
 * Attaches the mount that `fromFd` names at the place that `toFd` names, on top of whatever is mounted there.
 * @throws SyscallError — EINVAL when one is a directory and the other is not, or the target's mount is detached
 */
export function moveMount(fromFd: number, toFd: number): void {
  const flags = moveMountFromEmptyPath | moveMountToEmptyPath;
  checked('move_mount', moveMountCall(systemCallNumbers.move_mount, fromFd, '', toFd, '', flags));
}

export interface UnmountOptions {
  /** take it out of the tree now, let it end when its last user does (MNT_DETACH) */
  readonly detach?: boolean;
  /** follow a symbolic link in the last component; needed for a /proc/self/fd/N path */
  readonly follow?: boolean;
}

/**
 * Unmounts the topmost mount at `path` (umount2(2)). See `unmountBelow` for a target that a user can name.
 * @throws SyscallError — EINVAL when nothing is mounted there, EBUSY when it is in use
 */
export function unmount(path: string, { detach = false, follow = false }: UnmountOptions = {}): void {
  const mntDetach = 2;
  const umountNofollow = 8;
  const flags = (detach ? mntDetach : 0) | (follow ? 0 : umountNofollow);
  checked('umount2', umount2Function(path, flags), path);
}

/**
 * Unmounts what is mounted on the entry `name` of the directory that `parentFd` names. The parent was resolved once,
 * by the caller, under the caller's rules; the entry is not followed when it is a symbolic link. A descriptor of the
 * mount itself would not do: umount2(2) takes only paths, and such a descriptor keeps the mount busy.
 * @param name one path component
 * @throws SyscallError — EINVAL when nothing is mounted there, EBUSY when it is in use, ENOENT when there is no entry
 */
export function unmountBelow(parentFd: number, name: string, { detach = false } = {}): void {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new TypeError(`not the name of a directory entry: ${JSON.stringify(name)}`);
  }
  unmount(`/proc/self/fd/${parentFd}/${name}`, { detach });
}

export interface FileSystemMount {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  /** `mountFlags`, or-ed */
  readonly flags?: number;
  /** the file system's own options, comma-separated */
  readonly data?: string;
}

/**
 * mount(2): mounts a file system, or binds or remounts with the flags for that.
 * @throws SyscallError
 */
export function mountFileSystem({ source, target, type, flags = 0, data }: FileSystemMount): void {
  checked('mount', mountFunction(source, target, type, flags, data ?? null), target);
}

/**
 * Sets how mounts and unmounts below `path`, a mount point, spread to its copies in other places and namespaces.
 * @throws SyscallError
 */
export function setPropagation(path: string, propagation: Propagation, { recursive = false } = {}): void {
  const flags = propagationFlags[propagation] | (recursive ? mountFlags.recursive : 0);
  checked('mount', mountFunction('none', path, null, flags, null), path);
}

/**
 * Gives the calling thread a mount namespace of its own, private to it (unshare(2), CLONE_NEWNS).
 *
 * Only for a process that makes its file-system calls synchronously: Node's pool threads, which serve the promise
 * and callback forms of `node:fs`, stay in the old namespace when they run already. Children started afterwards are
 * in the new one. Where that matters, start the whole process by unshare(1) instead.
 * @throws SyscallError — EPERM without CAP_SYS_ADMIN
 */
export function unshareMounts(): void {
  const cloneNewns = 0x20000;
  checked('unshare', unshareFunction(cloneNewns));
  setPropagation('/', 'private', { recursive: true });
}

// The open files of one simulated mount: which are passed through to the device's bytes, which the daemon serves
// itself because their memory fails, and what that answers. Knows no wire format beyond open flags.
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { extentPath, isPoisoned, type SimulatedDevice } from './device.ts';
import { errnos, openFlags } from './protocol-answers.ts';
import type { ShadowFile } from './shadow.ts';
import type { Inode } from './tree.ts';

/** Registers files as backing of passthrough; in the daemon these are two ioctls. */
export interface BackingFiles {
  /** Returns the id that an answer to OPEN names. Throws when the kernel refuses the file. */
  readonly open: (fd: number) => number;
  readonly close: (id: number) => void;
}

/** What an OPEN is answered with. */
export interface OpenedFile {
  readonly handle: bigint;
  readonly flags: number;
  readonly backingId: number;
}

/** Thrown to answer a request with an errno. */
export class FuseError extends Error {
  override readonly name = 'FuseError';
  readonly errno: number;

  constructor(errno: number) {
    super(`answered with errno ${errno}`);
    this.errno = errno;
  }
}

interface Handle {
  readonly inode: Inode;
  readonly writable: boolean;
  /** Passed through to the kernel: reads and writes never come here. */
  readonly passedThrough: boolean;
}

/** What is shared by all opens of an inode. */
interface OpenState {
  backingId: number;
  passedThrough: number;
  opens: number;
  /** fuse mode: O_TRUNC made the kernel believe in size 0, and nobody asked for the attributes since. */
  truncated: boolean;
}

export interface OpenFilesOptions {
  /** Root of the node, by which a memory error can be of one node alone. */
  readonly nodeRoot: string;
  readonly device: SimulatedDevice;
  readonly mode: 'fuse' | 'standalone';
  /** The device is held by another mount: nothing maps. */
  readonly broken: boolean;
  readonly backingFiles: BackingFiles;
}

export class OpenFiles {
  readonly #options: OpenFilesOptions;
  readonly #handles = new Map<bigint, Handle>();
  readonly #states = new Map<Inode, OpenState>();
  /** Files that answer EIO until the kernel drops the inode or the mount goes (famfs reference 4.6). */
  readonly #wedged = new WeakSet<Inode>();
  #nextHandle = 1n;
  #memoryFailed = false;
  #poisonReported = false;

  constructor(options: OpenFilesOptions) {
    this.#options = options;
  }

  /** Opens a file with the caller's flags. Throws FuseError. */
  open(inode: Inode, flags: number): OpenedFile {
    if ((flags & constants.O_DIRECT) !== 0) throw new FuseError(errnos.EINVAL);
    const writable = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
    const truncates = (flags & constants.O_TRUNC) !== 0;
    if (truncates && this.#options.mode === 'standalone') throw new FuseError(errnos.EPERM);
    const state = this.#states.get(inode) ?? { backingId: 0, passedThrough: 0, opens: 0, truncated: false };
    // Beside a passed-through open nothing else is possible, and an O_TRUNC there changes nothing.
    const served = this.#mustServe(inode) || (truncates && state.passedThrough === 0);
    if (!served && inode.file !== undefined) this.#passThrough(inode.file, state);
    if (served && truncates) state.truncated = true;
    state.opens += 1;
    this.#states.set(inode, state);
    const handle = this.#nextHandle++;
    this.#handles.set(handle, { inode, writable, passedThrough: !served });
    return served
      ? { handle, flags: openFlags.directIo, backingId: 0 }
      : { handle, flags: openFlags.passthrough, backingId: state.backingId };
  }

  /** Closes a handle. Returns its inode. */
  release(handle: bigint): Inode | undefined {
    const opened = this.#handles.get(handle);
    if (opened === undefined) return undefined;
    this.#handles.delete(handle);
    const { inode } = opened;
    const state = this.#states.get(inode);
    if (state === undefined) return inode;
    state.opens -= 1;
    if (opened.passedThrough) state.passedThrough -= 1;
    if (opened.passedThrough && state.passedThrough === 0) this.#options.backingFiles.close(state.backingId);
    if (opened.writable && opened.passedThrough && inode.file !== undefined) this.#clip(inode.file);
    if (state.opens === 0) this.#states.delete(inode);
    return inode;
  }

  /** The kernel fetched the attributes anew, so it knows the size again. */
  attributesFetched(inode: Inode): void {
    const state = this.#states.get(inode);
    if (state !== undefined) state.truncated = false;
  }

  /** Reads for a handle that is not passed through. Throws FuseError. */
  read(handle: bigint, offsetBytes: bigint, sizeBytes: number): Buffer {
    const file = this.#access(handle);
    const length = clippedLength(file, offsetBytes, sizeBytes);
    const bytes = Buffer.alloc(length);
    if (length > 0) this.#withBacking(file, 'r', (fd) => readSync(fd, bytes, 0, length, Number(offsetBytes)));
    return bytes;
  }

  /** Writes for a handle that is not passed through; what lies past the end of the file is left out. */
  write(handle: bigint, offsetBytes: bigint, data: Buffer): number {
    const file = this.#access(handle);
    const length = clippedLength(file, offsetBytes, data.length);
    if (length === 0) return 0;
    return this.#withBacking(file, 'r+', (fd) => writeSync(fd, data, 0, length, Number(offsetBytes)));
  }

  /** Whether the daemon has to answer reads of this file, because they are to fail. */
  #mustServe(inode: Inode): boolean {
    if (!this.#memoryFailed && isPoisoned(this.#options.device, this.#options.nodeRoot))
      this.#memoryFailed = true;
    return this.#memoryFailed || this.#options.broken || inode.file === undefined || this.#wedged.has(inode);
  }

  #passThrough(file: ShadowFile, state: OpenState): void {
    if (state.passedThrough === 0)
      state.backingId = this.#withBacking(file, 'r', this.#options.backingFiles.open);
    state.passedThrough += 1;
  }

  /** What the file of a handle maps, if its memory can be reached. */
  #access(handle: bigint): ShadowFile {
    const inode = this.#handles.get(handle)?.inode;
    if (inode === undefined || this.#options.broken) throw new FuseError(errnos.EIO);
    if (this.#memoryFailed) throw new FuseError(this.#memoryErrno());
    if (inode.file === undefined || this.#wedged.has(inode)) throw new FuseError(errnos.EIO);
    const state = this.#states.get(inode);
    if (state?.truncated === true) {
      this.#wedged.add(inode);
      throw new FuseError(errnos.ENXIO);
    }
    return inode.file;
  }

  /** What a read of failed memory answers (famfs kernel reference 8a). */
  #memoryErrno(): number {
    if (this.#options.mode === 'standalone') return errnos.ENODEV;
    if (this.#poisonReported) return errnos.EIO;
    this.#poisonReported = true;
    return errnos.EHWPOISON;
  }

  #withBacking<T>(file: ShadowFile, flags: 'r' | 'r+', use: (fd: number) => T): T {
    const first = file.extents[0];
    if (first === undefined) throw new FuseError(errnos.EIO);
    const place = extentPath(this.#options.device, first.offsetBytes);
    const fd = openSync(place, openMode(flags), 0o600);
    try {
      // Memory is there whether or not anybody wrote to it yet.
      if (fstatSync(fd).size < Number(file.sizeBytes)) truncateSync(place, Number(file.sizeBytes));
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** A passed-through write past the end has grown the bytes behind the file; famfs files never grow. */
  #clip(file: ShadowFile): void {
    this.#withBacking(file, 'r+', (fd) => {
      if (fstatSync(fd).size > Number(file.sizeBytes)) ftruncateSync(fd, Number(file.sizeBytes));
    });
  }
}

function openMode(flags: 'r' | 'r+'): number {
  return (flags === 'r' ? constants.O_RDONLY : constants.O_RDWR) | constants.O_CREAT;
}

function clippedLength(file: ShadowFile, offsetBytes: bigint, wantedBytes: number): number {
  if (offsetBytes >= file.sizeBytes) return 0;
  const left = file.sizeBytes - offsetBytes;
  return left < BigInt(wantedBytes) ? Number(left) : wantedBytes;
}

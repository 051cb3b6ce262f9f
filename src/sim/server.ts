// What a famfs mount answers to each request of the kernel, in either mode. Knows famfs's answers (famfs reference
// 4.6, 5.5; kernel reference 6); bytes of files are open-files.ts, names are tree.ts, the wire format protocol.ts.
import { chownSync, mkdirSync, statfsSync } from 'node:fs';
import path from 'node:path';
import type { SimulatedDevice } from './device.ts';
import { OpenDirectories } from './open-directories.ts';
import { type BackingFiles, FuseError, OpenFiles } from './open-files.ts';
import {
  decodeForget,
  decodeGetxattr,
  decodeLock,
  decodeName,
  decodeSetattr,
  decodeTransfer,
  decodeWriteData,
  type FuseRequest,
  opcodes,
} from './protocol.ts';
import {
  encodeAnswer,
  encodeAttributes,
  encodeCount,
  encodeEntry,
  encodeError,
  encodeOpen,
  encodeStatfs,
  errnos,
} from './protocol-answers.ts';
import { addUnmappedFile } from './shadow.ts';
import { type Inode, InodeTree } from './tree.ts';

const shadowAttribute = 'user.famfs.shadow';
const modeBits = 0o7777;

export interface FuseServerOptions {
  readonly mode: 'fuse' | 'standalone';
  readonly nodeRoot: string;
  readonly device: SimulatedDevice;
  readonly shadow: string;
  readonly timeoutSeconds: number;
  /** Another mount holds the device: names are there, bytes are not. */
  readonly broken: boolean;
  readonly backingFiles: BackingFiles;
  /** Ends the process at once, as famfs_fused ends on a truncate. Does not return. */
  readonly crash: () => never;
}

export class FuseServer {
  readonly #options: FuseServerOptions;
  readonly #tree: InodeTree;
  readonly #files: OpenFiles;
  readonly #directories: OpenDirectories;
  /** fuse mode has one lock for the whole file system. */
  #lockHolder: Inode | undefined;

  constructor(options: FuseServerOptions) {
    this.#options = options;
    this.#tree = new InodeTree(path.join(options.shadow, 'root'), {
      showsDirectorySizes: options.mode === 'fuse',
    });
    this.#files = new OpenFiles(options);
    this.#directories = new OpenDirectories(this.#tree);
  }

  /** The answer to a request, or undefined for those that get none. Never throws. */
  handle(request: FuseRequest): Buffer | undefined {
    if (request.opcode === opcodes.forget || request.opcode === opcodes.batchForget) {
      for (const { nodeId, count } of decodeForget(request)) this.#tree.forget(nodeId, count);
      return undefined;
    }
    if (request.opcode === opcodes.interrupt) return undefined;
    try {
      const body = this.#answer(request);
      return typeof body === 'number'
        ? encodeError(request.unique, body)
        : encodeAnswer(request.unique, body);
    } catch (error) {
      return encodeError(request.unique, errnoOf(error));
    }
  }

  /** The body of the answer, or an errno (0 = done). */
  #answer(request: FuseRequest): Buffer | number {
    switch (request.opcode) {
      case opcodes.lookup:
        return this.#lookup(this.#inode(request), decodeName(request.body));
      case opcodes.getattr:
        return this.#getattr(this.#inode(request));
      case opcodes.setattr:
        return this.#setattr(request);
      case opcodes.statfs:
        return this.#statfs();
      case opcodes.getxattr:
        return this.#getxattr(request.body);
      case opcodes.setlk:
      case opcodes.setlkw:
        return this.#lock(this.#inode(request), request.body);
      case opcodes.destroy:
        return 0;
      default:
        return this.#answerFile(request) ?? this.#answerDirectory(request) ?? this.#answerRefused(request);
    }
  }

  #answerFile(request: FuseRequest): Buffer | number | undefined {
    const { body, opcode } = request;
    if (opcode === opcodes.open) return this.#open(this.#inode(request), body.readUInt32LE(0));
    if (opcode === opcodes.release) return this.#release(body.readBigUInt64LE(0));
    if (opcode === opcodes.read) {
      const { handle, offsetBytes, sizeBytes } = decodeTransfer(body);
      return this.#files.read(handle, offsetBytes, sizeBytes);
    }
    if (opcode === opcodes.write) {
      const { handle, offsetBytes } = decodeTransfer(body);
      return encodeCount(this.#files.write(handle, offsetBytes, decodeWriteData(body)));
    }
    return undefined;
  }

  #answerDirectory(request: FuseRequest): Buffer | number | undefined {
    const { body, opcode } = request;
    if (opcode === opcodes.opendir) return encodeOpen(this.#directories.open(this.#inode(request)), 0);
    if (opcode === opcodes.readdir) return this.#directories.read(decodeTransfer(body));
    if (opcode === opcodes.readdirplus) {
      return this.#directories.read(decodeTransfer(body), (inode) => this.#entry(inode));
    }
    if (opcode !== opcodes.releasedir) return undefined;
    this.#directories.release(body.readBigUInt64LE(0));
    return 0;
  }

  /** Everything that would make, remove or rename a name, and everything that famfs does not know. */
  #answerRefused(request: FuseRequest): Buffer | number {
    const { opcode } = request;
    if (this.#options.mode === 'standalone') {
      if (opcode === opcodes.create) return this.#createJunk(request);
      if (opcode === opcodes.mkdir) return this.#makeJunkDirectory(request);
      if (standaloneDenied.has(opcode)) return errnos.EPERM;
    }
    if (fuseUnsupported.has(opcode)) return errnos.EOPNOTSUPP;
    return opcode === opcodes.link ? errnos.EPERM : errnos.ENOSYS;
  }

  #inode(request: FuseRequest): Inode {
    const inode = this.#tree.find(request.nodeId);
    if (inode === undefined) throw new FuseError(errnos.ENOENT);
    return inode;
  }

  #lookup(parent: Inode, name: string | undefined): Buffer | number {
    const inode = name === undefined ? undefined : this.#tree.lookup(parent, name);
    return inode === undefined ? errnos.ENOENT : this.#entry(inode);
  }

  #entry(inode: Inode): Buffer {
    const attributes = this.#tree.attributes(inode);
    this.#tree.remember(inode);
    return encodeEntry(inode.nodeId, attributes, this.#options.timeoutSeconds);
  }

  #getattr(inode: Inode): Buffer {
    this.#files.attributesFetched(inode);
    return encodeAttributes(this.#tree.attributes(inode), this.#options.timeoutSeconds);
  }

  #setattr(request: FuseRequest): Buffer | number {
    const inode = this.#inode(request);
    const wanted = decodeSetattr(request.body, BigInt(Date.now()) * 1_000_000n);
    if (wanted.sizeBytes !== undefined) {
      const refusal = this.#refuseResize(inode, wanted.sizeBytes);
      if (refusal !== 0) return refusal;
    }
    const { changed } = inode;
    if (wanted.mode !== undefined) changed.mode = wanted.mode & modeBits;
    if (wanted.uid !== undefined) changed.uid = wanted.uid;
    if (wanted.gid !== undefined) changed.gid = wanted.gid;
    if (wanted.atimeNs !== undefined) changed.atimeNs = wanted.atimeNs;
    if (wanted.mtimeNs !== undefined) changed.mtimeNs = wanted.mtimeNs;
    return encodeAttributes(this.#tree.attributes(inode), this.#options.timeoutSeconds);
  }

  /** fuse: famfs_fused crashes on any size but 0. Standalone (policy of August 2026): only the same size passes. */
  #refuseResize(inode: Inode, sizeBytes: bigint): number {
    if (this.#options.mode === 'standalone') return inode.file?.sizeBytes === sizeBytes ? 0 : errnos.EPERM;
    return sizeBytes === 0n ? errnos.EINVAL : this.#options.crash();
  }

  #open(inode: Inode, flags: number): Buffer {
    const opened = this.#files.open(inode, flags);
    return encodeOpen(opened.handle, opened.flags, opened.backingId);
  }

  /** Any close of the file that the lock was taken on gives it up, whoever holds it (famfs reference 5.5). */
  #release(handle: bigint): number {
    const inode = this.#files.release(handle);
    if (inode !== undefined && inode === this.#lockHolder) this.#lockHolder = undefined;
    return 0;
  }

  #lock(inode: Inode, body: Buffer): number {
    const { kind } = decodeLock(body);
    if (kind === 'shared') return errnos.EINVAL;
    if (kind === 'exclusive') {
      if (this.#lockHolder !== undefined) return errnos.EINVAL;
      this.#lockHolder = inode;
      return 0;
    }
    if (this.#lockHolder !== inode) return errnos.EINVAL;
    this.#lockHolder = undefined;
    return 0;
  }

  /** fuse mode shows the figures of whatever holds the shadow tree, standalone mode zeros (famfs reference 4.8). */
  #statfs(): Buffer {
    if (this.#options.mode === 'standalone') {
      const none = { blocks: 0n, freeBlocks: 0n, availableBlocks: 0n, files: 0n, freeFiles: 0n };
      return encodeStatfs({ ...none, blockBytes: 4096 });
    }
    const figures = statfsSync(this.#options.shadow, { bigint: true });
    return encodeStatfs({
      blocks: figures.blocks,
      freeBlocks: figures.bfree,
      availableBlocks: figures.bavail,
      files: figures.files,
      freeFiles: figures.ffree,
      blockBytes: Number(figures.bsize),
    });
  }

  #getxattr(body: Buffer): Buffer | number {
    if (this.#options.mode === 'standalone') return errnos.EOPNOTSUPP;
    const { name, roomBytes } = decodeGetxattr(body);
    if (name !== shadowAttribute) return errnos.ENODATA;
    const value = Buffer.from(this.#options.shadow, 'utf8');
    if (roomBytes === 0) return encodeCount(value.length);
    return roomBytes < value.length ? errnos.ERANGE : value;
  }

  /** Standalone mode lets anybody make a name; the file has no memory and every access to its bytes fails. */
  #createJunk(request: FuseRequest): Buffer | number {
    const parent = this.#inode(request);
    const name = decodeName(request.body, 16);
    if (name === undefined) return errnos.EINVAL;
    const mode = request.body.readUInt32LE(4) & modeBits;
    if (!addUnmappedFile(this.#options, path.join(parent.relativePath, name), mode)) return errnos.EEXIST;
    const inode = this.#tree.lookup(parent, name);
    if (inode === undefined) return errnos.EIO;
    Object.assign(inode.changed, { uid: request.uid, gid: request.gid });
    return Buffer.concat([this.#entry(inode), this.#open(inode, 0)]);
  }

  #makeJunkDirectory(request: FuseRequest): Buffer | number {
    const parent = this.#inode(request);
    const name = decodeName(request.body, 8);
    if (name === undefined) return errnos.EINVAL;
    const place = path.join(this.#tree.shadowPath(parent), name);
    mkdirSync(place, { mode: request.body.readUInt32LE(0) & modeBits });
    chownSync(place, request.uid, request.gid);
    return this.#lookup(parent, name);
  }
}

const standaloneDenied: ReadonlySet<number> = new Set([
  opcodes.unlink,
  opcodes.rmdir,
  opcodes.rename,
  opcodes.rename2,
  opcodes.link,
  opcodes.symlink,
  opcodes.mknod,
]);

const fuseUnsupported: ReadonlySet<number> = new Set([
  opcodes.create,
  opcodes.mknod,
  opcodes.setxattr,
  opcodes.removexattr,
  opcodes.fallocate,
]);

/** Errors of `node:fs` carry the negative errno of the call that failed; anything else is an I/O error. */
function errnoOf(error: unknown): number {
  if (error instanceof FuseError) return error.errno;
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number')
    return Math.abs(error.errno);
  return errnos.EIO;
}

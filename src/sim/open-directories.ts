// The open directories of one simulated mount, and how they are listed in pieces. Knows names and inodes, no bytes.
import { FuseError } from './open-files.ts';
import { type DirectoryEntry, emptyEntry, encodeDirectoryEntry, errnos } from './protocol-answers.ts';
import type { Inode, InodeTree, NamedInode } from './tree.ts';

interface OpenDirectory {
  readonly inode: Inode;
  names: NamedInode[];
}

/** Which piece of a listing is wanted. */
export interface DirectoryRead {
  readonly handle: bigint;
  /** The cookie of the last entry that was read; 0 at the beginning. */
  readonly offsetBytes: bigint;
  /** How long the answer may be. */
  readonly sizeBytes: number;
}

export class OpenDirectories {
  readonly #tree: InodeTree;
  readonly #open = new Map<bigint, OpenDirectory>();
  #nextHandle = 1n;

  constructor(tree: InodeTree) {
    this.#tree = tree;
  }

  /** Opens a directory. Returns its handle. */
  open(inode: Inode): bigint {
    const handle = this.#nextHandle++;
    this.#open.set(handle, { inode, names: [] });
    return handle;
  }

  /** Closes a handle. */
  release(handle: bigint): void {
    this.#open.delete(handle);
  }

  /**
   * The next names of a directory, as many as fit. Cookies are positions: 1 stands after `.`, 2 after `..`, then the
   * names as they were when the listing began. With `entryOf` each name comes with its inode (READDIRPLUS), which the
   * kernel then counts as looked up. Throws FuseError for a handle that is not open.
   */
  read(read: DirectoryRead, entryOf?: (inode: Inode) => Buffer): Buffer {
    const directory = this.#open.get(read.handle);
    if (directory === undefined) throw new FuseError(errnos.EIO);
    if (read.offsetBytes === 0n) directory.names = this.#tree.list(directory.inode);
    const own = this.#tree.attributes(directory.inode).inode;
    const dots = ['.', '..'].map((name): NamedInode => ({ name, inode: own, isDirectory: true }));
    const all = [...dots, ...directory.names];
    const records: Buffer[] = [];
    let room = read.sizeBytes;
    for (let index = Number(read.offsetBytes); index < all.length; index += 1) {
      const named = all[index];
      if (named === undefined) break;
      const entry = { ...named, cookie: BigInt(index + 1) };
      if (encodeDirectoryEntry(entry, entryOf && emptyEntry).length > room) break;
      const record = this.#record(directory.inode, entry, entryOf);
      if (record === undefined) continue;
      room -= record.length;
      records.push(record);
    }
    return Buffer.concat(records);
  }

  /** One record, or undefined when the name has gone since the listing began. */
  #record(parent: Inode, entry: DirectoryEntry, entryOf?: (inode: Inode) => Buffer): Buffer | undefined {
    if (entryOf === undefined) return encodeDirectoryEntry(entry);
    if (entry.name === '.' || entry.name === '..') return encodeDirectoryEntry(entry, emptyEntry);
    const inode = this.#tree.lookup(parent, entry.name);
    return inode === undefined ? undefined : encodeDirectoryEntry(entry, entryOf(inode));
  }
}

// The inodes of one simulated mount, made from the shadow tree as the kernel looks names up. As in famfs, a name
// is looked up in the shadow tree every time, what a file maps is read once, and chmod or chown live in memory
// until the mount goes. Knows nothing of the wire format's requests, nor of the bytes of files.
import { type BigIntStats, lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { FuseAttributes } from './protocol-answers.ts';
import { parseShadowFile, parseUnmappedMode, type ShadowFile } from './shadow.ts';

/** The root's node id, fixed by the protocol. */
export const rootNodeId = 1n;
const directoryType = 0o040000;
const fileType = 0o100000;

/** Attributes that somebody changed on this mount; they are lost with it (famfs reference 4.5). */
export interface EphemeralAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  atimeNs?: bigint;
  mtimeNs?: bigint;
}

export interface Inode {
  readonly nodeId: bigint;
  /** Relative to the mount root; '' is the root. */
  readonly relativePath: string;
  /** Tells one file of the shadow tree from a later one of the same name. */
  readonly shadowIdentity: string;
  readonly isDirectory: boolean;
  /** What the file maps; undefined for a directory and for a file without memory. */
  readonly file: ShadowFile | undefined;
  /** Permission bits of a file without memory. */
  readonly unmappedMode: number;
  readonly changed: EphemeralAttributes;
  /** How often the kernel was told of it and has not let go. */
  lookups: bigint;
}

/** A name in a directory. */
export interface NamedInode {
  readonly name: string;
  readonly inode: bigint;
  readonly isDirectory: boolean;
}

export class InodeTree {
  readonly #root: string;
  readonly #showsDirectorySizes: boolean;
  readonly #byNodeId = new Map<bigint, Inode>();
  readonly #byPath = new Map<string, Inode>();
  #nextNodeId = rootNodeId + 1n;

  /** `showsDirectorySizes`: fuse mode shows those of the shadow's directories, standalone mode 0. */
  constructor(shadowRoot: string, { showsDirectorySizes }: { readonly showsDirectorySizes: boolean }) {
    this.#root = shadowRoot;
    this.#showsDirectorySizes = showsDirectorySizes;
    this.#keep(this.#make('', lstatSync(shadowRoot, { bigint: true }), rootNodeId));
  }

  /** The inode of a node id, or undefined when the kernel has let go of it. */
  find(nodeId: bigint): Inode | undefined {
    return this.#byNodeId.get(nodeId);
  }

  /** Looks a name up in the shadow tree. Does not count as a lookup: `remember` does. */
  lookup(parent: Inode, name: string): Inode | undefined {
    const relativePath = path.join(parent.relativePath, name);
    const stat = lstatSync(path.join(this.#root, relativePath), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const known = this.#byPath.get(relativePath);
    if (known !== undefined && known.shadowIdentity === identityOf(stat)) return known;
    const inode = this.#make(relativePath, stat, this.#nextNodeId++);
    this.#keep(inode);
    return inode;
  }

  /** Counts that the kernel was told of an inode. */
  remember(inode: Inode): void {
    inode.lookups += 1n;
  }

  /** The kernel lets go of an inode `count` times. One with changed attributes stays, as in famfs. */
  forget(nodeId: bigint, count: bigint): void {
    const inode = this.#byNodeId.get(nodeId);
    if (inode === undefined || nodeId === rootNodeId) return;
    inode.lookups -= count;
    if (inode.lookups > 0n || Object.keys(inode.changed).length > 0) return;
    this.#byNodeId.delete(nodeId);
    if (this.#byPath.get(inode.relativePath) === inode) this.#byPath.delete(inode.relativePath);
  }

  /** What stat(2) shows of an inode. Throws ENOENT when its file of the shadow tree has gone. */
  attributes(inode: Inode): FuseAttributes {
    const stat = lstatSync(this.shadowPath(inode), { bigint: true });
    const logged = inode.file ?? { mode: inode.unmappedMode, uid: Number(stat.uid), gid: Number(stat.gid) };
    const shown = inode.isDirectory
      ? { mode: Number(stat.mode), uid: Number(stat.uid), gid: Number(stat.gid) }
      : logged;
    const mode = (inode.changed.mode ?? shown.mode) & 0o7777;
    return {
      inode: stat.ino,
      sizeBytes: inode.isDirectory
        ? this.#showsDirectorySizes
          ? stat.size
          : 0n
        : (inode.file?.sizeBytes ?? 0n),
      mode: mode | (inode.isDirectory ? directoryType : fileType),
      linkCount: inode.isDirectory ? Number(stat.nlink) : 1,
      uid: inode.changed.uid ?? shown.uid,
      gid: inode.changed.gid ?? shown.gid,
      atimeNs: inode.changed.atimeNs ?? stat.atimeNs,
      mtimeNs: inode.changed.mtimeNs ?? stat.mtimeNs,
      ctimeNs: stat.ctimeNs,
    };
  }

  /** The names in a directory, without `.` and `..`. */
  list(directory: Inode): NamedInode[] {
    const place = this.shadowPath(directory);
    return readdirSync(place).flatMap((name) => {
      const stat = lstatSync(path.join(place, name), { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? [] : [{ name, inode: stat.ino, isDirectory: stat.isDirectory() }];
    });
  }

  /** Where an inode lies in the shadow tree. */
  shadowPath(inode: Inode): string {
    return path.join(this.#root, inode.relativePath);
  }

  #keep(inode: Inode): void {
    this.#byNodeId.set(inode.nodeId, inode);
    this.#byPath.set(inode.relativePath, inode);
  }

  #make(relativePath: string, stat: BigIntStats, nodeId: bigint): Inode {
    const isDirectory = stat.isDirectory();
    const text = isDirectory ? '' : readFileSync(path.join(this.#root, relativePath), 'utf8');
    return {
      nodeId,
      relativePath,
      shadowIdentity: identityOf(stat),
      isDirectory,
      file: isDirectory ? undefined : parseShadowFile(text),
      unmappedMode: parseUnmappedMode(text),
      changed: {},
      lookups: 0n,
    };
  }
}

/** Inode numbers are used again after a removal; together with the birth time they are not. */
function identityOf(stat: BigIntStats): string {
  return `${stat.ino}:${stat.birthtimeNs}`;
}

// The tree of names behind a simulated mount: `famfs` writes it at mount, logplay, creat, cp and mkdir; the
// daemon reads it at every lookup. As in famfs, directories are directories and each file is a small YAML that
// says which memory it maps (famfs reference 5.2). Knows nothing of FUSE or of the log.
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { afterEffect, atEffect, beforeEffect } from '../linux/effect-point.ts';
import { extentPath, openDevice } from './device.ts';
import type { SimulatedMount } from './simulated-mount.ts';

/** What the YAML of one file says. */
export interface ShadowFile {
  readonly sizeBytes: bigint;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** In order; of a striped file the strips. The first one's offset names the backing file. */
  readonly extents: readonly ShadowExtent[];
  /** Chunk size of a striped file. */
  readonly chunkBytes?: bigint;
}

export interface ShadowExtent {
  readonly offsetBytes: bigint;
  readonly lengthBytes: bigint;
}

/** A directory: permission bits and owner. */
export interface ShadowDirectory {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Makes SHADOW/root in an existing directory. Throws EEXIST when it is there (famfs: a shadow is used once). */
export function createShadow(shadow: string): void {
  atEffect('mkdir shadow root', () => mkdirSync(path.join(shadow, 'root'), { mode: 0o755 }));
}

/**
 * The place of a name in the shadow tree; `relativePath` is relative to the mount root, '' is the root.
 * Throws `log-refused` for a path that leads out of the tree, which the simulator, unlike famfs, never follows.
 */
export function shadowPath(mount: Pick<SimulatedMount, 'shadow'>, relativePath: string): string {
  const root = path.join(mount.shadow, 'root');
  const place = path.join(root, relativePath);
  if (place !== root && !place.startsWith(`${root}/`)) {
    throw new DriverError(
      'log-refused',
      `the path ${JSON.stringify(relativePath)} leads out of the file system`,
    );
  }
  return place;
}

/**
 * Gives a file a name. Returns false, and changes nothing, when the name is taken already by anything.
 * Throws ENOENT when the parent is missing, ENOTDIR when it is a file.
 */
export function addFile(mount: SimulatedMount, relativePath: string, file: ShadowFile): boolean {
  if (!addWhole(mount, shadowPath(mount, relativePath), encodeShadowFile(relativePath, file))) return false;
  if (mount.viewDirectory !== null) linkIntoView(mount, mount.viewDirectory, relativePath, file);
  return true;
}

/**
 * Gives a name to a file without memory: what a failed creation leaves behind, or what a pod creates in standalone
 * mode. Its size is 0 and reading it fails. Returns false when the name is taken.
 */
export function addUnmappedFile(
  mount: Pick<SimulatedMount, 'shadow'>,
  relativePath: string,
  mode: number,
): boolean {
  return addWhole(mount, shadowPath(mount, relativePath), `---\nfile:\n  mode: 0${mode.toString(8)}\n`);
}

/**
 * Makes a directory as famfs does: mkdir(2) under the caller's umask, then chown only when uid and gid are both
 * nonzero (famfs reference 4.5). Returns false when the name is taken. Throws ENOENT when the parent is missing.
 */
export function addDirectory(
  mount: SimulatedMount,
  relativePath: string,
  directory: ShadowDirectory,
): boolean {
  if (!makeDirectory(shadowPath(mount, relativePath), directory)) return false;
  if (mount.viewDirectory !== null) makeDirectory(path.join(mount.viewDirectory, relativePath), directory);
  return true;
}

/** Takes a name out of the tree. famfs never does; it is for undoing, and for tests. */
export function removeEntry(mount: SimulatedMount, relativePath: string): void {
  removeOne(shadowPath(mount, relativePath));
  if (mount.viewDirectory !== null) removeOne(path.join(mount.viewDirectory, relativePath));
}

/** What a file of the shadow tree maps, or undefined when it maps nothing. `file` is a path below SHADOW/root. */
export function readShadowFile(file: string): ShadowFile | undefined {
  return parseShadowFile(readFileSync(file, 'utf8'));
}

/** The YAML of a file. */
export function encodeShadowFile(relativePath: string, file: ShadowFile): string {
  const lines = [
    '---',
    'file:',
    `  path: ${JSON.stringify(relativePath)}`,
    `  size: ${file.sizeBytes}`,
    '  flags: 2',
    `  mode: 0${file.mode.toString(8)}`,
    `  uid: ${file.uid}`,
    `  gid: ${file.gid}`,
    ...(file.chunkBytes === undefined ? [] : [`  chunk_size: ${file.chunkBytes}`]),
    `  nextents: ${file.extents.length}`,
    `  ${file.chunkBytes === undefined ? 'simple_ext_list' : 'striped_ext_list'}:`,
    ...file.extents.flatMap((e) => [
      `  - offset: 0x${e.offsetBytes.toString(16)}`,
      `    length: 0x${e.lengthBytes.toString(16)}`,
    ]),
    '...',
  ];
  return `${lines.join('\n')}\n`;
}

/** Reads the YAML of a file; undefined when it maps no memory. Throws `internal` for what this file did not write. */
export function parseShadowFile(text: string): ShadowFile | undefined {
  const fields = new Map<string, string>();
  const offsets: bigint[] = [];
  const lengths: bigint[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s+(?:- )?([a-z_]+): (.+)$/.exec(line);
    const [key, value] = [match?.[1], match?.[2]];
    if (key === undefined || value === undefined) continue;
    if (key === 'offset') offsets.push(BigInt(value));
    else if (key === 'length') lengths.push(BigInt(value));
    else fields.set(key, value);
  }
  if (offsets.length === 0) return undefined;
  const chunk = fields.get('chunk_size');
  return {
    sizeBytes: BigInt(fieldOf(fields, 'size')),
    mode: Number.parseInt(fieldOf(fields, 'mode'), 8),
    uid: Number(fieldOf(fields, 'uid')),
    gid: Number(fieldOf(fields, 'gid')),
    extents: offsets.map((offsetBytes, index) => ({ offsetBytes, lengthBytes: lengths[index] ?? 0n })),
    ...(chunk === undefined ? {} : { chunkBytes: BigInt(chunk) }),
  };
}

/** The permission bits of a file that maps nothing. */
export function parseUnmappedMode(text: string): number {
  return Number.parseInt(/^\s+mode: ([0-7]+)$/m.exec(text)?.[1] ?? '644', 8);
}

function fieldOf(fields: ReadonlyMap<string, string>, key: string): string {
  const value = fields.get(key);
  if (value === undefined)
    throw new DriverError('internal', `a file of the shadow tree does not say its ${key}`);
  return value;
}

/** Writes a file that appears whole or not at all; false when the name is taken. */
function addWhole(mount: Pick<SimulatedMount, 'shadow'>, target: string, text: string): boolean {
  const draft = path.join(mount.shadow, `.new-${process.pid}`);
  writeFileSync(draft, text, { mode: 0o644 });
  try {
    beforeEffect('add file');
    linkSync(draft, target);
    afterEffect('add file');
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

function makeDirectory(directory: string, { mode, uid, gid }: ShadowDirectory): boolean {
  try {
    atEffect('add directory', () => mkdirSync(directory, { mode }));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  if (uid !== 0 && gid !== 0) chownWherePossible(directory, uid, gid);
  return true;
}

function linkIntoView(
  mount: SimulatedMount,
  viewDirectory: string,
  relativePath: string,
  file: ShadowFile,
): void {
  const first = file.extents[0];
  if (first === undefined) return;
  const link = path.join(viewDirectory, relativePath);
  linkSync(extentPath(openDevice(mount.deviceDirectory), first.offsetBytes), link);
  // One inode serves all nodes here, so mode and owner are the last writer's for everybody.
  chmodSync(link, file.mode & 0o777);
  chownWherePossible(link, file.uid, file.gid);
}

/** Ids that the user namespace does not map cannot be given; the entry then keeps its owner. */
function chownWherePossible(target: string, uid: number, gid: number): void {
  try {
    chownSync(target, uid, gid);
  } catch (error) {
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'EPERM') throw error;
  }
}

function removeOne(target: string): void {
  try {
    rmSync(target);
  } catch (error) {
    if (codeOf(error) === 'ERR_FS_EISDIR') rmdirSync(target);
    else throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

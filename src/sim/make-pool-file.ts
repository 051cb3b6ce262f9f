// Makes one file in a pool within a writer's session: place, name, log entry, in famfs's order, so that a full log
// leaves a name without an entry. Must not know which command asked.
import { statSync } from 'node:fs';
import type { Extent, FileEntry } from '../famfs/log-entry.ts';
import { atEffect } from '../linux/effect-point.ts';
import { abortOnAssertion, type CommandContext } from './command-context.ts';
import type { LockedLog } from './locked-log.ts';
import { relativePathOf } from './mounted-pool.ts';
import type { Geometry } from './pool-allocator.ts';
import { addLoggedFile, loggedOwnerAndMode } from './replay-log.ts';

/** The longest path that fits famfs's buffer with its NUL, and one byte that its assertion keeps free. */
const maxCheckedPathBytes = 78;
const maxLoggedPathBytes = 79;

/** A file to be made. `file` is the path as the user wrote it. */
export interface PoolFileRequest {
  readonly file: string;
  readonly sizeBytes: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly geometry: Geometry | undefined;
}

/** `refused` and `no-space` have had their message; `log-full` leaves a phantom behind. */
export type MakeResult = 'made' | 'exists' | 'refused' | 'no-space' | 'log-full';

/** Makes the file, or finds that one of the same size is there (`exists`, which `famfs cp` overwrites). */
export function makePoolFile(
  context: CommandContext,
  session: LockedLog,
  request: PoolFileRequest,
): MakeResult {
  const { found } = session;
  const relativePath = relativePathOf(found, request.file);
  if (found.mount.mode === 'fuse' && Buffer.byteLength(relativePath) > maxCheckedPathBytes) {
    abortOnAssertion(
      context,
      'src/famfs_lib.c:3991: __famfs_mkfile',
      'strlen(relpath) < (sizeof(fmeta.fm_relpath) - 1)',
    );
  }
  const present = statSync(request.file, { throwIfNoEntry: false, bigint: true });
  if (present !== undefined) {
    if (present.isFile() && present.size === request.sizeBytes) return 'exists';
    context.complain(`__famfs_mkfile: Error: file ${request.file} already exists`);
    return 'refused';
  }
  const extents = allocate(session, request);
  if (extents === undefined) {
    const signed = BigInt.asIntN(64, request.sizeBytes);
    context.complain(`__famfs_mkfile: famfs_file_alloc(${request.file}, size=${signed}) failed`);
    return 'no-space';
  }
  const { mode, uid, gid, sizeBytes, geometry } = request;
  const isStriped = geometry !== undefined && sizeBytes >= geometry.chunkBytes;
  const entry: FileEntry = {
    kind: 'file',
    path: relativePath,
    sizeBytes,
    mode,
    uid,
    gid,
    extents,
    ...(isStriped ? { interleave: { chunkBytes: geometry.chunkBytes, stripCount: extents.length } } : {}),
  };
  addLoggedFile(found.mount, entry, loggedOwnerAndMode(found.mount, entry, 'master', false));
  if (session.isFull) {
    context.complain('famfs_log_file_creation: log full');
    return 'log-full';
  }
  atEffect('log file', () => session.append({ ...entry, path: cutPath(relativePath) }));
  return 'made';
}

/** What fits the log of a path: its first 79 bytes. */
export function cutPath(relativePath: string): string {
  const bytes = Buffer.from(relativePath);
  return bytes.length <= maxLoggedPathBytes ? relativePath : bytes.toString('utf8', 0, maxLoggedPathBytes);
}

function allocate(session: LockedLog, request: PoolFileRequest): Extent[] | undefined {
  const allocator = session.allocator();
  if (request.geometry !== undefined) return allocator.allocateStriped(request.sizeBytes, request.geometry);
  const place = allocator.allocateContiguous(request.sizeBytes);
  return place === undefined ? undefined : [place];
}

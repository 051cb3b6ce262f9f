// Where the bytes of a superblock and a log come from: a device image, a directory that stands for a device, or a
// mounted pool. Must not know what the bytes mean, beyond how much of a packed image is worth unpacking.
import { once } from 'node:events';
import { closeSync, createReadStream, openSync, read, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { DriverError } from '../errors.ts';
import { logEntryOffset, logHeaderBytes } from './log-header.ts';
import { logOffsetBytes, superblockBytes } from './superblock.ts';

/**
 * Superblock and log of one pool as bytes. A read past the end gives fewer bytes than asked for. Errors of the file
 * system come through as they are (`code` ENOTCONN, EIO and so on).
 */
export interface LogSource {
  /** The 200 bytes of the superblock. */
  readSuperblock(): Buffer | Promise<Buffer>;
  /**
   * `length` bytes from `offset`, counted from the start of the log. A source may put them at the start of `into`,
   * which has room for them, and return that part of it.
   */
  readLog(offset: number, length: number, into?: Buffer): Buffer | Promise<Buffer>;
  /** Gives back what the source holds open. */
  close(): void;
  /** What was opened, for a person. */
  readonly kind: LogSourceKind;
}

export type LogSourceKind = 'image' | 'packed image' | 'directory' | 'mounted pool';

const logStart = Number(logOffsetBytes);
/** The largest log that is unpacked into memory; mkfs.famfs makes one of 8 MiB unless told otherwise. */
const maxUnpackedBytes = 2 ** 30 + logStart;

/**
 * Opens the pool at a path, whatever it is: a mount of famfs (it has `.meta/.superblock`), a directory with the files
 * `superblock` and `log`, a device image, plain or gzipped. The files stay open until close(): opening and closing a
 * mounted log once per read would undo the lock of a famfs command that runs meanwhile (famfs reference 5.5).
 *
 * Throws the file system's own error where a path cannot be reached, DriverError `pool-not-ready` for a directory
 * that is no pool and `device-unsuitable` for what is neither file nor directory.
 */
export async function openLogSource(where: string): Promise<LogSource> {
  const stat = statSync(where);
  if (stat.isDirectory()) return openDirectory(where);
  if (stat.isCharacterDevice()) {
    throw new DriverError(
      'device-unsuitable',
      `${where} is a character device, which famfs memory does not let anyone read. Give the path its pool is mounted at.`,
      { details: { field: 'path', reason: 'is a character device, which cannot be read' } },
    );
  }
  if (!stat.isFile() && !stat.isBlockDevice()) {
    throw new DriverError(
      'device-unsuitable',
      `${where} is neither a file nor a directory, so it holds no pool.`,
      {
        details: { field: 'path', reason: 'is neither a file nor a directory' },
      },
    );
  }
  return isGzip(where) ? openPackedImage(where) : openImage(where);
}

function openDirectory(where: string): LogSource {
  const meta = path.join(where, '.meta');
  const mounted = openIfThere(path.join(meta, '.superblock'));
  if (mounted !== undefined) return openPair(mounted, path.join(meta, '.log'), 'mounted pool');
  const superblockFd = openIfThere(path.join(where, 'superblock'));
  if (superblockFd !== undefined) return openPair(superblockFd, path.join(where, 'log'), 'directory');
  throw new DriverError(
    'pool-not-ready',
    `${where} holds no famfs pool: there is neither .meta/.superblock, as in a mounted pool, nor superblock and log.`,
    { details: { field: 'path', reason: 'holds neither .meta/.superblock nor superblock and log' } },
  );
}

/** Only absence means that there is no such file: a dead mount or a memory error is for the caller to know. */
function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function openPair(superblockFd: number, logPath: string, kind: LogSourceKind): LogSource {
  let logFd: number;
  try {
    logFd = openSync(logPath, 'r');
  } catch (error) {
    closeSync(superblockFd);
    throw error;
  }
  return {
    kind,
    readSuperblock: () => readAt(superblockFd, 0, superblockBytes),
    readLog: (offset, length, into) => readAt(logFd, offset, length, into),
    close: () => {
      closeSync(superblockFd);
      closeSync(logFd);
    },
  };
}

function openImage(where: string): LogSource {
  const fd = openSync(where, 'r');
  return {
    kind: 'image',
    readSuperblock: () => readAt(fd, 0, superblockBytes),
    readLog: (offset, length, into) => readAt(fd, logStart + offset, length, into),
    close: () => closeSync(fd),
  };
}

async function openPackedImage(where: string): Promise<LogSource> {
  const bytes = await unpack(where);
  const slice = (from: number, length: number) => bytes.subarray(from, from + length);
  return {
    kind: 'packed image',
    readSuperblock: () => slice(0, superblockBytes),
    readLog: (offset, length) => slice(logStart + offset, length),
    close: () => undefined,
  };
}

function isGzip(where: string): boolean {
  const fd = openSync(where, 'r');
  try {
    const start = Buffer.alloc(2);
    return readSync(fd, start, 0, 2, 0) === 2 && start[0] === 0x1f && start[1] === 0x8b;
  } finally {
    closeSync(fd);
  }
}

/** Unpacks an image up to the end of its last log entry: what follows, terabytes perhaps, is nobody's business here. */
async function unpack(where: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const toHeader = logStart + logHeaderBytes;
  let length = 0;
  let needed = toHeader;
  const packed = createReadStream(where);
  const unpacked = createGunzip();
  packed.on('error', (error) => unpacked.destroy(error));
  try {
    for await (const chunk of packed.pipe(unpacked) as AsyncIterable<Buffer>) {
      const before = length;
      chunks.push(chunk);
      length += chunk.length;
      if (before < toHeader && length >= toHeader) needed = neededBytes(chunks);
      if (length >= needed) break;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    throw new DriverError(
      'device-unsuitable',
      `${where} begins like a gzip file but cannot be unpacked (${code}).`,
      {
        cause: error,
        details: { field: 'path', reason: `cannot be unpacked (${code})` },
      },
    );
  } finally {
    packed.destroy();
    if (!packed.closed) await once(packed, 'close');
  }
  return Buffer.concat(chunks);
}

/** How far to unpack: to the end of the entries that the header counts, whether or not it is to be trusted. */
function neededBytes(chunks: readonly Buffer[]): number {
  const header = Buffer.concat(chunks).subarray(logStart);
  const nextIndex = Number(header.readBigUInt64LE(40));
  return Math.min(logStart + logEntryOffset(nextIndex), maxUnpackedBytes);
}

/** Reads until `length` bytes or the end of the file. */
async function readAt(
  fd: number,
  offset: number,
  length: number,
  into: Buffer = Buffer.allocUnsafeSlow(length),
): Promise<Buffer> {
  let done = 0;
  while (done < length) {
    const got = await readOnce(fd, into, done, length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return into.subarray(0, done);
}

function readOnce(fd: number, bytes: Buffer, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, bytes, at, length, position, (error, got) => (error === null ? resolve(got) : reject(error)));
  });
}

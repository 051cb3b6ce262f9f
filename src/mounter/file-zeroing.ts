// Zeroes files of a pool from end to end: writes, reads back, and has famfs flush them, so that no node ever sees what the
// memory held before. In a worker of its own, in pieces: gigabytes take seconds, and nobody waits behind them.
import { DriverError } from '../errors.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import type { Pool } from './pool.ts';
import type { FileRange } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';

export interface ZeroOrder {
  readonly directory: string;
  readonly names: readonly string[];
}

export interface ZeroProgress {
  readonly bytesDone: bigint;
  readonly bytesTotal: bigint;
}

/** Some milliseconds of writing, far below the time after which a mount counts as hung. */
const pieceBytes = 16 << 20;
const piecesBetweenReports = 16;

interface SizedFile {
  readonly path: string;
  readonly sizeBytes: bigint;
}

/**
 * Reports as it goes; when it ends, every byte has been read back as zero and flushed. May be called again at any time.
 * @throws DriverError `not-master`, `path-not-found`, `pool-memory-failed` when memory does not keep what was written,
 *   and the pool's own problem
 */
export async function* zeroFiles(
  pool: Pool,
  worker: PoolWorker,
  commands: FamfsCommands,
  { directory, names }: ZeroOrder,
  signal: AbortSignal,
): AsyncGenerator<ZeroProgress> {
  const files = await sizedFiles(
    pool,
    names.map((name) => `${directory}/${name}`),
    signal,
  );
  const bytesTotal = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n);
  let bytesDone = 0n;
  let pieces = 0;
  for (const file of files) {
    for (const range of piecesOf(file)) {
      signal.throwIfAborted();
      await worker.request('zero', range);
      if (!(await worker.request('isZero', range))) throw notKept(pool, range);
      bytesDone += BigInt(range.lengthBytes);
      if (++pieces % piecesBetweenReports === 0) yield { bytesDone, bytesTotal };
    }
    await flush(pool, commands, file.path, signal);
  }
  yield { bytesDone, bytesTotal };
}

async function sizedFiles(pool: Pool, paths: readonly string[], signal: AbortSignal): Promise<SizedFile[]> {
  const found = await pool.asMaster(async (log) => {
    await log.read();
    return log.look(paths);
  }, signal);
  return paths.map((path, index) => {
    const entry = found[index];
    if (entry?.type === 'file') return { path, sizeBytes: entry.sizeBytes };
    throw new DriverError('path-not-found', `There is no file ${path} in the log of pool ${pool.uuid}.`);
  });
}

function* piecesOf({ path, sizeBytes }: SizedFile): Generator<FileRange> {
  for (let offsetBytes = 0n; offsetBytes < sizeBytes; offsetBytes += BigInt(pieceBytes)) {
    const left = sizeBytes - offsetBytes;
    yield { path, offsetBytes, lengthBytes: left < BigInt(pieceBytes) ? Number(left) : pieceBytes };
  }
}

async function flush(pool: Pool, commands: FamfsCommands, path: string, signal: AbortSignal): Promise<void> {
  const outcome = await pool.asMaster(
    ({ lockFd }) => commands.flush({ mountPoint: pool.mountPath, path }, { lockFd }),
    signal,
  );
  if (outcome.kind === 'failed') throw outcome.error;
}

function notKept(pool: Pool, { path, offsetBytes }: FileRange): DriverError {
  return new DriverError(
    'pool-memory-failed',
    `Zeros written to ${path} of pool ${pool.uuid} near byte ${offsetBytes} do not read back as zeros: the memory fails, or somebody else writes there.`,
  );
}

// Makes the files of a slot on the pool's master: one famfs command for each, checked before and read back after (mounter's
// rule 2). What is there already as wished stays, so a call that was cut off anywhere is simply made again.
import { DriverError } from '../errors.ts';
import { requirePoolPath } from '../famfs/command-values.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import { sizeText } from '../size-text.ts';
import type { HeldLog } from './log-follower.ts';
import type { Pool } from './pool.ts';
import type { LoggedPath, LogSummary } from './pool-verbs.ts';

export interface NewFile {
  /** one component */
  readonly name: string;
  readonly sizeBytes: bigint;
}

export interface FilesOrder {
  readonly directory: string;
  readonly files: readonly NewFile[];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface FilesProgress {
  readonly filesMade: number;
  readonly logEntriesUsed: number;
}

const directoryMode = 0o755;
/** More files than this in one order are refused before anything is made; the wire takes a message of 4 MiB. */
const maximumFiles = 1000;

/** What is to be at a path. */
interface Wished extends LoggedPath {
  readonly path: string;
}

/**
 * Makes what is missing, in order: parents, the directory, the files. Room, log entries and path lengths are checked for
 * all of it first, so that what cannot be finished is not begun. The first report says what is there already.
 * @throws DriverError `not-master`, `out-of-space`, `log-full`, `path-too-long`, `exists-differently`, `name-taken`, `pool-busy`,
 *   `log-refused`, what the pool's state says, or famfs's own failure when the file is not there afterwards
 */
export async function* makeFiles(
  pool: Pool,
  commands: FamfsCommands,
  order: FilesOrder,
  signal: AbortSignal,
): AsyncGenerator<FilesProgress> {
  const wished = wishedPaths(order);
  const { missing, summary } = await pool.asMaster(async (log) => {
    const read = await log.read();
    const found = await log.look(wished.map(({ path }) => path));
    return { missing: wished.filter((wish, index) => !isThere(wish, found[index])), summary: read };
  }, signal);
  const filesMissing = missing.filter(({ type }) => type === 'file').length;
  // What an earlier order made is told before this one can be refused: who keeps count must not take it for nothing.
  yield { filesMade: order.files.length - filesMissing, logEntriesUsed: summary.entriesUsed };
  requireRoom(pool.uuid, missing, summary);
  let logEntriesUsed = 0;
  for (const [index, wish] of missing.entries()) {
    signal.throwIfAborted();
    logEntriesUsed = await pool.asMaster((log) => makeOne(pool, commands, wish, log), signal);
    if (wish.type === 'file')
      yield { filesMade: order.files.length - missing.length + index + 1, logEntriesUsed };
  }
  logEntriesUsed ||= await pool.asMaster(async (log) => (await log.read()).entriesUsed, signal);
  yield { filesMade: order.files.length, logEntriesUsed };
}

function wishedPaths({ directory, files, mode, uid, gid }: FilesOrder): Wished[] {
  requirePoolPath(directory);
  if (files.length > maximumFiles) {
    throw new DriverError(
      'invalid-argument',
      `${files.length} files are more than the ${maximumFiles} of one order.`,
    );
  }
  const steps = directory.split('/');
  const directories = steps.map((_, index) => steps.slice(0, index + 1).join('/'));
  const names = new Set<string>();
  return [
    ...directories.map((path, index) => {
      const isOurs = index === directories.length - 1;
      const owner = isOurs ? { uid, gid } : { uid: 0, gid: 0 };
      return { path, type: 'dir' as const, sizeBytes: 0n, mode: directoryMode, ...owner };
    }),
    ...files.map(({ name, sizeBytes }) => {
      if (name.includes('/') || names.has(name))
        throw new DriverError(
          'invalid-argument',
          `${JSON.stringify(name)} is not a name of its own for a file.`,
        );
      names.add(name);
      return {
        path: requirePoolPath(`${directory}/${name}`),
        type: 'file' as const,
        sizeBytes,
        mode,
        uid,
        gid,
      };
    }),
  ];
}

/** Directories may differ in owner and mode: who shares one with others takes it as it is. */
function isThere(wish: Wished, found: LoggedPath | undefined): boolean {
  if (found === undefined) return false;
  const isSame =
    wish.type === 'dir'
      ? found.type === 'dir'
      : found.type === 'file' &&
        found.sizeBytes === wish.sizeBytes &&
        (found.mode & 0o777) === wish.mode &&
        found.uid === wish.uid &&
        found.gid === wish.gid;
  if (isSame) return true;
  throw new DriverError(
    'exists-differently',
    `There is ${wish.path} in the pool already as a ${found.type} of ${sizeText(found.sizeBytes)}, mode ${found.mode.toString(8)}, owner ${found.uid}:${found.gid}; famfs can neither change nor remove it.`,
  );
}

function requireRoom(poolUuid: string, missing: readonly Wished[], summary: LogSummary): void {
  const entriesLeft = summary.entriesTotal - summary.entriesUsed;
  if (missing.length > entriesLeft) {
    throw new DriverError(
      'log-full',
      `The log of pool ${poolUuid} has ${entriesLeft} entries left and ${missing.length} are needed.`,
    );
  }
  const tooLong = missing.find(({ sizeBytes }) => sizeBytes > summary.longestFreeRunBytes);
  const all = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n);
  if (tooLong !== undefined || all > summary.freeBytes) {
    throw new DriverError(
      'out-of-space',
      `Pool ${poolUuid} has ${sizeText(summary.freeBytes)} free, in runs of up to ${sizeText(summary.longestFreeRunBytes)}; ${sizeText(all)} are needed${tooLong === undefined ? '' : `, ${sizeText(tooLong.sizeBytes)} of them in one run for ${tooLong.path}`}.`,
    );
  }
}

/**
 * famfs makes the name before it logs it, and a command that was killed in between leaves a name that every later one takes
 * for done (famfs reference 4.3). Only this node shows it, until the pool is mounted anew.
 */
function nameTaken(poolUuid: string, path: string): DriverError {
  return new DriverError(
    'name-taken',
    `This node shows ${path} in pool ${poolUuid}, and the log does not have it: a famfs command was killed before it had logged it, or somebody else made it. It goes when the pool is mounted anew on this node.`,
  );
}

/** One famfs command, and the log afterwards; what famfs says decides nothing, but explains. */
async function makeOne(pool: Pool, commands: FamfsCommands, wish: Wished, log: HeldLog): Promise<number> {
  const before = await log.read();
  const [found] = await log.look([wish.path]);
  if (isThere(wish, found)) return before.entriesUsed;
  requireRoom(pool.uuid, [wish], before);
  const place = {
    mountPoint: pool.mountPath,
    path: wish.path,
    mode: wish.mode,
    uid: wish.uid,
    gid: wish.gid,
  };
  const outcome =
    wish.type === 'dir'
      ? await commands.mkdir(place, { lockFd: log.lockFd })
      : await commands.creat({ ...place, sizeBytes: wish.sizeBytes }, { lockFd: log.lockFd });
  const { entriesUsed } = await log.read();
  const [made] = await log.look([wish.path]);
  if (made !== undefined && isThere(wish, made)) return entriesUsed;
  const isLogFull = outcome.kind !== 'ok' && outcome.error.reason === 'log-full';
  if (made === undefined && !isLogFull && (await log.shows(wish.path))) throw nameTaken(pool.uuid, wish.path);
  if (outcome.kind !== 'ok') throw outcome.error;
  throw new DriverError(
    'command-failed',
    `famfs says that it made ${wish.path}, and the log does not have it.`,
  );
}

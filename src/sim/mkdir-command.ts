// famfs mkdir: makes a directory in a mounted pool and logs it (famfs reference 1.6).
import { statSync } from 'node:fs';
import path from 'node:path';
import { errorCodeOf, errorNumber } from '../linux/syscall-error.ts';
import { scanInteger } from './c-numbers.ts';
import type { CommandContext } from './command-context.ts';
import type { OptionTable } from './get-options.ts';
import { LockedLog } from './locked-log.ts';
import { cutPath } from './make-pool-file.ts';
import { isPathReachable, relativePathOf } from './mounted-pool.ts';
import { readOptions } from './option-reader.ts';
import { addDirectory } from './shadow.ts';
import { mkdirUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+pvm:u:g:h?',
  long: [
    { name: 'parents', takesValue: false, key: 'p' },
    { name: 'mode', takesValue: true, key: 'm' },
    { name: 'uid', takesValue: true, key: 'u' },
    { name: 'gid', takesValue: true, key: 'g' },
  ],
};
/** What famfs answers for a full log, as for a lack of memory. */
const outOfMemory = -12;

/** Owner and permission bits of the directories to be made. */
export interface DirectoryAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Runs `famfs mkdir`. Returns famfs's result code. */
export async function mkdirCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const attributes = { mode: 0o755, uid: context.uid, gid: context.gid };
  let withParents = false;
  const parsed = readOptions(context, argv, { table, usage: mkdirUsage }, ({ key, value = '' }) => {
    if (key === 'p') withParents = true;
    if (key === 'm') attributes.mode = scanInteger(value, 8);
    if (key === 'u') attributes.uid = scanInteger(value);
    if (key === 'g') attributes.gid = scanInteger(value);
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  const directory = parsed.operands[0];
  if (directory === undefined) {
    context.complain('do_famfs_cli_mkdir: Must specify at least one path');
    return -1;
  }
  if (withParents) return await makeWithParents(context, directory, attributes);
  if (!isPathReachable(context, directory)) return -1;
  return await inSession(context, directory, (session) =>
    makePoolDirectory(context, session, directory, attributes),
  );
}

async function makeWithParents(
  context: CommandContext,
  directory: string,
  attributes: DirectoryAttributes,
): Promise<number> {
  let existing = path.resolve(directory);
  while (existing !== '/' && !isDirectory(existing)) existing = path.dirname(existing);
  return await inSession(context, existing, (session) => {
    if (isDirectory(directory)) return 0;
    const missing: string[] = [];
    for (let level = path.resolve(directory); level !== existing; level = path.dirname(level)) {
      missing.unshift(level);
    }
    for (const level of missing) {
      const isTarget = level === missing.at(-1);
      const result = makePoolDirectory(context, session, level, attributes);
      if (result !== 0 && isTarget) return result;
      if (result !== 0) {
        context.complain(`famfs_make_parent_dir: bad path component above (${directory})`);
        return -1;
      }
    }
    return 0;
  });
}

async function inSession(
  context: CommandContext,
  file: string,
  work: (session: LockedLog) => number,
): Promise<number> {
  const session = await LockedLog.open(context, file);
  if (session === undefined) return -1;
  try {
    return work(session);
  } finally {
    session.close();
  }
}

/**
 * Makes one directory within a session: the name first, then the entry, whose mode is not masked. Returns 0; -1
 * without a word when the name is taken; -12 when the log is full, and the name stays as a phantom.
 */
export function makePoolDirectory(
  context: CommandContext,
  session: LockedLog,
  directory: string,
  attributes: DirectoryAttributes,
): number {
  const relativePath = relativePathOf(session.found, directory);
  try {
    if (!addDirectory(session.found.mount, relativePath, attributes)) return -1;
  } catch (error) {
    const errno = errorNumber(errorCodeOf(error) ?? '');
    context.complain(`famfs_dir_create: failed to mkdir ${directory} (errno ${errno})`);
    return -1;
  }
  if (session.isFull) {
    context.complain('famfs_log_dir_creation: log full');
    return outOfMemory;
  }
  session.append({ kind: 'directory', path: cutPath(relativePath), ...attributes });
  return 0;
}

function isDirectory(file: string): boolean {
  try {
    return statSync(file).isDirectory();
  } catch {
    return false;
  }
}

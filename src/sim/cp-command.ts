// famfs cp: copies files and directories into a mounted pool (famfs reference 1.5).
import {
  closeSync,
  fstatSync,
  opendirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { scanInteger } from './c-numbers.ts';
import type { CommandContext } from './command-context.ts';
import { withGeometryOption } from './creat-command.ts';
import type { OptionTable } from './get-options.ts';
import { LockedLog } from './locked-log.ts';
import { makePoolFile } from './make-pool-file.ts';
import { makePoolDirectory } from './mkdir-command.ts';
import { realPathOf } from './mounted-pool.ts';
import { printUsage, readOptions } from './option-reader.ts';
import type { Geometry } from './pool-allocator.ts';
import { cpUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+rm:u:g:C:N:B:vt:ch?',
  long: [
    { name: 'mode', takesValue: true, key: 'm' },
    { name: 'uid', takesValue: true, key: 'u' },
    { name: 'gid', takesValue: true, key: 'g' },
    { name: 'verbose', takesValue: false, key: 'v' },
    { name: 'recursive', takesValue: false, key: 'r' },
    { name: 'threadct', takesValue: true, key: 't' },
    { name: 'compare', takesValue: false, key: 'c' },
    { name: 'chunksize', takesValue: true, key: 'C' },
    { name: 'nstrips', takesValue: true, key: 'N' },
    { name: 'nbuckets', takesValue: true, key: 'B' },
  ],
};
const copyChunkBytes = 1 << 22;
const outOfMemory = -12;
const invalidArgument = -22;

interface CopySettings {
  /** 0: that of the source. */
  mode: number;
  uid: number;
  gid: number;
  isRecursive: boolean;
  isComparison: boolean;
  geometry: Geometry | undefined;
}

/** Fatal results are negative and end the command; positive ones are remembered and the next source is copied. */
type CopyResult = number;

/** Runs `famfs cp`. Returns famfs's result code. */
export async function cpCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings: CopySettings = {
    mode: 0,
    uid: context.uid,
    gid: context.gid,
    isRecursive: false,
    isComparison: false,
    geometry: undefined,
  };
  const parsed = readOptions(context, argv, { table, usage: cpUsage }, ({ key, value = '' }) => {
    if (key === 'r') settings.isRecursive = true;
    if (key === 'c') settings.isComparison = true;
    if (key === 'm') settings.mode = scanInteger(value, 8);
    if (key === 'u') settings.uid = scanInteger(value);
    if (key === 'g') settings.gid = scanInteger(value);
    settings.geometry = withGeometryOption(settings.geometry, key, value);
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  if (parsed.operands.length < 2) {
    context.complain('famfs cp error: source and dest args required');
    printUsage(context, cpUsage);
    return -1;
  }
  const strips = settings.geometry?.stripCount ?? 0n;
  if (strips > 16n) {
    context.complain(`famfs cp error: nstrips(${strips}) > 16 `);
    return -1;
  }
  settings.mode &= ~process.umask();
  return await copyAll(context, settings, parsed.operands.slice(0, -1), parsed.operands.at(-1) ?? '');
}

async function copyAll(
  context: CommandContext,
  settings: CopySettings,
  sources: readonly string[],
  destination: string,
): Promise<number> {
  const real = realPathOf(destination);
  const parent = realPathOf(path.dirname(path.resolve(destination)));
  if (real === undefined && parent === undefined) {
    context.complain(`famfs_cp_multi: unable to get realpath for (${destination})`);
    return -1;
  }
  const target = real ?? path.join(parent ?? '/', path.basename(destination));
  const isTargetDirectory = real !== undefined && statSync(real).isDirectory();
  if (sources.length > 1 && !isTargetDirectory) {
    context.complain(`famfs_cp_multi: Error: last argument (${destination}) is not a directory`);
    return -1;
  }
  const session = await LockedLog.open(context, real ?? parent ?? '/');
  if (session === undefined) return -1;
  try {
    let result = 0;
    for (const source of sources) {
      const outcome = copyOne(context, settings, session, { source, target, isTargetDirectory });
      if (outcome < 0) {
        context.complain(`${source}: aborting cp due to error`);
        return outcome;
      }
      if (outcome > 0) result = 1;
    }
    return result;
  } finally {
    session.close();
  }
}

function copyOne(
  context: CommandContext,
  settings: CopySettings,
  session: LockedLog,
  { source, target, isTargetDirectory }: { source: string; target: string; isTargetDirectory: boolean },
): CopyResult {
  const status = statOf(source);
  if (status === undefined) {
    context.complain(`famfs cp: cannot stat '${source}': No such file or directory`);
    return 1;
  }
  if (status.isDirectory()) {
    if (settings.isRecursive) return copyDirectory(context, settings, session, { source, target, status });
    context.complain(`famfs_cp_multi: -r not specified; omitting directory '${source}'`);
    return 1;
  }
  if (!status.isFile()) {
    context.complain(`famfs_cp: Error: src file ${source} is not a regular file`);
    return invalidArgument;
  }
  const file = isTargetDirectory ? path.join(target, path.basename(source)) : target;
  const mode = settings.mode === 0 ? status.mode & 0o777 : settings.mode;
  return copyFile(context, settings, session, { source, file, status, mode });
}

/** Copies what is in a directory, files first. Files take the permission bits of the directory, as in famfs. */
function copyDirectory(
  context: CommandContext,
  settings: CopySettings,
  session: LockedLog,
  { source, target, status }: { source: string; target: string; status: Stats },
): CopyResult {
  const mode = status.mode & 0o777;
  if (statOf(target)?.isDirectory() !== true) {
    const made = makePoolDirectory(context, session, target, { mode, uid: settings.uid, gid: settings.gid });
    if (made !== 0) return made;
  }
  let result = 0;
  for (const name of namesIn(source)) {
    const from = path.join(source, name);
    const to = path.join(target, name);
    const child = statOf(from);
    let outcome: CopyResult = 1;
    if (child === undefined) {
      context.complain(`famfs cp: cannot stat '${from}': No such file or directory`);
    } else if (child.isDirectory()) {
      outcome = copyDirectory(context, settings, session, { source: from, target: to, status: child });
    } else if (child.isFile()) {
      outcome = copyFile(context, settings, session, { source: from, file: to, status: child, mode });
    } else {
      context.complain(`famfs_cp_dir: Error: ${from} is not a regular file`);
      outcome = invalidArgument;
    }
    if (outcome < 0) return outcome;
    if (outcome > 0) result = 1;
  }
  return result;
}

/** The names in a directory: files before directories, each by name. */
function namesIn(directory: string): string[] {
  const handle = opendirSync(directory);
  const entries: { name: string; rank: number }[] = [];
  try {
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
      entries.push({ name: entry.name, rank: entry.isDirectory() ? 1 : 0 });
    }
  } finally {
    handle.closeSync();
  }
  entries.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return entries.map((entry) => entry.name);
}

function copyFile(
  context: CommandContext,
  settings: CopySettings,
  session: LockedLog,
  copy: { source: string; file: string; status: Stats; mode: number },
): CopyResult {
  const { source, file, status, mode } = copy;
  const { uid, gid, geometry } = settings;
  if (status.size === 0) return 1;
  if (!settings.isComparison) {
    const request = { file, sizeBytes: BigInt(status.size), mode, uid, gid, geometry };
    const made = makePoolFile(context, session, request);
    if (made === 'log-full') return outOfMemory;
    if (made === 'no-space' || made === 'refused') return -1;
  }
  const isEqual = transfer(source, file, status.size, settings.isComparison);
  if (!isEqual) {
    context.complain(`famfs compare: miscompare: ${file}`);
    return 1;
  }
  context.print(`famfs ${settings.isComparison ? 'compare' : 'cp'}: 100%: ${file}`);
  return 0;
}

/** Copies, or compares, the bytes. False when a comparison finds a difference. */
function transfer(source: string, file: string, sizeBytes: number, isComparison: boolean): boolean {
  const from = openSync(source, 'r');
  let to: number | undefined;
  try {
    to = openSync(file, isComparison ? 'r' : 'r+');
    if (isComparison && fstatSync(to).size !== sizeBytes) return false;
    const chunk = Buffer.alloc(Math.min(copyChunkBytes, sizeBytes));
    const other = Buffer.alloc(isComparison ? chunk.length : 0);
    let offset = 0;
    while (offset < sizeBytes) {
      const count = readSync(from, chunk, 0, Math.min(chunk.length, sizeBytes - offset), offset);
      if (count === 0) break;
      if (isComparison) {
        readSync(to, other, 0, count, offset);
        if (chunk.compare(other, 0, count, 0, count) !== 0) return false;
      } else {
        writeSync(to, chunk, 0, count, offset);
      }
      offset += count;
    }
    return true;
  } finally {
    closeSync(from);
    if (to !== undefined) closeSync(to);
  }
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

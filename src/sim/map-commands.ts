// The famfs commands that ask the standalone module for the maps of files: getmap and check (famfs reference 1.6).
// In fuse mode they find no famfs, as the real ones do.
import { opendirSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import type { CommandContext } from './command-context.ts';
import type { OptionTable } from './get-options.ts';
import { findMountOf, relativePathOf } from './mounted-pool.ts';
import { printUsage, readOptions } from './option-reader.ts';
import { readShadowFile, type ShadowFile, shadowPath } from './shadow.ts';
import type { FoundMount } from './simulated-mount.ts';
import { checkUsage, getmapUsage } from './usage-texts.ts';

const getmapTable: OptionTable = { short: '+h?qc', long: [{ name: 'quiet', takesValue: false, key: 'q' }] };
const checkTable: OptionTable = { short: '+h?qv', long: [{ name: 'verbose', takesValue: false, key: 'v' }] };
const invalidArgument = 22;
const notFamfs = 1;
const noMap = 2;
const badDescriptor = 9;
const isADirectory = 21;

/** Runs `famfs getmap`. Returns famfs's result code: 0, 1 not in famfs, 2 no map, 9 missing, 21 not a file. */
export async function getmapCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings = { quiet: 0, goesOn: false };
  const description = { table: getmapTable, usage: getmapUsage };
  const parsed = readOptions(context, argv, description, ({ key }) => {
    if (key === 'q') settings.quiet += 1;
    if (key === 'c') settings.goesOn = true;
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  if (parsed.operands.length === 0) {
    context.complain('famfs_getmap: Must specify filename');
    printUsage(context, getmapUsage);
    return invalidArgument;
  }
  let result = 0;
  for (const file of parsed.operands) {
    result = showMap(context, file, settings.quiet);
    if (result !== 0 && !settings.goesOn) return result;
  }
  return result;
}

function showMap(context: CommandContext, file: string, quiet: number): number {
  const status = statOf(file);
  if (status === undefined) {
    if (quiet === 0) context.complain(`famfs_getmap: file not found (${file})`);
    return badDescriptor;
  }
  if (!status.isFile()) {
    if (quiet > 1) context.complain(`getmap: not a regular file (${file})`);
    return isADirectory;
  }
  const found = findMountOf(context, file);
  if (found?.mount.mode !== 'standalone') {
    if (quiet === 0) context.complain(`famfs_getmap: file (${file}) not in famfs`);
    return notFamfs;
  }
  const map = mapOf(found, file);
  if (map === undefined) {
    if (quiet === 0) context.print(`famfs_getmap: file (${file}) is famfs, but has no map`);
    return noMap;
  }
  if (quiet === 0) printMap(context, file, map);
  context.print(`famfs_getmap: good file ${file}`);
  return 0;
}

function printMap(context: CommandContext, file: string, map: ShadowFile): void {
  context.print(`File:     ${file}`);
  context.print(`\tsize:    ${map.sizeBytes}`);
  context.print(`\textents: ${map.chunkBytes === undefined ? map.extents.length : 1}`);
  if (map.chunkBytes !== undefined) {
    context.print(`Interleave_Param chunk_size: ${map.chunkBytes}`);
    context.print(`Interleaved extent has ${map.extents.length} strips:`);
  }
  for (const { offsetBytes, lengthBytes } of map.extents) {
    context.print(`\t\t${offsetBytes.toString(16)}\t${lengthBytes}`);
  }
}

/** Runs `famfs check`. In fuse mode every file counts as not mapped. */
export async function checkCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const parsed = readOptions(context, argv, { table: checkTable, usage: checkUsage }, () => undefined);
  if (typeof parsed === 'number') return parsed;
  const target = parsed.operands[0];
  if (target === undefined) {
    context.complain('famfs_check: Must specify filename');
    printUsage(context, checkUsage);
    return invalidArgument;
  }
  const found = findMountOf(context, target);
  if (found === undefined || path.resolve(target) !== found.mountPoint) {
    context.complain(`famfs_check: path (${target}) is not a famfs mount point`);
    return -1;
  }
  const counts = { files: 0, directories: 0, errors: 0 };
  checkBelow(context, found, target, counts);
  context.print(
    `famfs_check: ${counts.files} files, ${counts.directories} directories, ${counts.errors} errors`,
  );
  return counts.errors > 0 ? notFamfs : 0;
}

function checkBelow(
  context: CommandContext,
  found: FoundMount,
  directory: string,
  counts: { files: number; directories: number; errors: number },
): void {
  for (const name of namesIn(directory)) {
    const file = path.join(directory, name);
    const status = statOf(file);
    if (status?.isDirectory() === true) {
      counts.directories += 1;
      checkBelow(context, found, file, counts);
      continue;
    }
    counts.files += 1;
    if (found.mount.mode === 'standalone' && mapOf(found, file) !== undefined) continue;
    counts.errors += 1;
    context.complain(`famfs_recursive_check: Error file not mapped: ${file}`);
  }
}

/** The names in the order in which the directory gives them. */
function namesIn(directory: string): string[] {
  const names: string[] = [];
  const handle = opendirSync(directory);
  try {
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) names.push(entry.name);
  } finally {
    handle.closeSync();
  }
  return names;
}

function mapOf(found: FoundMount, file: string): ShadowFile | undefined {
  const within = found.rootWithin === '/' ? '' : found.rootWithin.slice(1);
  try {
    return readShadowFile(shadowPath(found.mount, path.join(within, relativePathOf(found, file))));
  } catch {
    return undefined;
  }
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

// The simulator's program in a form that runs on any host: Node, this bundle, koffi, and every library they load with the
// loader that belongs to them. Knows where it lies and how it is started, not what it is started for.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { identityOf } from '../linux/file-identity.ts';
import { runShortCommand } from '../linux/short-command.ts';

/** A file of the runtime: where it comes from, and its path in the runtime's directory. */
export interface RuntimeFile {
  readonly source: string;
  readonly name: string;
}

export interface Runtime {
  /** Of the directory: `runtime-` and a digest of all that is in it, so that two of one name are the same. */
  readonly name: string;
  readonly files: readonly RuntimeFile[];
  /** The loader's file name, such as `ld-linux-x86-64.so.2`. */
  readonly loader: string;
}

export const runtimePrefix = 'runtime-';
const libraryFolder = 'lib';
const nodeName = 'node';
const programName = 'sim.cjs';
/** Where koffi looks for its native part when the package of the platform is not there. */
const addonBuild = 'node_modules/koffi/build/koffi';

/**
 * What this very program is made of.
 * @param bundle the path of sim.cjs
 * @throws DriverError `config-invalid` when it is not a bundle, `dependency-missing` when a part is not found
 */
export function describeRuntime(bundle: string): Runtime {
  const program = realpathSync(bundle);
  if (!program.endsWith('.cjs')) {
    throw new DriverError(
      'config-invalid',
      `${program} is a source file, which runs nowhere without the others; install from the bundle (npm run bundle; dist/sim.cjs)`,
    );
  }
  const addon = addonFiles(program);
  const loaded = [process.execPath, ...addon.map(({ source }) => source).filter(isNativeAddon)];
  const { loader, libraries } = librariesOf(loaded);
  const files = [
    { source: process.execPath, name: nodeName },
    { source: program, name: programName },
    { source: loader, name: path.basename(loader) },
    ...[...libraries].map(([name, source]) => ({ source, name: `${libraryFolder}/${name}` })),
    ...addon,
  ].map(({ source, name }) => ({ source: realpathSync(source), name }));
  return { name: `${runtimePrefix}${digestOf(files)}`, files, loader: path.basename(loader) };
}

/** How a runtime that lies in `directory` starts the simulator: its loader with its libraries, whatever the host has. */
export function programOf({ name, loader }: Pick<Runtime, 'name' | 'loader'>, directory: string): string[] {
  const at = (relative: string): string => path.join(directory, name, relative);
  return [at(loader), '--library-path', at(libraryFolder), at(nodeName), at(programName)];
}

/**
 * How the runtime that this process runs from starts the simulator; undefined when it does not run from one.
 * @param bundle the path of sim.cjs
 */
export function ownRuntimeProgram(bundle: string): string[] | undefined {
  const folder = path.dirname(realpathSync(bundle));
  if (!path.basename(folder).startsWith(runtimePrefix)) return undefined;
  const loader = readdirSync(folder).find((name) => /^ld[-.]/.test(name));
  return loader === undefined
    ? undefined
    : programOf({ name: path.basename(folder), loader }, path.dirname(folder));
}

/** Puts the runtime below a directory, all of it or nothing. One that is there and whole stays. Returns whether it is new. */
export function placeRuntime({ name, files }: Runtime, directory: string): boolean {
  const place = path.join(directory, name);
  if (isWhole(place, files)) return false;
  const unfinished = `${place}.new`;
  for (const old of [unfinished, place]) rmSync(old, { recursive: true, force: true });
  for (const { source, name: relative } of files) {
    const target = path.join(unfinished, relative);
    mkdirSync(path.dirname(target), { recursive: true, mode: 0o755 });
    copyFileSync(source, target, constants.COPYFILE_FICLONE);
    chmodSync(target, 0o755);
  }
  renameSync(unfinished, place);
  return true;
}

/**
 * Removes runtimes that no simulated node names any more and no process runs from. A process keeps what it has mapped in any
 * case; this only spares those that may still want to read a file.
 * @returns the names of those that were removed
 */
export function removeOldRuntimes(directory: string, current: string): string[] {
  const named = nodeDescriptions(directory);
  const executables = runningExecutables();
  return readdirSync(directory).filter((name) => {
    if (!name.startsWith(runtimePrefix) || name === current) return false;
    const folder = path.join(directory, name);
    const isNamed = named.some((text) => text.includes(`/${name}/`));
    const isRun = readdirSync(folder).some((file) =>
      executables.has(identityOf(path.join(folder, file)) ?? ''),
    );
    if (isNamed || isRun) return false;
    rmSync(folder, { recursive: true, force: true });
    return true;
  });
}

/**
 * koffi without its sources, and its native part for this machine. That one goes to where koffi looks last: the package it
 * comes in would first ask the program, which is the loader here, for its loader.
 */
function addonFiles(program: string): RuntimeFile[] {
  const platform = `@koromix/koffi-linux-${process.arch}`;
  const triplet = `linux_${process.arch}`;
  try {
    const entry = createRequire(program).resolve('koffi');
    const koffi = path.dirname(entry);
    const native = path.dirname(createRequire(entry).resolve(platform));
    const scripts = readdirSync(koffi, { recursive: true, encoding: 'utf8' }).filter((name) => {
      return !/^(vendor|doc|lib|build)\//.test(name) && /(^|\/)(\w+\.cjs|package\.json)$/.test(name);
    });
    return [
      ...scripts.map((name) => ({ source: path.join(koffi, name), name: `node_modules/koffi/${name}` })),
      {
        source: path.join(native, triplet, 'koffi.node'),
        name: `${addonBuild}/${triplet}/koffi.node`,
      },
    ];
  } catch (error) {
    throw new DriverError(
      'dependency-missing',
      `koffi is not beside ${program}; install from the driver's image, or from its checkout`,
      { cause: error },
    );
  }
}

function isNativeAddon(file: string): boolean {
  return file.endsWith('.node');
}

/** What the loader finds for these programs, by the names it is asked for; it is told to list instead of to run (ld.so(8)). */
function librariesOf(programs: readonly string[]): {
  loader: string;
  libraries: ReadonlyMap<string, string>;
} {
  const env = { LD_TRACE_LOADED_OBJECTS: '1' };
  const libraries = new Map<string, string>();
  let loader: string | undefined;
  for (const program of programs) {
    const argv = loader === undefined ? [program] : [loader, program];
    const { stdout, exitCode, stderr } = runShortCommand(argv[0] ?? program, argv.slice(1), { env });
    if (exitCode !== 0) throw new DriverError('dependency-missing', `${program} cannot be loaded: ${stderr}`);
    for (const line of stdout.split('\n')) {
      const [, name, place] = /^\s*(\S+) => (\/\S+) \(0x/.exec(line) ?? [];
      if (name !== undefined && place !== undefined) libraries.set(path.basename(name), place);
      if (/=> not found/.test(line))
        throw new DriverError(
          'dependency-missing',
          `a library is missing here:${line.replace('=> not found', '')}`,
        );
      loader ??= /^\s*(\/\S+) \(0x/.exec(line)?.[1];
    }
  }
  if (loader === undefined)
    throw new DriverError('dependency-missing', `the loader of ${programs[0]} names no loader`);
  return { loader, libraries };
}

function digestOf(files: readonly RuntimeFile[]): string {
  const hash = createHash('sha256');
  for (const { name, source } of files) {
    const bytes = readFileSync(source);
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex').slice(0, 12);
}

/** A machine that lost its power while it was copied may have names without bytes. */
function isWhole(place: string, files: readonly RuntimeFile[]): boolean {
  return files.every(({ source, name }) => {
    const there = statSync(path.join(place, name), { throwIfNoEntry: false });
    return there?.size === statSync(source).size;
  });
}

function nodeDescriptions(directory: string): string[] {
  const nodes = path.join(directory, 'nodes');
  if (!existsSync(nodes)) return [];
  return readdirSync(nodes).flatMap((name) => {
    const file = path.join(nodes, name, 'node.json');
    return existsSync(file) ? [readFileSync(file, 'utf8')] : [];
  });
}

function runningExecutables(): ReadonlySet<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Set(pids.flatMap((pid) => identityOf(`/proc/${pid}/exe`) ?? []));
}

// Builds the project's few Go programs (protocol comparison, benchmark peer and client) and keeps the executables
// in .cache/, each under a key made of everything that went into it, so that a second call builds nothing.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from './run-tool.ts';

export interface GoProgram {
  /** The module's folder, absolute or relative to the project's root. */
  readonly module: string;
  /** The package inside the module; the module's root when left out. */
  readonly package?: string;
  /** Instead: a program of a module that this one requires as a tool, by its full name. */
  readonly tool?: string;
  /** Instead of go.mod: another file of the module's folder, by which its requirements are others. Named as FILE.mod. */
  readonly modFile?: string;
  /** Further flags of `go build`, such as `-ldflags=-s`. */
  readonly flags?: readonly string[];
}

/** Version of the installed Go such as "go1.26.8", or undefined where there is none. */
export function goVersion(): string | undefined {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { cwd: projectRoot, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Has what follows make the file $1 and gives it the executable's name, unless that has come to be while the lock was waited for. */
const unlessThere = '[ -e "$0" ] || { made=$1; shift; "$@" && mv "$made" "$0"; }';

/**
 * Builds the program unless that was done before; returns the executable's path. Who asks while another process builds
 * from the same module waits for that one (a lock on the module's folder), instead of compiling all of it as well.
 * @throws Error with the compiler's words when it does not build, or when there is no Go
 */
export function buildGoProgram(program: GoProgram, cache = path.join(projectRoot, '.cache/go')): string {
  const version = goVersion();
  if (version === undefined)
    throw new Error(`Go is not installed, and ${program.module} needs it to be built.`);
  const folder = path.resolve(projectRoot, program.module);
  const { modFile = 'go.mod' } = program;
  const part = program.package ?? path.basename(program.tool ?? '');
  const requirements = modFile === 'go.mod' ? '' : path.basename(modFile, '.mod');
  const name = path.join(path.relative(projectRoot, folder), part, requirements).replaceAll(/[/.]+/g, '-');
  const source = program.tool ?? `./${program.package ?? ''}`;
  const flags = program.flags ?? [];
  const key = digestOf(folder, modFile, [version, process.arch, ...flags].join(' '));
  const executable = path.join(cache, `${name}-${key}`);
  if (existsSync(executable)) return executable;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${executable}.${process.pid}`;
  const readonly = ['-mod=readonly', `-modfile=${modFile}`];
  const go = ['go', 'build', '-trimpath', ...readonly, ...flags, '-o', unfinished, source];
  const built = spawnSync('flock', [folder, 'sh', '-c', unlessThere, executable, unfinished, ...go], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, CGO_ENABLED: '0' },
  });
  if (built.status !== 0)
    throw new Error(`go build of ${name} failed:\n${built.error?.message ?? built.stderr}`);
  removeOlder(cache, name, path.basename(executable));
  return executable;
}

function digestOf(folder: string, modFile: string, salt: string): string {
  const hash = createHash('sha256').update(salt);
  const sums = modFile.replace(/mod$/, 'sum');
  for (const file of globSync(['**/*.go', modFile, sums], { cwd: folder }).sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(path.join(folder, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Executables of earlier contents of the same program; one that a running process uses lives on until it ends. */
function removeOlder(cache: string, name: string, keep: string): void {
  const earlier = new RegExp(`^${name}-[0-9a-f]{16}$`);
  for (const file of readdirSync(cache)) {
    if (file !== keep && earlier.test(file)) rmSync(path.join(cache, file), { force: true });
  }
}

// `sim install`: from a container, puts the simulator's runtime onto the host, and has it set the node up there, in the
// host's own namespaces, where paths and mounts are what they will be for the mounter. Makes nothing else itself.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { acquireFileLock } from '../linux/file-lock.ts';
import { mountOf, readMountTable } from '../linux/mount-table.ts';
import { inNamespacesOf } from '../linux/namespaces.ts';
import { runShortCommand } from '../linux/short-command.ts';
import { type InstallOptions, installArguments, readInstallOptions } from './install-options.ts';
import { describeRuntime, placeRuntime, programOf, removeOldRuntimes } from './install-runtime.ts';

const lockPatienceMs = 120_000;
const setUpTimeoutMs = 300_000;
/** Exit statuses by which nsenter says that it could not execute the program. */
const notExecuted: ReadonlySet<number | null> = new Set([126, 127]);

/**
 * Runs the command; `argv` is what follows `install`, `bundle` the path of this program. Returns the exit status of what
 * sets the node up on the host; that has told why then.
 * @throws DriverError with a sentence for a person
 */
export async function runInstall(argv: readonly string[], bundle: string): Promise<number> {
  const options = readInstallOptions(argv);
  requireRoot();
  requireExecutable(options);
  const runtime = describeRuntime(bundle);
  const here = path.join(`/proc/${options.hostPid}/root`, options.directory);
  makeDirectory(here, options);
  const lock = await acquireFileLock(path.join(here, '.lock'), { timeoutMs: lockPatienceMs });
  try {
    const isNew = placeRuntime(runtime, here);
    const where = path.join(options.directory, runtime.name);
    say(`The simulator (Node ${process.versions.node}) ${isNew ? 'is now' : 'was already'} in ${where}.`);
  } finally {
    lock.release();
  }
  const status = setUpOnHost(options, programOf(runtime, options.directory));
  if (status !== 0) return status;
  for (const name of removeOldRuntimes(here, runtime.name))
    say(`${path.join(options.directory, name)}, which nothing uses any more, is removed.`);
  return 0;
}

/** Where Kubernetes looks for the reason why a container ended. Nothing elsewhere. */
export function writeTerminationMessage(message: string): void {
  try {
    writeFileSync('/dev/termination-log', message, { flag: 'r+' });
  } catch {
    // Not in a pod.
  }
}

function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new DriverError(
    'permission-missing',
    'installing the simulator needs root on the node, in a privileged container',
  );
}

/** @throws DriverError when the host cannot be seen, or does not execute what lies in the directory */
function requireExecutable({ directory, hostPid }: InstallOptions): void {
  const mount = mountOf(directory, mountsOf(hostPid));
  for (const flag of ['noexec', 'ro']) {
    if (!mount?.mountOptions.includes(flag)) continue;
    throw new DriverError(
      'dependency-missing',
      `The host's ${mount.mountPoint} is mounted ${flag}, so the simulator cannot be put into ${directory}. Choose another --directory (of the chart: simulator.directory), on a file system that is writable and executes programs.`,
    );
  }
}

function mountsOf(hostPid: number) {
  try {
    return readMountTable(hostPid);
  } catch (error) {
    throw new DriverError(
      'permission-missing',
      `The host's process ${hostPid} cannot be seen. The container needs the host's process ids (hostPID: true) and privileged: true.`,
      { cause: error },
    );
  }
}

function makeDirectory(here: string, { directory }: InstallOptions): void {
  try {
    mkdirSync(here, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new DriverError(
      'permission-missing',
      `${directory} cannot be made on the host: ${String(error)}. The container needs privileged: true.`,
      {
        cause: error,
      },
    );
  }
}

function setUpOnHost(options: InstallOptions, [program = '', ...words]: readonly string[]): number {
  const args = [...words, 'set-up-node', ...installArguments(options)];
  const entered = inNamespacesOf({ pid: options.hostPid }, program, args);
  const { exitCode, signal } = runShortCommand(entered.file, entered.args, {
    showsOutput: true,
    timeoutMs: setUpTimeoutMs,
  });
  if (notExecuted.has(exitCode)) {
    throw new DriverError(
      'dependency-missing',
      `The host does not execute ${program}, which was put there a moment ago: it forbids programs there, or a part of ${options.directory} is an absolute symbolic link. Choose another --directory.`,
    );
  }
  if (exitCode === null)
    throw new DriverError('command-failed', `Setting the node up was ended by ${signal}.`);
  return exitCode;
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`);
}

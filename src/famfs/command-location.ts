// Where the famfs programs run (design 2): on the host, entered through a process of it, or in the mounter's own image.
// Knows how a command line is wrapped for that; knows no command.
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import type { CommandLine } from './command-line.ts';
import { requireAbsolutePath } from './command-values.ts';

/**
 * `image`: run directly, in the mount namespace of this process. `host`: run in the mount namespace of `hostPid`, the
 * host's process 1 as a rule. No other namespace is entered: mounter and host share the PID namespace, and famfs
 * needs neither network nor host name.
 */
export type CommandLocation =
  | { readonly kind: 'image' }
  | { readonly kind: 'host'; readonly hostPid: number };

/** What is executed in the end. */
export interface LocatedCommand {
  readonly file: string;
  readonly args: readonly string[];
}

function programPath(program: string, binDir: string | undefined): string {
  if (binDir === undefined) return program;
  return path.posix.join(requireAbsolutePath('The folder of the famfs programs', binDir), program);
}

/**
 * The command line as it is executed.
 * @param binDir the folder of the famfs programs in that location; found on its PATH when undefined
 * @param launcher a program with its arguments, run in that location, that starts the command in its turn
 *   (`systemd-run --scope …`); the mounter's own words, never a value from a request
 */
export function locateCommand(
  line: CommandLine,
  location: CommandLocation,
  binDir: string | undefined,
  launcher: readonly string[] = [],
): LocatedCommand {
  const inside = [...launcher, programPath(line.program, binDir), ...line.args];
  if (location.kind === 'image') {
    const [file = '', ...args] = inside;
    return { file, args };
  }
  if (!Number.isInteger(location.hostPid) || location.hostPid < 1) {
    throw new DriverError('config-invalid', `The host pid ${location.hostPid} is not the id of a process.`);
  }
  return { file: 'nsenter', args: ['--target', String(location.hostPid), '--mount', '--', ...inside] };
}

function pathSeenFromHere(location: CommandLocation, absolutePath: string): string {
  return location.kind === 'image' ? absolutePath : `/proc/${location.hostPid}/root${absolutePath}`;
}

async function typeOf(file: string): Promise<'directory' | 'other' | 'absent'> {
  try {
    return (await lstat(file)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return 'absent';
    throw DriverError.from(error);
  }
}

/**
 * Checks what famfs demands of a shadow directory: it exists, and no mount has used it, which `root` in it shows
 * (famfs reference 5.2). Throws DriverError `invalid-argument`.
 */
export async function requireFreshShadow(location: CommandLocation, shadowPath: string): Promise<void> {
  const seen = pathSeenFromHere(location, shadowPath);
  if ((await typeOf(seen)) !== 'directory') {
    throw new DriverError(
      'invalid-argument',
      `The shadow directory ${shadowPath} does not exist where famfs runs; make it before mounting.`,
    );
  }
  if ((await typeOf(`${seen}/root`)) !== 'absent') {
    throw new DriverError(
      'invalid-argument',
      `The shadow directory ${shadowPath} was used by a mount before; make a fresh one for every mount.`,
    );
  }
}

// Where the famfs programs run (design 2): on the host, entered through a process of it, or in the mounter's own image.
// Knows how a command line is wrapped for that; knows no command.
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { inNamespacesOf } from '../linux/namespaces.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import type { CommandLine } from './command-line.ts';
import { requireAbsolutePath } from './command-values.ts';

/**
 * `image`: run directly, in the namespaces of this process. `host`: run in the namespaces of `hostPid`, the host's
 * process 1 as a rule; the PID namespace is not changed, for mounter and host share it.
 */
export type CommandLocation =
  | { readonly kind: 'image' }
  | { readonly kind: 'host'; readonly hostPid: number };

/** A command as it is executed, the program first. */
export interface LocatedCommand {
  /** from here: with nsenter in front where the location is the host */
  readonly argv: readonly [string, ...string[]];
  /** for something that starts it in the location itself, as the host's systemd does */
  readonly argvInside: readonly [string, ...string[]];
}

function programPath(program: string, binDir: string | undefined): string {
  if (binDir === undefined) return program;
  return path.posix.join(requireAbsolutePath('The folder of the famfs programs', binDir), program);
}

/**
 * The command line as it is executed.
 * @param binDir the folder of the famfs programs in that location; found on its PATH when undefined
 */
export function locateCommand(
  line: CommandLine,
  location: CommandLocation,
  binDir: string | undefined,
): LocatedCommand {
  const program = programPath(line.program, binDir);
  const argvInside = [program, ...line.args] as const;
  if (location.kind === 'image') return { argv: argvInside, argvInside };
  const { hostPid } = location;
  if (!Number.isSafeInteger(hostPid) || hostPid < 1) {
    throw new DriverError('config-invalid', `The host pid ${hostPid} is not the id of a process.`);
  }
  const { file, args } = inNamespacesOf({ pid: hostPid }, program, line.args);
  return { argv: [file, ...args], argvInside };
}

/** A path of the location as this process reaches it: through the root of the host process, whose mounts may not be ours. */
export function pathSeenFromHere(location: CommandLocation, absolutePath: string): string {
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

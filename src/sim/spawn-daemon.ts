// Starts the daemon behind a simulated mount and waits until the mount answers. Knows how to start it, not what it
// does; loads neither koffi nor FUSE.
import { fstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { DriverError, isReason } from '../errors.ts';
import { startDetached } from '../linux/detached-process.ts';
import { defaultTimeoutSeconds, encodeDaemonArguments } from './daemon-arguments.ts';
import { compileCacheDirectory, type SimulatedNode } from './node.ts';
import { createShadow } from './shadow.ts';
import type { SimulatedMount } from './simulated-mount.ts';

export interface SpawnDaemonOptions {
  readonly node: SimulatedNode;
  /** The path of the device as the command was given it: what the mount table shall show as source. */
  readonly source: string;
  /** Absolute, an existing directory. */
  readonly mountPoint: string;
  /** fuse: an existing directory with an empty `root` (createShadow). Standalone: leave it out. */
  readonly shadow?: string;
  readonly mode: 'fuse' | 'standalone';
  /** Attribute and entry timeout; default one year. */
  readonly timeoutSeconds?: number;
  /** Default true (`-u` of famfs mount leaves it out). */
  readonly allowOther?: boolean;
  /** Default true (`-p` of famfs mount leaves it out). */
  readonly defaultPermissions?: boolean;
}

/** The one line by which a daemon says how its start went. */
export type DaemonReport =
  | { readonly mount: SimulatedMount }
  | { readonly reason: string; readonly message: string };

/**
 * Starts the daemon of a mount, detached: it outlives its parent. Settles when the mount answers.
 *
 * In fuse mode a device that another mount holds still gives a mount, as with the real one, but with `broken` set:
 * everything reads as EIO there. In standalone mode that is the error `pool-held-elsewhere` (mount(2): EBUSY).
 * @throws DriverError `pool-held-elsewhere`, `permission-missing` (no right to mount), `device-unsuitable`, `famfs-unsupported`
 */
export async function spawnDaemon(options: SpawnDaemonOptions): Promise<SimulatedMount> {
  const { node } = options;
  mkdirSync(node.runDirectory, { recursive: true });
  if (options.shadow !== undefined) return await startDaemon(options, options.shadow);
  // The kernel module keeps names in memory; here they lie in a folder that only the simulator looks at.
  const hidden = mkdtempSync(path.join(node.runDirectory, 'standalone-'));
  createShadow(hidden);
  try {
    return await startDaemon(options, hidden);
  } catch (error) {
    rmSync(hidden, { recursive: true, force: true });
    throw error;
  }
}

async function startDaemon(options: SpawnDaemonOptions, shadow: string): Promise<SimulatedMount> {
  const { node } = options;
  const daemonArguments = encodeDaemonArguments({
    source: options.source,
    mountPoint: options.mountPoint,
    shadow,
    timeoutSeconds: options.timeoutSeconds ?? defaultTimeoutSeconds,
    allowOther: options.allowOther ?? true,
    defaultPermissions: options.defaultPermissions ?? true,
    mode: options.mode,
    readyFd: 3,
  });
  const logPath = path.join(node.runDirectory, 'daemon.log');
  const start = await startDetached({
    argv: [...node.program, '--node', node.root, 'famfs_fused', ...daemonArguments],
    env: { LC_ALL: 'C', NODE_COMPILE_CACHE: compileCacheDirectory(node) },
    logPath,
    inheritFds: options.mode === 'fuse' ? descriptorsOfCaller(node) : [],
    isReady: (line) => 'mount' in parseReport(line),
  });
  if (start.line === undefined) {
    const what = `the simulator's daemon (pid ${start.pid}) ended at its start`;
    throw new DriverError('command-failed', `${what}; see ${logPath}`);
  }
  const report = parseReport(start.line);
  if ('mount' in report) return report.mount;
  throw new DriverError(isReason(report.reason) ? report.reason : 'command-failed', report.message);
}

/**
 * The files that the caller of the `famfs` command left open for it. The real famfs closes none before it starts its
 * daemon, so a lock that a caller passes down is held for as long as the pool is mounted; a caller has to know that.
 */
function descriptorsOfCaller(node: SimulatedNode): number[] {
  const isCommand = process.argv[1] !== undefined && process.argv[1] === node.program.at(-1);
  if (!isCommand) return [];
  const fds = readdirSync('/proc/self/fd').map(Number);
  return fds.filter((fd) => fd > 2 && isOpenFile(fd));
}

function isOpenFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    // The descriptor of the listing itself is gone by now.
    return false;
  }
}

function parseReport(line: string): DaemonReport {
  return JSON.parse(line);
}

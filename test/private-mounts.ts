// For test files that mount: puts the whole file into a mount namespace of its own, so that nothing it mounts, and
// nothing it forgets to unmount, reaches the machine. And tells what a file has left behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMountTable } from '../src/linux/mount-table.ts';
import { listProcesses, mountNamespaceOf } from '../src/linux/processes.ts';

/** Holds the name of the mount namespace that was left, so that an inherited marker is not taken for our own. */
const marker = 'FAMFS_CSI_TEST_OUTER_MOUNTS';

/** For tests of this file itself, in which something is left. */
export const patienceVariable = 'FAMFS_CSI_TEST_LEAK_PATIENCE_MS';

export interface PrivateMounts {
  /** For the `skip` option of tests: why this process cannot mount, or false when it can. */
  readonly skip: string | false;
  /** For tests that need more than a user namespace's root can do (FUSE passthrough, mknod, …). */
  readonly skipUnlessRoot: string | false;
}

/**
 * Call it once, at the top of a test file, before any `test(…)`:
 *
 * ```ts
 * const { skip } = enterPrivateMounts();
 * after(assertNothingLeaked);
 * test('a bind is read-only from its first moment', { skip }, () => { … });
 * ```
 *
 * Outside of a private namespace it replaces the process by itself under unshare(1) (`process.execve`: same process
 * id, same output, so the test runner notices nothing) and does not return. As root this is a mount namespace; as
 * anybody else a user namespace comes with it, in which the process is root over its own mounts only. Where even that
 * is not allowed the file goes on as it is, and `skip` holds the reason.
 */
export function enterPrivateMounts(): PrivateMounts {
  const outer = process.env[marker];
  if (outer === undefined || outer === mountNamespaceOf('self')) {
    const options = unshareOptions();
    if (options === undefined) return notPossible();
    replaceProcess(options);
  }
  baseline = takeStock();
  const skipUnlessRoot = isInitialUserNamespace() ? false : 'needs root; a user namespace is not enough';
  return { skip: false, skipUnlessRoot };
}

function notPossible(): PrivateMounts {
  baseline = takeStock();
  const skip = 'needs root, or a kernel that lets users have namespaces (unshare -Urm)';
  return { skip, skipUnlessRoot: skip };
}

function unshareOptions(): string[] | undefined {
  const mountOnly = ['--mount', '--propagation', 'private'];
  return [mountOnly, ['--user', '--map-root-user', ...mountOnly]].find((options) => {
    return spawnSync('unshare', [...options, 'true'], { stdio: 'ignore' }).status === 0;
  });
}

function replaceProcess(options: readonly string[]): never {
  const outer = mountNamespaceOf('self') ?? 'unknown';
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const argv = ['unshare', ...options, '--', ...command];
  const env = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  if (process.execve === undefined) throw new Error('this Node has no process.execve');
  return process.execve(programPath('unshare'), argv, { ...Object.fromEntries(env), [marker]: outer });
}

/** execve(2) does not look programs up. */
function programPath(name: string): string {
  for (const folder of (process.env.PATH ?? '/usr/bin:/bin').split(':')) {
    if (folder !== '' && readdirOrNothing(folder).includes(name)) return `${folder}/${name}`;
  }
  throw new Error(`${name} is not on the PATH`);
}

function readdirOrNothing(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isInitialUserNamespace(): boolean {
  // PROC_USER_INIT_INO of the kernel: the one namespace whose number is fixed
  return process.getuid?.() === 0 && readlinkSync('/proc/self/ns/user') === 'user:[4026531837]';
}

interface Stock {
  readonly mounts: ReadonlySet<string>;
  readonly descriptors: ReadonlySet<string>;
  readonly processes: ReadonlySet<string>;
}

let baseline: Stock | undefined;

/** What Node opens for itself when it first needs it. */
const ownOfNode = /^anon_inode:\[(eventpoll|eventfd|io_uring|inotify|timerfd)\]$/;

function takeStock(): Stock {
  const mounts = readMountTable().map(
    (entry) => `${entry.mountId} ${entry.fileSystemType} ${entry.mountPoint}`,
  );
  return { mounts: new Set(mounts), descriptors: openDescriptors(), processes: ownProcesses() };
}

function openDescriptors(): Set<string> {
  const found = new Set<string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    const target = linkOrNothing(`/proc/self/fd/${fd}`);
    // The descriptor of this very listing is gone by now.
    if (target !== undefined && !ownOfNode.test(target)) found.add(`${fd} -> ${target}`);
  }
  return found;
}

/** Children, and in a namespace of our own everything else that lives there: daemons that outlived their parent. */
function ownProcesses(): Set<string> {
  const namespace = mountNamespaceOf('self');
  const isPrivate = process.env[marker] !== undefined && process.env[marker] !== namespace;
  const found = new Set<string>();
  for (const { pid, parentPid, comm, startTimeTicks, state } of listProcesses()) {
    if (pid === process.pid) continue;
    const isOurs = parentPid === process.pid || (isPrivate && mountNamespaceOf(pid) === namespace);
    if (isOurs)
      found.add(`${pid} ${comm} (${state === 'Z' ? 'zombie' : 'alive'}, started ${startTimeTicks})`);
  }
  return found;
}

function linkOrNothing(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function leftBehind(): string[] {
  if (baseline === undefined)
    throw new Error('assertNothingLeaked needs enterPrivateMounts at the top of the file');
  const now = takeStock();
  const added = (kind: keyof Stock, what: string): string[] => {
    const before = baseline?.[kind];
    return [...now[kind]].filter((each) => before?.has(each) !== true).map((each) => `${what} ${each}`);
  };
  return [
    ...added('mounts', 'mount'),
    ...added('descriptors', 'descriptor'),
    ...added('processes', 'process'),
    ...[...baseline.mounts]
      .filter((mount) => !now.mounts.has(mount))
      .map((mount) => `missing mount ${mount}`),
  ];
}

/**
 * Fails when mounts, descriptors or processes are there that were not when the file began, and names them. For
 * `after`, or for the end of a test that leaves nothing itself. What is on its way out (a pipe of a child that has
 * just ended, a daemon that was told to stop) is given 20 seconds, or as many milliseconds as the variable says.
 */
export async function assertNothingLeaked(): Promise<void> {
  const patience = performance.now() + Number(process.env[patienceVariable] ?? 20_000);
  let left = leftBehind();
  while (left.length > 0 && performance.now() < patience) {
    await sleep(10);
    left = leftBehind();
  }
  assert.deepEqual(left, [], 'left behind by this test file');
}

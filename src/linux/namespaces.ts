// How a command is run in the namespaces of another process, by nsenter(1). Starts nothing itself.

/** The namespaces of another process that a command may be put into. The user and pid namespaces stay the caller's. */
export type EnterableNamespace = 'mount' | 'net' | 'ipc' | 'uts' | 'cgroup';

export interface NamespaceEntry {
  /** whose namespaces, as numbered in our own pid namespace; 1 is the host's init for a container with the host's */
  readonly pid: number;
  readonly namespaces?: readonly EnterableNamespace[];
  /** nsenter itself, an absolute path or a name on the fixed PATH; looked up before the namespaces change */
  readonly nsenter?: string;
}

export interface CommandArgv {
  readonly file: string;
  readonly args: readonly string[];
}

const hostNamespaces: readonly EnterableNamespace[] = ['mount', 'net', 'ipc', 'uts'];

/**
 * The argv that runs `file` with `args` in namespaces of process `pid`; give it to `runCommand` as it is.
 *
 * - `file` is looked up after the change, in the target's file system.
 * - The working directory becomes `/` of the target: changing the mount namespace sets it, whatever `cwd` was. There
 *   is deliberately no way to choose another: `nsenter --wd=DIR` resolves DIR before it enters, in the caller's mount
 *   namespace, and leaves the command standing outside of the one it was put into.
 * - Without the mount namespace `cwd` is as given to runCommand.
 * - The umask, the environment and inherited descriptors pass through. A descriptor still names the file that it was
 *   opened on, in whatever namespace that was.
 * - nsenter does not fork for these namespaces: the pid that `onSpawn` tells, and the group that is killed at the
 *   deadline, are those of the command itself. (It would fork for the pid namespace, which is why that is not one.)
 */
export function inNamespacesOf(entry: NamespaceEntry, file: string, args: readonly string[]): CommandArgv {
  const { pid, namespaces = hostNamespaces, nsenter = 'nsenter' } = entry;
  if (!Number.isSafeInteger(pid) || pid < 1) throw new TypeError(`not a process id: ${pid}`);
  const options = namespaces.map((name) => `--${name}`);
  return { file: nsenter, args: ['--target', String(pid), ...options, '--', file, ...args] };
}

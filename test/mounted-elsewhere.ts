// Processes in mount namespaces of their own, as other containers are: with copies of all mounts, or with a famfs mount that nobody
// else sees and that holds its device.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';

/** A mounter that looks at the device in the same moment makes the mount fail. */
const attempts = 10;

export interface NamespaceHolder {
  readonly process: ChildProcess;
  /** Settles when the process has ended. */
  end(): Promise<void>;
}

/**
 * Has a shell run a script in a mount namespace of its own, which says `held` when it has what it wants, and then waits for a line.
 * @param words the script's `$1`, `$2`, …
 * @returns undefined when the script has ended without having said so
 */
export async function holdInNamespace(
  script: string,
  words: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<NamespaceHolder | undefined> {
  const shell = ['sh', '-c', script, 'sh', ...words];
  const holder = spawn('unshare', ['-m', '--propagation', 'private', ...shell], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, ...env },
  });
  const ended = once(holder, 'exit');
  const said = await Promise.race([once(holder.stdout, 'data').then(([bytes]) => String(bytes)), ended]);
  if (said !== 'held\n') return undefined;
  return {
    process: holder,
    async end() {
      holder.stdin.end('\n');
      await ended;
    },
  };
}

export interface MountElsewhere {
  /** The program of famfs. */
  readonly famfs: string;
  readonly device: string;
  /** A directory; made unless it is there. */
  readonly place: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Makes the mount. @returns ends it @throws Error when famfs does not make it */
export async function mountElsewhere(mount: MountElsewhere): Promise<() => Promise<void>> {
  const { famfs, device, place, env } = mount;
  mkdirSync(place, { recursive: true });
  // The daemon of a mount that failed halfway keeps the namespace, and with it the device.
  const made = '"$1" mount --fuse "$2" "$3" >&2 || { umount -l "$3"; exit 1; }';
  const script = `${made}; echo held; read -r _; umount "$3"`;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const holder = await holdInNamespace(script, [famfs, device, place], env);
    if (holder !== undefined) return holder.end;
  }
  throw new Error(`${famfs} does not mount ${device} in a namespace of its own`);
}

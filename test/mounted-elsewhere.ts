// A famfs mount in a mount namespace of its own, as another container makes it: nobody else sees it, and it holds its device.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';

/** A mounter that looks at the device in the same moment makes the mount fail. */
const attempts = 10;

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
  const { famfs, device, place, env = {} } = mount;
  mkdirSync(place, { recursive: true });
  // The daemon of a mount that failed halfway keeps the namespace, and with it the device.
  const made = '"$1" mount --fuse "$2" "$3" >&2 || { umount -l "$3"; exit 1; }';
  const script = `${made}; echo held; read -r _; umount "$3"`;
  const words = ['-m', '--propagation', 'private', 'sh', '-c', script, 'sh', famfs, device, place];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const holder = spawn('unshare', words, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    });
    const ended = once(holder, 'exit');
    const said = await Promise.race([once(holder.stdout, 'data').then(([bytes]) => String(bytes)), ended]);
    if (said === 'held\n')
      return async () => {
        holder.stdin.end('\n');
        await ended;
      };
  }
  throw new Error(`${famfs} does not mount ${device} in a namespace of its own`);
}

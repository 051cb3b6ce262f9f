// Runs a script again in mount and process namespaces of its own: nothing it mounts is ever seen outside,
// and when the script ends, however it ends, the kernel ends whatever it had started.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const folderVariable = 'FAMFS_CSI_PRIVATE_FOLDER';

/** Inside: the folder to work in, empty and to be mounted upon. Undefined in the process that is still outside. */
export function privateFolder(): string | undefined {
  return process.env[folderVariable];
}

/** Runs this script inside, with the same arguments, and returns its exit status. */
export async function runInPrivateNamespaces(): Promise<number> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-'));
  // An ordinary user gets a user namespace as well, where the kernel allows that.
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const child = spawn(
    'unshare',
    [
      ...user,
      ...['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
      ...[process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    ],
    { stdio: 'inherit', env: { ...process.env, [folderVariable]: folder } },
  );
  // Ctrl-C reaches the process inside by itself; this one has to stay for its exit status.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  // Nothing lies in it: whatever was written inside went into a mount that has gone with its namespace.
  rmdirSync(folder);
  return typeof code === 'number' ? code : 1;
}

/** The first process of a process namespace ignores the signals that it has no handler for. */
export function endOnSignals(): void {
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
}

// Programs of Debian packages that building the image needs. Installs them where that is possible, else says what is missing.
import { spawnSync } from 'node:child_process';

/**
 * Sees to it that there are these programs, each named as its package is.
 * @throws Error with what to do when they cannot be installed here
 */
export function requirePrograms(names: readonly string[]): void {
  const missing = names.filter((name) => !isThere(name));
  if (missing.length === 0) return;
  const list = missing.join(' and ');
  if (process.getuid?.() !== 0 || !isThere('apt-get'))
    throw new Error(
      `Building the image needs ${list}; install ${missing.length > 1 ? 'them' : 'it'} and run it as root.`,
    );
  console.error(`famfs-csi: installing ${list} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...missing]]) {
    const { status, stderr } = spawnSync('apt-get', ['-qq', ...args], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // Lists of other archives may be out of reach; what counts is whether the packages can be had.
    if (status !== 0 && args[0] === 'install') throw new Error(`apt-get cannot install ${list}:\n${stderr}`);
  }
}

function isThere(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' }).status === 0;
}

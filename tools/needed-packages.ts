// Debian packages that a tool needs of the machine: installs what is missing, as root and where nobody forbids it, else says by which
// command. Must not know what they are for.
import { spawnSync } from 'node:child_process';

const noInstallVariable = 'FAMFS_CSI_NO_INSTALL';

/** Of `--help`: the option that forbids it. */
export const noInstallHelp = 'install no Debian package: where one is missing, fail with the command to run';

/** From here on nothing is installed, by this process and those that it starts. */
export function forbidInstalling(): void {
  process.env[noInstallVariable] = '1';
}

/** The command that installs packages, for a person. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get install --yes --no-install-recommends ${packages.join(' ')}`;
}

/**
 * Installs packages.
 * @param missing names of those that are not there; nothing is done when there are none
 * @param who needs them, as the beginning of a sentence
 * @throws Error that says what to do where they cannot be installed, or are not to be
 */
export function installPackages(missing: readonly string[], who: string, say: (line: string) => void): void {
  if (missing.length === 0) return;
  const need = `${who} needs what these Debian packages have, and they are not installed: ${missing.join(', ')}.`;
  if (process.env[noInstallVariable] !== undefined || process.getuid?.() !== 0)
    throw new Error(`${need} As root, run\n  ${installCommand(missing)}`);
  if (!canRun('apt-get')) throw new Error(`${need} This machine has no apt-get to install them with.`);
  say(`installing Debian packages, which stay: ${missing.join(' ')} …`);
  const install = ['install', '-qq', '--yes', '--no-install-recommends', ...missing];
  if (aptGet(install).done) return;
  // The lists may be missing or old. Those of other archives may be out of reach; what counts is whether the packages can be had.
  aptGet(['update', '-qq']);
  const { done, output } = aptGet(install);
  if (!done) throw new Error(`apt-get could not install ${missing.join(' ')}:\n${output}`);
}

function aptGet(args: readonly string[]): { readonly done: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync('apt-get', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return { done: status === 0, output: `${stdout}${stderr}` };
}

/** Whether there is a program of that name in PATH. */
export function canRun(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' }).status === 0;
}

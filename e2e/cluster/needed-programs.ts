// What a cluster needs of the machine beyond what is built here: programs of Debian packages, found or installed. Must not
// know what they are used for.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import { installPackages } from '../../tools/needed-packages.ts';

/** Where Debian's programs lie, whatever PATH a user without root has. */
const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Program and the Debian package that has it. Docker's packages have containerd and runc as well, and serve as well. */
const packages: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  busybox: 'busybox-static',
  ip: 'iproute2',
  openssl: 'openssl',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
  tar: 'tar',
};

const networkPlugins = 'containernetworking-plugins';
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin'];
const plugins = ['bridge', 'host-local', 'loopback'];

/** The program's absolute path, or undefined where it is missing. */
export function findProgram(name: string): string | undefined {
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

/** The folder of the CNI plugins that pods are given their network by, or undefined. */
export function findNetworkPlugins(): string | undefined {
  return pluginFolders.find((folder) => plugins.every((plugin) => existsSync(path.join(folder, plugin))));
}

/** The Debian packages of what is missing on this machine. */
export function missingPackages(): string[] {
  const missing = Object.entries(packages).flatMap(([program, name]) =>
    findProgram(program) === undefined || (program === 'busybox' && !isStatic(findProgram(program)))
      ? [name]
      : [],
  );
  return [...new Set([...missing, ...(findNetworkPlugins() === undefined ? [networkPlugins] : [])])];
}

/** The Debian packages that are installed where they are missing. */
export const neededPackages: readonly string[] = [...new Set([...Object.values(packages), networkPlugins])];

/**
 * Installs what is missing.
 * @throws Error whose message says what to do, where this machine or user cannot, or is not to
 */
export function installNeededPrograms(say: (line: string) => void): void {
  const missing = missingPackages();
  if (process.getuid?.() !== 0)
    throw new Error(
      `The cluster is made of namespaces, mounts and control groups, which needs root: run it as root${
        missing.length > 0 ? `, which also installs the missing packages ${missing.join(' ')}` : ''
      }.`,
    );
  installPackages(missing, 'The cluster', say);
  const still = missingPackages();
  if (still.length > 0)
    throw new Error(`${still.join(', ')} were installed, but what is needed is not there.`);
}

/** The busybox of an image brings no libraries. */
function isStatic(program: string | undefined): boolean {
  if (program === undefined) return false;
  // A static program has no interpreter, of which ldd complains.
  return spawnSync('ldd', [program], { stdio: 'ignore' }).status !== 0;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

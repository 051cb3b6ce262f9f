// What the kernel and the rights of this process allow: the calls that mount, and famfs itself.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { type CommandLocation, pathSeenFromHere } from '../famfs/command-location.ts';
import { missingCapabilities } from '../linux/capabilities.ts';
import { readOrEmpty } from '../linux/file-text.ts';
import { kernelProblems, kernelRelease } from '../linux/kernel.ts';
import { type NodeCheck, ok } from './node-check.ts';

/** The calls that mount without a moment in between, and mount ids that are never used again. */
export function kernelCallChecks(): NodeCheck[] {
  const name = 'kernel-calls';
  const problems = kernelProblems();
  if (problems.length === 0) {
    const calls = 'open_tree, move_mount, mount_setattr, openat2, statmount and listmount';
    return [ok(name, `Linux ${kernelRelease()} has ${calls}.`)];
  }
  return problems.map((found) => ({
    ...({ name, state: 'missing', found, reason: 'kernel-unsupported' } as const),
    why: 'Volumes are bound read-only in one step, and mounts are known by ids that are never used again.',
  }));
}

/** @param needed what this process cannot do without */
export function rightsCheck(needed: readonly string[]): NodeCheck {
  const name = 'rights';
  const missing = missingCapabilities(needed);
  if (missing.length === 0) return ok(name, `This process has ${needed.join(', ')}.`);
  return {
    ...({ name, state: 'missing', reason: 'permission-missing' } as const),
    found: `The mounter lacks ${missing.join(', ')} and cannot mount.`,
    why: 'Mounting, and entering the namespaces of the host, need them.',
    remedy: 'Run it as root, privileged.',
  };
}

/** What of famfs the running kernel has, in either mode. */
export interface FamfsInKernel {
  /** The file system `famfs` is registered. */
  readonly standalone: boolean;
  /** FUSE serves famfs's requests; undefined when the symbols of the kernel cannot be read. */
  readonly fuse: boolean | undefined;
  /** A module of the running kernel that would bring standalone mode. */
  readonly unloadedModule: string | undefined;
}

/**
 * @param fileSystems the text of /proc/filesystems
 * @param symbols the text of /proc/kallsyms
 * @param moduleFiles the names of the module files of the running kernel
 */
export function famfsInKernel(
  fileSystems: string,
  symbols: string,
  moduleFiles: readonly string[],
): FamfsInKernel {
  const standalone = /^(?:nodev)?\s*famfs$/m.test(fileSystems);
  // What famfs's own programs look for (famfs reference 1.2), with FUSE as a module or built in.
  const fuse = symbols === '' ? undefined : /\sfamfs_fuse_iomap_begin\b/m.test(symbols);
  const file = moduleFiles.find((each) => /(?:^|\/)famfs(?:v1)?\.ko(?:\.\w+)?$/.test(each));
  const unloadedModule = standalone ? undefined : file && path.basename(file).replace(/\.ko.*$/, '');
  return { standalone, fuse, unloadedModule };
}

/**
 * Whether famfs can be mounted with this kernel.
 * @param simulated the famfs programs are the simulator's, which need no famfs in the kernel
 */
export function famfsKernelCheck(
  found: FamfsInKernel,
  mode: 'auto' | 'fuse' | 'standalone',
  simulated: boolean,
): NodeCheck {
  const name = 'famfs-in-kernel';
  if (simulated) return ok(name, 'The famfs programs are the simulator, which needs no famfs in the kernel.');
  const has = [...(found.standalone ? ['standalone mode'] : []), ...(found.fuse ? ['fuse mode'] : [])];
  const serves = mode === 'standalone' ? found.standalone : mode === 'fuse' ? found.fuse : has.length > 0;
  if (serves) return ok(name, `The kernel serves famfs in ${has.join(' and ')}.`);
  const why = 'Without it no pool can be mounted on this node.';
  if (found.unloadedModule !== undefined && mode !== 'fuse') {
    return {
      ...({ name, state: 'missing', reason: 'famfs-unsupported', why } as const),
      found: `The module ${found.unloadedModule} is installed for this kernel but not loaded.`,
      remedy: `modprobe ${found.unloadedModule}, and name it in /etc/modules-load.d.`,
    };
  }
  if (found.fuse === undefined && mode !== 'standalone') {
    return {
      ...({ name, state: 'note', why } as const),
      found:
        'The kernel has no file system famfs; whether its FUSE serves famfs cannot be seen, because /proc/kallsyms cannot be read.',
      remedy: 'Run this as root, or mount a pool to see.',
    };
  }
  const wanted =
    mode === 'auto'
      ? 'neither the file system famfs nor a FUSE that serves it'
      : `no famfs for ${mode} mode${has.length > 0 ? `, but for ${has.join(' and ')}` : ''}`;
  return {
    ...({ name, state: 'missing', reason: 'famfs-unsupported', why } as const),
    found: `The kernel ${kernelRelease()} has ${wanted}.`,
    remedy:
      'Install the module famfs for this kernel (standalone mode), or a kernel whose FUSE has the famfs patches. To try the driver without, use the simulator.',
  };
}

/** As `famfsInKernel`, of the running kernel, with the modules that the host has for it. */
export function readFamfsInKernel(location: CommandLocation): FamfsInKernel {
  const modules = pathSeenFromHere(location, `/lib/modules/${kernelRelease()}`);
  return famfsInKernel(
    readOrEmpty('/proc/filesystems'),
    readOrEmpty('/proc/kallsyms'),
    readOrEmpty(path.join(modules, 'modules.dep'))
      .split('\n')
      .map((line) => line.split(':')[0] ?? '')
      .concat(namesIn(path.join(modules, 'updates')), namesIn(path.join(modules, 'extra'))),
  );
}

/** /dev/fuse where famfs runs: its daemon opens it. */
export function fuseDeviceCheck(
  location: CommandLocation,
  mode: 'auto' | 'fuse' | 'standalone',
  found: FamfsInKernel,
): NodeCheck {
  const name = 'fuse-device';
  const isNeeded = mode === 'fuse' || (mode === 'auto' && !found.standalone);
  if (!isNeeded) return ok(name, '/dev/fuse is not needed in standalone mode.');
  if (existsSync(pathSeenFromHere(location, '/dev/fuse'))) return ok(name, '/dev/fuse is there.');
  return {
    ...({ name, state: 'missing', reason: 'famfs-unsupported' } as const),
    found: 'There is no /dev/fuse.',
    why: "In fuse mode famfs's daemon serves the pool through it.",
    remedy: 'modprobe fuse, and name it in /etc/modules-load.d.',
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

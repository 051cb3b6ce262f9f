// What is true of this node before any device is looked at: kernel, mode, identity, and what makes serving impossible.
import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { readSystemUuid } from '../famfs/system-uuid.ts';
import { missingCapabilities } from '../linux/capabilities.ts';
import { kernelProblems, kernelRelease } from '../linux/kernel.ts';
import type { NodeFacts } from './mounter.ts';
import type { Mode, Problem } from './pool-state.ts';

export interface FactSources {
  readonly mode: Mode;
  readonly launcher: string;
  readonly famfsLocation: 'host' | 'image';
  /** Where the programs are, as this process sees it; undefined when they are looked up on the host's own path. */
  readonly visibleBinDir: string | undefined;
  readonly systemUuidPath: string;
}

/** Collects the facts once, at start. */
export function readNodeFacts(sources: FactSources): NodeFacts {
  return {
    systemUuid: () => systemUuidOrEmpty(sources.systemUuidPath),
    mode: sources.mode,
    launcher: sources.launcher,
    famfsLocation: sources.famfsLocation,
    kernelRelease: kernelRelease(),
    problems: [...kernelTroubles(), ...rightTroubles(), ...programTroubles(sources.visibleBinDir)],
  };
}

/**
 * The mode to mount in: standalone where the kernel has famfs's own file system, else fuse.
 * @param fileSystems the text of /proc/filesystems
 */
export function chooseMode(wanted: Mode | 'auto', fileSystems: string): Mode {
  if (wanted !== 'auto') return wanted;
  return /^(?:nodev)?\s*famfs$/m.test(fileSystems) ? 'standalone' : 'fuse';
}

/** File systems that the running kernel knows (proc_filesystems(5)). */
export function kernelFileSystems(): string {
  return readFileSync('/proc/filesystems', 'utf8');
}

function kernelTroubles(): Problem[] {
  return kernelProblems().map((message) => ({ reason: 'kernel-unsupported', message }));
}

function rightTroubles(): Problem[] {
  const missing = missingCapabilities(['CAP_SYS_ADMIN']);
  if (missing.length === 0) return [];
  return [
    {
      reason: 'permission-missing',
      message: `The mounter lacks ${missing.join(', ')} and cannot mount. Run it as root, privileged.`,
    },
  ];
}

function programTroubles(binDir: string | undefined): Problem[] {
  if (binDir === undefined) return [];
  try {
    accessSync(path.join(binDir, 'famfs'), constants.X_OK);
    return [];
  } catch {
    return [
      {
        reason: 'famfs-missing',
        message: `There is no famfs program in ${binDir}. Install famfs there or point --famfs-bin-dir to it.`,
      },
    ];
  }
}

function systemUuidOrEmpty(file: string): string {
  try {
    return readSystemUuid(file) ?? '';
  } catch (error) {
    if (error instanceof DriverError) return '';
    throw error;
  }
}

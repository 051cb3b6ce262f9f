// What is true of this node before any device is looked at: kernel, mode, identity, and what makes serving impossible.
import { readFileSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { readSystemUuid } from '../famfs/system-uuid.ts';
import { kernelRelease } from '../linux/kernel.ts';
import { programFileCheck } from './famfs-checks.ts';
import { kernelCallChecks, rightsCheck } from './kernel-checks.ts';
import type { NodeFacts } from './mounter.ts';
import { type NodeCheck, problemsOf } from './node-check.ts';
import type { Mode } from './pool-state.ts';

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
    problems: problemsOf(startChecks(sources)),
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

/** What `famfs-csi preflight` looks at as well, as far as nothing is served without it. */
function startChecks({ visibleBinDir }: FactSources): NodeCheck[] {
  const programs = visibleBinDir === undefined ? [] : [programFileCheck(visibleBinDir)];
  return [...kernelCallChecks(), rightsCheck(['CAP_SYS_ADMIN']), ...programs];
}

function systemUuidOrEmpty(file: string): string {
  try {
    return readSystemUuid(file) ?? '';
  } catch (error) {
    if (error instanceof DriverError) return '';
    throw error;
  }
}

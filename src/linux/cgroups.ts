// Control groups of our own, so that a process survives the end of the container that started it. Works on the
// unified hierarchy (v2), on the old ones (v1), and on both at once. Sets no limits.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readMountTable } from './mount-table.ts';
import { errorCodeOf, SyscallError } from './syscall-error.ts';

/** One mounted tree of control groups; a process is in one group of each. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** `pids`, `memory`, `name=systemd`; empty for version 2 */
  readonly controllers: readonly string[];
  /** its top directory, as this process reaches it */
  readonly directory: string;
}

/**
 * The hierarchies that are mounted where process `pid` looks. For a container with the host's pid namespace that is 1:
 * its own /sys/fs/cgroup may show a private part only, and end with it.
 * @throws SyscallError when there is no such process
 */
export function findCgroupHierarchies(pid: number | 'self' = 'self'): CgroupHierarchy[] {
  const prefix = pid === 'self' ? '' : `/proc/${pid}/root`;
  const found = new Map<string, CgroupHierarchy>();
  for (const entry of readMountTable(pid)) {
    const version = versionOf(entry.fileSystemType);
    if (version === undefined || entry.root !== '/') continue;
    const controllers = version === 2 ? [] : controllersIn(entry.superOptions);
    const key = `${version} ${controllers.join(',')}`;
    // The same hierarchy may be mounted twice; the first is the one at the usual place.
    if (!found.has(key)) found.set(key, { version, controllers, directory: prefix + entry.mountPoint });
  }
  return [...found.values()];
}

function versionOf(fileSystemType: string): 1 | 2 | undefined {
  if (fileSystemType === 'cgroup2') return 2;
  return fileSystemType === 'cgroup' ? 1 : undefined;
}

const optionsThatAreNoController = new Set([
  'rw',
  'ro',
  'xattr',
  'noprefix',
  'clone_children',
  'none',
  'favordynmods',
]);

function controllersIn(superOptions: readonly string[]): string[] {
  return superOptions.filter((option) => {
    return !optionsThatAreNoController.has(option) && !option.startsWith('release_agent=');
  });
}

/** The group of a process in one hierarchy. */
export interface CgroupMembership {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  /** from the top of the hierarchy as our own cgroup namespace has it; `/` is the top */
  readonly path: string;
}

/** A line for each hierarchy, of which the kernel has at most 16, each a path of at most 4 KiB (PATH_MAX). */
const longestMembership = 128 * 1024;

/** Parses /proc/PID/cgroup (cgroups(7)): `ID:CONTROLLERS:PATH` a line, `0::PATH` for version 2. */
export function parseCgroupMembership(text: string): CgroupMembership[] {
  if (text.length > longestMembership)
    throw new TypeError(`not a /proc/PID/cgroup: ${text.length} characters are more than it can have`);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^(\d+):([^:]*):(.*)$/.exec(line);
      if (match === null) throw new TypeError(`not a line of /proc/PID/cgroup: ${JSON.stringify(line)}`);
      const [, id, controllers = '', groupPath = ''] = match;
      const names = controllers === '' ? [] : controllers.split(',');
      return { version: id === '0' && names.length === 0 ? 2 : 1, controllers: names, path: groupPath };
    });
}

/**
 * The groups a process is in.
 * @throws SyscallError — ENOENT or ESRCH when there is no such process
 */
export function cgroupsOf(pid: number | 'self'): CgroupMembership[] {
  try {
    return parseCgroupMembership(readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  } catch (error) {
    throw SyscallError.from(error);
  }
}

/**
 * Makes the group `name` (one or more path components, `famfs-csi/POOL`) in every hierarchy; one that exists is kept.
 * @throws SyscallError — EROFS where cgroupfs is read-only, as in an unprivileged container
 */
export function createCgroup(hierarchies: readonly CgroupHierarchy[], name: string): void {
  for (const hierarchy of hierarchies) {
    const directory = groupDirectory(hierarchy, name);
    attempt(() => mkdirSync(directory, { recursive: true, mode: 0o755 }));
    if (hierarchy.controllers.includes('cpuset')) inheritCpuset(hierarchy, name);
  }
}

/** A version 1 cpuset takes no process until it is told which processors and nodes; ours has those of its parent. */
function inheritCpuset(hierarchy: CgroupHierarchy, name: string): void {
  const components = name.split('/');
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    for (let depth = 1; depth <= components.length; depth++) {
      const parent = path.join(hierarchy.directory, ...components.slice(0, depth - 1), file);
      const own = path.join(hierarchy.directory, ...components.slice(0, depth), file);
      attempt(() => writeFileSync(own, readFileSync(parent, 'utf8')));
    }
  }
}

/**
 * Moves a whole process into the group `name` of every hierarchy. Children it starts afterwards are born there; those
 * it has are not moved.
 * @throws SyscallError — ESRCH when there is no such process (any more), ENOENT when the group was not created
 */
export function moveToCgroup(hierarchies: readonly CgroupHierarchy[], name: string, pid: number): void {
  for (const hierarchy of hierarchies) {
    const file = path.join(groupDirectory(hierarchy, name), 'cgroup.procs');
    attempt(() => writeFileSync(file, String(pid), { flag: 'r+' }));
  }
}

/** The processes in the group `name`, in any of the hierarchies; none when it does not exist. */
export function processesInCgroup(hierarchies: readonly CgroupHierarchy[], name: string): number[] {
  const pids = new Set<number>();
  for (const hierarchy of hierarchies) {
    const text = readIfThere(path.join(groupDirectory(hierarchy, name), 'cgroup.procs'));
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids].sort((a, b) => a - b);
}

/**
 * Removes the group `name` where it exists; not what is above it.
 * @throws SyscallError — EBUSY while there are processes or groups in it
 */
export function removeCgroup(hierarchies: readonly CgroupHierarchy[], name: string): void {
  for (const hierarchy of hierarchies) {
    try {
      rmdirSync(groupDirectory(hierarchy, name));
    } catch (error) {
      if (errorCodeOf(error) !== 'ENOENT') throw SyscallError.from(error);
    }
  }
}

function groupDirectory(hierarchy: CgroupHierarchy, name: string): string {
  const isPlain = name.split('/').every((component) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(component));
  if (!isPlain) throw new TypeError(`not the name of a control group: ${JSON.stringify(name)}`);
  return path.join(hierarchy.directory, name);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return '';
    throw SyscallError.from(error);
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    throw SyscallError.from(error);
  }
}

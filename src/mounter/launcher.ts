// How a famfs command that leaves a daemon behind is started, so that the daemon outlives the mounter and its pod: in a
// transient systemd unit, in a cgroup of its own on the host, or simply here (design 2).
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { CommandLocation, LocatedCommand } from '../famfs/command-location.ts';
import {
  type CgroupHierarchy,
  cgroupsOf,
  createCgroup,
  findCgroupHierarchies,
  moveToCgroup,
} from '../linux/cgroups.ts';
import { type CommandOptions, type CommandResult, runCommand } from '../linux/child-process.ts';
import { inNamespacesOf } from '../linux/namespaces.ts';
import { listProcesses } from '../linux/processes.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';

/** Above the groups of all pools, in every hierarchy of the host. */
const cgroupParent = 'famfs-csi';

export type LauncherName = 'systemd' | 'cgroup' | 'in-place';

/** Starts a program that may leave a daemon behind. `unit` names what is left: letters, digits, dashes. */
export interface Launcher {
  readonly name: LauncherName;
  run(command: LocatedCommand, unit: string, options: CommandOptions): Promise<CommandResult>;
  /** Called when the daemon is known to run, for the case that it was forked before it could be moved. */
  adopt(pid: number, unit: string): void;
}

/** The daemon stays in the mounter's own cgroup: it ends when the mounter's pod does. */
export const inPlaceLauncher: Launcher = {
  name: 'in-place',
  run: ({ argv: [file, ...args] }, _unit, options) => runCommand(file, args, options),
  adopt: () => undefined,
};

/** The daemon moves to `famfs-csi/<unit>` of the host's cgroup tree, which no pod's end touches. */
export function cgroupLauncher(hierarchies: readonly CgroupHierarchy[]): Launcher {
  const groupOf = (unit: string): string => `${cgroupParent}/${unit}`;
  const move = (pid: number, unit: string): void => {
    createCgroup(hierarchies, groupOf(unit));
    moveToCgroup(hierarchies, groupOf(unit), pid);
  };
  /** What a process forks once it has been moved is born in the group; what it had forked before, as nsenter does, follows it. */
  const moveFamily = (pid: number, unit: string): void => {
    move(pid, unit);
    for (const child of listProcesses().filter(({ parentPid }) => parentPid === pid)) {
      try {
        moveFamily(child.pid, unit);
      } catch (error) {
        if (errorCodeOf(error) !== 'ESRCH') throw error;
      }
    }
  };
  return {
    name: 'cgroup',
    run: ({ argv: [file, ...args] }, unit, options) => {
      const onSpawn = (pid: number): void => {
        moveFamily(pid, unit);
        options.onSpawn?.(pid);
      };
      return runCommand(file, args, { ...options, onSpawn });
    },
    adopt: (pid, unit) => {
      if (cgroupsOf(pid).some((group) => !group.path.endsWith(groupOf(unit)))) move(pid, unit);
    },
  };
}

/**
 * The program runs in a transient scope of the host's systemd: it stays our child, with our pipes and our lock, while its
 * cgroup, and with it the daemon, belongs to systemd and lives until its last process ends (systemd-run(1), --scope).
 */
export function systemdLauncher(location: CommandLocation): Launcher {
  return {
    name: 'systemd',
    run: ({ argvInside }, unit, options) => {
      const args = [
        '--scope',
        '--quiet',
        '--collect',
        `--unit=${unit}`,
        '--description=famfs pool mounted by famfs-csi',
      ];
      const inside = [...args, '--', ...argvInside];
      if (location.kind === 'image') return runCommand('systemd-run', inside, options);
      const entered = inNamespacesOf({ pid: location.hostPid }, 'systemd-run', inside);
      return runCommand(entered.file, entered.args, options);
    },
    adopt: () => undefined,
  };
}

/** The hierarchies of the host in which this process may make groups; none in an ordinary container or user namespace. */
export function writableHierarchies(hostPid: number): CgroupHierarchy[] {
  return findCgroupHierarchies(hostPid).filter(({ directory }) => {
    try {
      accessSync(path.join(directory, 'cgroup.procs'), constants.W_OK);
      accessSync(directory, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The best launcher this node offers: systemd, else a cgroup, else none. */
export function chooseLauncher(
  wanted: LauncherName | 'auto',
  location: CommandLocation,
  hostRunsSystemd: boolean,
  hierarchies: readonly CgroupHierarchy[],
): Launcher {
  if (wanted === 'systemd' || (wanted === 'auto' && hostRunsSystemd)) return systemdLauncher(location);
  if (wanted === 'cgroup' || (wanted === 'auto' && hierarchies.length > 0))
    return cgroupLauncher(hierarchies);
  return inPlaceLauncher;
}

// Limits of the kernel set on a process that runs, and taken away again: for tests of what happens at them. They are of
// the process, or of a control group made for it; nothing of the machine is changed.
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findCgroupHierarchies } from '../src/linux/cgroups.ts';
import { runCommand } from '../src/linux/child-process.ts';
import { readOrEmpty } from '../src/linux/file-text.ts';
import { errorCodeOf } from '../src/linux/syscall-error.ts';
import { waitUntil } from './wait-until.ts';

const memoryLimitFiles = ['memory.max', 'memory.limit_in_bytes'];
const memoryUsageFiles = ['memory.current', 'memory.usage_in_bytes'];
const memoryEventFiles = ['memory.events', 'memory.oom_control'];

/** Lets a process open no descriptor more than it has (RLIMIT_NOFILE). Returns what lifts the limit. */
export async function limitDescriptors(pid: number): Promise<() => Promise<void>> {
  const own = await prlimit(pid, '--output=SOFT,HARD', '--nofile', '--noheadings', '--raw');
  const [soft = '', hard = ''] = own.trim().split(/\s+/);
  // Numbers below the limit that are free could still be used, so none is left below the lowest free one.
  await prlimit(pid, `--nofile=0:${hard}`);
  return async () => {
    await prlimit(pid, `--nofile=${soft}:${hard}`);
  };
}

async function prlimit(pid: number, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand('prlimit', ['--pid', String(pid), ...args]);
  if (exitCode !== 0) throw new Error(`prlimit failed: ${stderr}`);
  return stdout;
}

/** A control group of one controller, of either version of cgroups. */
export class LimitedGroup {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes a group; undefined where this process may not, or the controller is not to be had. */
  static make(controller: 'pids' | 'memory', name: string): LimitedGroup | undefined {
    for (const hierarchy of findCgroupHierarchies(process.pid)) {
      const offered =
        hierarchy.version === 1
          ? hierarchy.controllers
          : readOrEmpty(path.join(hierarchy.directory, 'cgroup.subtree_control')).trim().split(' ');
      if (!offered.includes(controller)) continue;
      const directory = path.join(hierarchy.directory, `${name}-${process.pid}`);
      try {
        mkdirSync(directory);
        return new LimitedGroup(directory);
      } catch (error) {
        if (!['EROFS', 'EACCES', 'EPERM'].includes(errorCodeOf(error) ?? '')) throw error;
      }
    }
    return undefined;
  }

  /** Writes the first of these files that the version of cgroups has. */
  set(value: string, ...files: string[]): void {
    for (const file of files) {
      try {
        writeFileSync(path.join(this.directory, file), value, { flag: 'r+' });
        return;
      } catch (error) {
        if (errorCodeOf(error) !== 'ENOENT') throw error;
      }
    }
    throw new Error(`${this.directory} has none of ${files.join(', ')}`);
  }

  get(...files: string[]): string {
    return (
      files.map((file) => readOrEmpty(path.join(this.directory, file))).find((text) => text !== '') ?? ''
    );
  }

  add(pid: number): void {
    this.set(String(pid), 'cgroup.procs');
  }

  /**
   * Lets the group have no more memory than it has now and so much besides. Returns the limit, in bytes. A limit below
   * what the group cannot give back is refused (EBUSY), and with so much besides that happens only while it grows.
   */
  async limitMemory(spareBytes: number): Promise<number> {
    let limitBytes = 0;
    await waitUntil('the kernel takes the limit', () => {
      limitBytes = Number(this.get(...memoryUsageFiles).trim()) + spareBytes;
      try {
        this.set(String(limitBytes), ...memoryLimitFiles);
        return true;
      } catch (error) {
        if (errorCodeOf(error) === 'EBUSY') return false;
        throw error;
      }
    });
    return limitBytes;
  }

  /**
   * Lets a neighbour in the group take memory, until it has so much or the kernel ends somebody for it: the largest
   * process in the group, which a neighbour that has just begun is not.
   */
  async takeMemory(sizeBytes: number): Promise<void> {
    const enter = `echo $$ > '${this.directory}/cgroup.procs'`;
    const take = `exec dd if=/dev/zero of=/dev/null bs=${sizeBytes} count=1`;
    const { exitCode, stderr } = await runCommand('/bin/sh', ['-c', `${enter} && ${take}`]);
    if (exitCode !== 0 && exitCode !== null) throw new Error(`the neighbour took no memory: ${stderr}`);
  }

  /** Whether the kernel has ended a process of the group for want of memory. */
  get hasRunOutOfMemory(): boolean {
    return /oom_kill [1-9]/.test(this.get(...memoryEventFiles));
  }

  /** Removes the group, once nobody is in it. */
  async remove(): Promise<void> {
    await waitUntil('the control group is empty', () => {
      try {
        rmdirSync(this.directory);
        return true;
      } catch (error) {
        if (errorCodeOf(error) === 'EBUSY') return false;
        throw error;
      }
    });
  }
}

// Which processes a cluster is, written down so that whoever comes later finds them, and only them. Must not know what they do.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { listProcesses, processState } from '../../src/linux/processes.ts';

/** A process, not only its number: numbers are used again. */
export interface RecordedProcess {
  readonly pid: number;
  /** After boot; text, since JSON has no such integers. */
  readonly startTimeTicks: string;
}

export interface ClusterRecord {
  readonly bootId: string;
  /** Makes the namespaces; when it ends the kernel ends `init`. */
  readonly maker: RecordedProcess;
  /** Number 1 of the cluster's PID namespace: with it ends every process of the cluster, in all its namespaces. */
  readonly init?: RecordedProcess;
  /** Control groups that were there before, and are not the cluster's to remove. */
  readonly groupsBefore: readonly string[];
}

/** The running process of that number, as it is recorded. */
export function recordProcess(pid: number): RecordedProcess {
  const state = processState(pid);
  if (state === undefined) throw new Error(`Process ${pid} has ended.`);
  return { pid, startTimeTicks: String(state.startTimeTicks) };
}

/** The first process in the namespaces that `maker` made, once there is one. */
export function initOf(maker: RecordedProcess): RecordedProcess | undefined {
  const child = listProcesses().find(({ parentPid }) => parentPid === maker.pid);
  return child === undefined ? undefined : { pid: child.pid, startTimeTicks: String(child.startTimeTicks) };
}

/** False also for a process that has ended and that nobody has collected yet. */
export function isAlive({ pid, startTimeTicks }: RecordedProcess): boolean {
  const state = processState(pid);
  return (
    state !== undefined &&
    String(state.startTimeTicks) === startTimeTicks &&
    !['Z', 'X'].includes(state.state)
  );
}

export function currentBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

export function writeRecord(file: string, record: ClusterRecord): void {
  writeFileSync(file, JSON.stringify(record));
}

/** @returns undefined where there is none, or none that was written to its end */
export function readRecord(file: string): ClusterRecord | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

// A Kubernetes cluster on this machine, in namespaces of its own: made, found, removed. It lives on when the process that made
// it ends, until somebody removes it. Must not know what is tested in it.
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { acquireFileLock } from '../../src/linux/file-lock.ts';
import { logsIn } from '../../test/server-processes.ts';
import { asInit } from './as-init.ts';
import type { ClusterFolder } from './cluster-folder.ts';
import {
  type ClusterRecord,
  currentBootId,
  initOf,
  isAlive,
  readRecord,
  recordProcess,
  writeRecord,
} from './cluster-record.ts';
import { nodes } from './cluster-shape.ts';
import { groupsBeside, removeControlGroup, removeGroupsMadeSince } from './control-groups.ts';
import { makeCredentials } from './credentials.ts';
import { followProgress } from './progress.ts';

const readyTimeoutMs = 240_000;
const endTimeoutMs = 60_000;
const lockTimeoutMs = 300_000;

export interface ClusterParts {
  /** The executable that holds the programs of Kubernetes. */
  readonly kubernetes: string;
  /** Archives of the images that every node has from the start. */
  readonly images: readonly string[];
}

export interface MakingOptions {
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
}

const programs = [
  ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kubectl'],
];

/** Whether the cluster runs, as far as its first processes tell. */
export function isRunning(folder: ClusterFolder): boolean {
  const record = readRecord(folder.record);
  return (
    record?.init !== undefined &&
    record.bootId === currentBootId() &&
    isAlive(record.maker) &&
    isAlive(record.init)
  );
}

/**
 * Makes the cluster and waits until pods can be made in it. One that runs already is left as it is; what a crash left of an
 * earlier one is removed first. When it does not come up, nothing of it is left.
 * @returns whether it was made now
 * @throws Error with the last that its programs wrote
 */
export async function makeCluster(
  folder: ClusterFolder,
  parts: ClusterParts,
  { say, signal }: MakingOptions,
): Promise<boolean> {
  mkdirSync(path.dirname(folder.path), { recursive: true });
  using _lock = await acquireFileLock(folder.lock, { timeoutMs: lockTimeoutMs, ...(signal && { signal }) });
  if (isRunning(folder)) return false;
  await removeWhatThereIs(folder);
  try {
    prepareFolder(folder, parts);
    const { maker } = await startMachine(folder);
    const waiting = {
      say,
      timeoutMs: readyTimeoutMs,
      isAlive: () => isAlive(maker),
      ...(signal && { signal }),
    };
    await followProgress(folder.progress, waiting);
    return true;
  } catch (error) {
    const log = existsSync(folder.logs) ? logsIn(folder.logs) : '';
    await removeWhatThereIs(folder);
    if (signal?.aborted) throw error;
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${log}`, { cause: error });
  }
}

/**
 * Ends every process of the cluster and removes all it had.
 * @returns whether there was anything
 */
export async function removeCluster(folder: ClusterFolder): Promise<boolean> {
  if (!existsSync(folder.path)) return false;
  using _lock = await acquireFileLock(folder.lock, { timeoutMs: lockTimeoutMs });
  if (!existsSync(folder.path)) return false;
  await removeWhatThereIs(folder);
  return true;
}

function prepareFolder(folder: ClusterFolder, { kubernetes, images }: ClusterParts): void {
  for (const place of [folder.path, folder.programs, folder.logs, folder.images])
    mkdirSync(place, { recursive: true, mode: 0o755 });
  makeCredentials(folder);
  // Links and not copies, and not by path: an executable or image that is built anew meanwhile is another file.
  linkSync(kubernetes, path.join(folder.programs, 'kubernetes'));
  for (const program of programs) symlinkSync('kubernetes', path.join(folder.programs, program));
  for (const image of images) linkSync(image, path.join(folder.images, path.basename(image)));
}

async function startMachine(folder: ClusterFolder): Promise<ClusterRecord> {
  const groupsBefore = groupsBeside();
  const own = ['--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const main = [process.execPath, path.join(import.meta.dirname, 'machine-main.ts'), folder.name];
  const log = openSync(folder.log('cluster'), 'a');
  const child = spawn('unshare', [...own, '--', ...asInit(main)], {
    cwd: '/',
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new Error('unshare cannot be started.');
  const record: ClusterRecord = {
    bootId: currentBootId(),
    maker: recordProcess(child.pid),
    groupsBefore,
  };
  writeRecord(folder.record, record);
  for (;;) {
    const init = initOf(record.maker);
    if (init !== undefined) {
      writeRecord(folder.record, { ...record, init });
      return { ...record, init };
    }
    if (!isAlive(record.maker)) throw new Error('The namespaces of the cluster could not be made.');
    await delay(5);
  }
}

async function removeWhatThereIs(folder: ClusterFolder): Promise<void> {
  const record = readRecord(folder.record);
  if (record !== undefined && record.bootId === currentBootId()) await endProcesses(record);
  for (const { name } of nodes) removeControlGroup(`${folder.cgroup}/${name}`);
  removeControlGroup(folder.cgroup);
  if (record !== undefined) removeGroupsMadeSince(record.groupsBefore);
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder.path}/`);
  if (mounted)
    throw new Error(`Something is mounted below ${folder.path}; unmount it, then it can be removed.`);
  rmSync(folder.path, { recursive: true, force: true });
}

/** The kernel ends all of a PID namespace with its first process, and lets go of that last. */
async function endProcesses(record: ClusterRecord): Promise<void> {
  const init = record.init ?? initOf(record.maker);
  const recorded = [...(init === undefined ? [] : [init]), record.maker];
  for (const process_ of recorded) if (isAlive(process_)) process.kill(process_.pid, 'SIGKILL');
  const giveUpAtMs = performance.now() + endTimeoutMs;
  while (recorded.some(isAlive)) {
    if (performance.now() > giveUpAtMs)
      throw new Error(
        `Process ${recorded.find(isAlive)?.pid} of the cluster does not end, though it was killed; see what it waits for.`,
      );
    await delay(20);
  }
}

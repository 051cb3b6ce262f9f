// The commands of `npm run e2e` that make, remove and enter a cluster. Must not know what is tested in it.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { isRunning, makeCluster, removeCluster } from './cluster/cluster.ts';
import { inClusterNetwork, onNode } from './cluster/cluster-commands.ts';
import { ClusterFolder } from './cluster/cluster-folder.ts';
import { prepareParts } from './cluster/cluster-parts.ts';

/** More would stand in each other's way on any machine. */
export const mostClusters = 4;

/**
 * The folders of the further clusters that a run makes. Such a one has none itself.
 * @param clusters how many there are with the first
 */
export function besideFolders({ name }: ClusterFolder, clusters: number): ClusterFolder[] {
  if (name.includes('+')) return [];
  return Array.from({ length: clusters - 1 }, (_, index) => new ClusterFolder(`${name}+${index + 2}`));
}

/** @returns an exit status */
export async function bringUp(folder: ClusterFolder): Promise<number> {
  return refusing(async () => {
    const made = await makeForUse(folder);
    console.log(
      made ? '' : `The cluster ${folder.name} runs already.`,
      `\n  kubectl: npm run e2e -- kubectl get nodes\n  remove:  npm run e2e -- down`,
    );
    return 0;
  });
}

/** @returns an exit status */
export async function bringDown(folder: ClusterFolder): Promise<number> {
  return refusing(async () => {
    for (const beside of besideFolders(folder, mostClusters)) await removeCluster(beside);
    const removed = await removeCluster(folder);
    console.log(removed ? `The cluster ${folder.name} is gone.` : `There is no cluster ${folder.name}.`);
    return 0;
  });
}

/**
 * Makes the cluster unless it runs. Ctrl-C while it is being made removes what there is of it.
 * @returns whether it was made now
 */
export async function makeForUse(folder: ClusterFolder): Promise<boolean> {
  if (isRunning(folder)) return false;
  const say = (line: string): void => console.log(line);
  const parts = prepareParts(say);
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new Error('Interrupted: what there was of it is removed.'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
  try {
    return await makeCluster(folder, parts, { say, signal: interrupted.signal });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, interrupt);
  }
}

/** Runs kubectl or a command on a node, this terminal's. @returns its exit status */
export function runInCluster(
  folder: ClusterFolder,
  what: 'kubectl' | 'on',
  args: readonly string[],
): Promise<number> {
  return refusing(async () => {
    if (!isRunning(folder)) throw new Error(`There is no cluster ${folder.name}: npm run e2e -- up`);
    const [node = '', ...command] = args;
    const [file = '', ...rest] =
      what === 'on'
        ? onNode(folder, node, command)
        : inClusterNetwork(folder, [path.join(folder.programs, 'kubectl'), ...args]);
    const env = { ...process.env, KUBECONFIG: folder.kubeconfig() };
    return spawnSync(file, rest, { stdio: 'inherit', env }).status ?? 1;
  });
}

/** Turns what cannot be done into a sentence and exit status 1. */
export async function refusing(action: () => Promise<number>): Promise<number> {
  try {
    return await action();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

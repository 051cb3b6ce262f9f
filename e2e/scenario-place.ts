// Where scenarios run: a cluster that has the driver, of this machine or somebody's. Runs files of them there. Must not know any
// scenario.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestFiles } from '../tools/test-files.ts';
import { inClusterNetwork } from './cluster/cluster-commands.ts';
import { ClusterFolder } from './cluster/cluster-folder.ts';
import { busyboxImage } from './cluster/images.ts';
import { driverNamespace } from './driver-values.ts';
import { runTests } from './run-tests.ts';
import type { WaitingFiles } from './waiting-files.ts';
import { type Ground, groundVariable, scenarioLabel } from './world/ground.ts';
import type { KubeObject } from './world/kube-api.ts';

const namespaceTimeoutMs = 120_000;

export interface ScenarioPlace {
  readonly ground: Ground;
  /** Makes of a command one that runs where the cluster can be reached. */
  readonly around: (command: readonly string[]) => readonly string[];
}

/** A cluster of this machine. */
export function clusterPlace(folder: ClusterFolder): ScenarioPlace {
  const kubeconfig = folder.kubeconfig();
  return {
    ground: { kubeconfig, cluster: folder.name, smallImage: busyboxImage, driverNamespace },
    around: (command) => inClusterNetwork(folder, command),
  };
}

/** Whatever cluster a file gives access to. */
export function givenPlace(kubeconfigFile: string): ScenarioPlace {
  const kubeconfig = path.resolve(kubeconfigFile);
  const smallImage = 'docker.io/library/busybox:1.37';
  return { ground: { kubeconfig, smallImage, driverNamespace }, around: (command) => command };
}

/**
 * Runs files of scenarios to their end, and waits until nothing of them is left in the cluster.
 * @param outputFile gets what they print, instead of this terminal
 * @returns an exit status
 */
export async function runScenarioFiles(
  place: ScenarioPlace,
  files: TestFiles,
  outputFile?: string,
): Promise<number> {
  const { ground, around } = place;
  const env = { [groundVariable]: JSON.stringify(ground) };
  const status = await runTests({ ...files, env, around, outputFile });
  return (await areNamespacesGone(place)) ? status : status || 1;
}

export interface WaitingRun {
  /** How each of them is run. */
  readonly tests: Omit<TestFiles, 'files'>;
  /** Gets what they print, instead of this terminal. */
  readonly outputFile?: string;
  /** Is told of each that has ended. */
  readonly onEnd?: (file: string) => void;
}

/** Takes files of scenarios and runs them, one by one, until none is left. @returns an exit status, the first that is none of success */
export async function runWaitingFiles(
  place: ScenarioPlace,
  waiting: WaitingFiles,
  { tests, outputFile, onEnd }: WaitingRun,
): Promise<number> {
  let status = 0;
  for (let file = waiting.next(); file !== undefined; file = waiting.next()) {
    const outcome = await runScenarioFiles(place, { ...tests, files: [file] }, outputFile);
    status ||= outcome;
    onEnd?.(file);
  }
  return status;
}

/** Waits until those are gone that scenarios have deleted (World.end); says which are not. */
async function areNamespacesGone({ ground, around }: ScenarioPlace): Promise<boolean> {
  const kubectl =
    ground.cluster === undefined
      ? 'kubectl'
      : path.join(new ClusterFolder(ground.cluster).programs, 'kubectl');
  const list = ['get', 'namespaces', `--selector=${scenarioLabel}`, '--output=json'];
  const [file = '', ...args] = around([kubectl, `--kubeconfig=${ground.kubeconfig}`, ...list]);
  const giveUpAtMs = performance.now() + namespaceTimeoutMs;
  for (;;) {
    const { items } = JSON.parse(execFileSync(file, args, { encoding: 'utf8', maxBuffer: 2 ** 26 }));
    const going = (items as readonly KubeObject[]).filter(({ metadata }) => metadata.deletionTimestamp);
    if (going.length === 0) return true;
    if (performance.now() > giveUpAtMs) {
      for (const { metadata, status } of going)
        console.error(`✘ the namespace ${metadata.name} does not go: ${JSON.stringify(status.conditions)}`);
      return false;
    }
    await delay(500);
  }
}

// The parts `cluster` and `storage` of `npm run e2e`: sees to a cluster with the driver in it, then runs the external storage
// suite, then the scenarios, side by side those that disturb nobody, then one by one those that do. Must not know any scenario.
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { projectRoot } from '../tools/run-tool.ts';
import { slowestFirst } from '../tools/test-files.ts';
import { isRunning, removeCluster } from './cluster/cluster.ts';
import { inClusterNetwork } from './cluster/cluster-commands.ts';
import { ClusterFolder } from './cluster/cluster-folder.ts';
import { busyboxImage } from './cluster/images.ts';
import { makeForUse, refusing } from './cluster-part.ts';
import { installDriver } from './driver.ts';
import { driverNamespace } from './driver-values.ts';
import { buildExternalStorage } from './kubernetes-program.ts';
import { runTests } from './run-tests.ts';
import { type Ground, groundVariable, scenarioLabel } from './world/ground.ts';
import type { KubeObject } from './world/kube-api.ts';
import { readTimes, timesTable } from './world/scenario-times.ts';

/** The Kubernetes project's own suite for storage drivers. */
export const storageSuite = 'e2e/external-storage/external-storage.scenario.ts';

/** They wait far more than they compute. */
const sideBySide = 6;
const timeoutMs = 900_000;
const suiteTimeoutMs = 1_800_000;
const namespaceTimeoutMs = 120_000;
const slowest = [
  'deletion',
  'rights',
  'pool-settings',
  'sub-paths',
  'late-binding',
  'access-modes',
  'pool-classes',
  'writers',
].map((name) => `e2e/scenarios/${name}.scenario.ts`);
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Makes of a command one that runs where the cluster can be reached. */
type Around = (command: readonly string[]) => readonly string[];

export interface ScenarioRun {
  readonly folder: ClusterFolder;
  readonly files: readonly string[];
  /** Also try whether the cluster is what it should be. */
  readonly clusterItself: boolean;
  readonly name: string | undefined;
  /** Leave a cluster that was made for this run. */
  readonly keep: boolean;
  /** Run in the cluster of that file, not in one of this machine. */
  readonly kubeconfig: string | undefined;
  /** Only see to it that the driver is there. */
  readonly installOnly: boolean;
  /** Tell how long pods and claims take; scenarios run one by one then, so that their pods have the machine for themselves. */
  readonly times: boolean;
  /** Called when the disruptive scenarios begin, which wait far more than they compute: time for something else. */
  readonly idle?: () => void;
}

/** @returns an exit status */
export function runScenarios(run: ScenarioRun): Promise<number> {
  return refusing(() =>
    run.kubeconfig === undefined ? inOwnCluster(run) : inGivenCluster(run, run.kubeconfig),
  );
}

async function inOwnCluster(run: ScenarioRun): Promise<number> {
  const { folder, keep, installOnly } = run;
  if (isRunning(folder)) {
    if (installOnly) installDriver(folder, say);
    else say(`The cluster ${folder.name} runs already, and is used as it is.`);
    return installOnly ? 0 : runIn(run);
  }
  await makeForUse(folder);
  if (installOnly) {
    installDriver(folder, say);
    return 0;
  }
  // Whoever interrupts from here on ends what is under way, and the cluster still goes.
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    installDriver(folder, say);
    // Signals are told of only now.
    await setImmediate();
    return isInterrupted ? 1 : await runIn(run);
  } finally {
    if (!keep) await removeCluster(folder);
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** Runs the scenarios in the cluster, which has the driver. */
async function runIn(run: ScenarioRun): Promise<number> {
  const { folder } = run;
  if (run.clusterItself) {
    const status = await runTests({
      files: ['e2e/cluster/cluster.test.ts'],
      concurrency: 1,
      timeoutMs,
      env: {},
    });
    if (status !== 0) return status;
  }
  const kubeconfig = folder.kubeconfig();
  const ground: Ground = { kubeconfig, cluster: folder.name, smallImage: busyboxImage, driverNamespace };
  return runWithTimes(run, ground, (command) => inClusterNetwork(folder, command));
}

async function inGivenCluster(run: ScenarioRun, kubeconfig: string): Promise<number> {
  const smallImage = 'docker.io/library/busybox:1.37';
  const ground: Ground = { kubeconfig: path.resolve(kubeconfig), smallImage, driverNamespace };
  return runWithTimes(run, ground, (command) => command);
}

/** Prints a table of times at the end, of scenarios that passed, when the run wants that. */
async function runWithTimes(run: ScenarioRun, ground: Ground, around: Around): Promise<number> {
  if (!run.times) return runFiles(run, ground, around);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-times-'));
  try {
    const timesFile = path.join(folder, 'times');
    const status = await runFiles(run, { ...ground, timesFile }, around);
    say(timesTable(readTimes(timesFile)));
    return status;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runFiles(run: ScenarioRun, ground: Ground, around: Around): Promise<number> {
  const { files, name, idle, times } = run;
  const isDisruptive = (file: string): boolean => file.endsWith('.disruptive.scenario.ts');
  const suite = files.filter((file) => file === storageSuite);
  const scenarios = files.filter((file) => file !== storageSuite);
  const peaceful = scenarios.filter((file) => !isDisruptive(file));
  const groups = [
    { files: suite, concurrency: 1, timeoutMs: suiteTimeoutMs },
    { files: slowestFirst(peaceful, slowest), concurrency: times ? 1 : sideBySide, timeoutMs },
    { files: scenarios.filter(isDisruptive), concurrency: 1, timeoutMs },
  ];
  if (suite.length > 0) {
    say('the external storage suite of Kubernetes: building it, unless that was done …');
    buildExternalStorage();
  }
  const env = { [groundVariable]: JSON.stringify(ground) };
  let status = 0;
  for (const group of groups) {
    if (group.files.length === 0) continue;
    if (group.files.some(isDisruptive)) idle?.();
    const outcome = await runTests({ ...group, namePattern: name, env, around });
    status ||= outcome;
    if (!(await areNamespacesGone(ground, around))) status ||= 1;
  }
  return status;
}

/** Waits until those are gone that scenarios have deleted (World.end); says which are not. */
async function areNamespacesGone(ground: Ground, around: Around): Promise<boolean> {
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

/** All scenarios. */
export function scenarioFiles(): string[] {
  const place = 'e2e/scenarios';
  return globSync('*.scenario.ts', { cwd: path.join(projectRoot, place) })
    .map((file) => path.join(place, file))
    .sort();
}

function say(line: string): void {
  console.log(line);
}

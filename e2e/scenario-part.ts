// The parts `cluster` and `storage` of `npm run e2e`: sees to a cluster with the driver in it, then runs the external storage
// suite, then the scenarios, side by side those that disturb nobody, then one by one those that do, which further clusters have begun
// with meanwhile. Must not know any scenario.
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { projectRoot } from '../tools/run-tool.ts';
import { slowestFirst, type TestFiles } from '../tools/test-files.ts';
import { BesideCluster } from './beside-cluster.ts';
import { isRunning, removeCluster } from './cluster/cluster.ts';
import type { ClusterFolder } from './cluster/cluster-folder.ts';
import { besideFolders, makeForUse, refusing } from './cluster-part.ts';
import { installDriver } from './driver.ts';
import { buildExternalStorage } from './kubernetes-program.ts';
import { runTests } from './run-tests.ts';
import {
  clusterPlace,
  givenPlace,
  runScenarioFiles,
  runWaitingFiles,
  type ScenarioPlace,
} from './scenario-place.ts';
import { WaitingFiles } from './waiting-files.ts';
import { readTimes, timesTable } from './world/scenario-times.ts';

/** The Kubernetes project's own suite for storage drivers. */
export const storageSuite = 'e2e/external-storage/external-storage.scenario.ts';

/** They wait far more than they compute. */
const sideBySide = 6;
const timeoutMs = 900_000;
const suiteTimeoutMs = 1_800_000;
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
/** Those that take longest. */
const slowestDisruptive = [
  'pool-comes-and-goes',
  'rollouts',
  'helm-changes',
  'pool-reset',
  'api-server-away',
  'mounter-away',
  'masters',
  'damaged-memory',
].map((name) => `e2e/scenarios/${name}.disruptive.scenario.ts`);
/** Fewer are not worth a cluster of their own. */
const filesOfACluster = 4;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
  /** How many clusters there may be at a time; all but the first are made for disruptive scenarios, and removed at the end. */
  readonly clusters: number;
  /** Another minor version of Kubernetes. */
  readonly kubernetes: string | undefined;
  /** Called when the disruptive scenarios begin, which wait far more than they compute: time for something else. */
  readonly idle?: () => void;
}

/** @returns an exit status */
export function runScenarios(run: ScenarioRun): Promise<number> {
  return refusing(() =>
    run.kubeconfig === undefined ? inOwnCluster(run) : runWithTimes(run, givenPlace(run.kubeconfig), 1),
  );
}

async function inOwnCluster(run: ScenarioRun): Promise<number> {
  const { folder, keep, installOnly } = run;
  if (isRunning(folder)) {
    if (installOnly) installDriver(folder, say);
    else say(`The cluster ${folder.name} runs already, and is used as it is.`);
    return installOnly ? 0 : runIn(run, 1);
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
    return isInterrupted ? 1 : await runIn(run, clustersFor(run));
  } finally {
    if (!keep) await removeCluster(folder);
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** Runs the scenarios in the cluster, which has the driver. */
async function runIn(run: ScenarioRun, clusters: number): Promise<number> {
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
  return runWithTimes(run, clusterPlace(folder), clusters);
}

/** Prints a table of times at the end, of scenarios that passed, when the run wants that. */
async function runWithTimes(run: ScenarioRun, place: ScenarioPlace, clusters: number): Promise<number> {
  if (!run.times) return runFiles(run, place, clusters);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-times-'));
  try {
    const timesFile = path.join(folder, 'times');
    const status = await runFiles(run, { ...place, ground: { ...place.ground, timesFile } }, clusters);
    say(timesTable(readTimes(timesFile)));
    return status;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runFiles(run: ScenarioRun, place: ScenarioPlace, clusters: number): Promise<number> {
  const { files, name: namePattern, idle } = run;
  const waiting = new WaitingFiles(slowestFirst(files.filter(isDisruptive), slowestDisruptive));
  if (files.includes(storageSuite)) {
    say('the external storage suite of Kubernetes: building it, unless that was done …');
    buildExternalStorage();
  }
  const isInterrupted = untilInterrupted(waiting);
  const tests = { concurrency: 1, timeoutMs, namePattern };
  const options = run.kubernetes === undefined ? [] : ['--kubernetes', run.kubernetes];
  const besides = besideFolders(run.folder, clusters).map((folder) =>
    BesideCluster.begin(folder, { waiting, tests, options }),
  );
  const statuses: number[] = [];
  try {
    for (const group of peacefulGroups(run))
      if (group.files.length > 0 && !isInterrupted()) statuses.push(await runScenarioFiles(place, group));
    idle?.();
    statuses.push(await runWaitingFiles(place, waiting, { tests }));
  } finally {
    waiting.forget();
    for (const beside of besides) statuses.push(await beside.end());
  }
  return isInterrupted() ? 1 : (statuses.find((status) => status !== 0) ?? 0);
}

/** What disturbs nobody, in the order in which it is run: the suite, then scenarios side by side. */
function peacefulGroups({ files, name: namePattern, times }: ScenarioRun): TestFiles[] {
  const isSuite = (file: string): boolean => file === storageSuite;
  const scenarios = files.filter((file) => !isSuite(file) && !isDisruptive(file));
  return [
    { files: files.filter(isSuite), concurrency: 1, timeoutMs: suiteTimeoutMs, namePattern },
    {
      files: slowestFirst(scenarios, slowest),
      concurrency: times ? 1 : sideBySide,
      timeoutMs,
      namePattern,
    },
  ];
}

/** Lets nobody take a file any more once this process is told to end. @returns whether it was told */
function untilInterrupted(waiting: WaitingFiles): () => boolean {
  let isInterrupted = false;
  for (const signal of signals)
    process.once(signal, () => {
      isInterrupted = true;
      waiting.forget();
    });
  return () => isInterrupted;
}

function isDisruptive(file: string): boolean {
  return file.endsWith('.disruptive.scenario.ts');
}

/** How many clusters are worth while for a run that makes its own. Nothing is timed beside another. */
function clustersFor({ files, clusters, times }: ScenarioRun): number {
  return times ? 1 : Math.min(clusters, 1 + Math.floor(files.filter(isDisruptive).length / filesOfACluster));
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

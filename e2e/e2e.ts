// `npm run e2e`: the tests that need Kubernetes, whose programs are built once into .cache. The part `api` runs every
// *.api.test.ts beside its source against one API server that they share; the part `cluster` runs the scenarios of
// e2e/scenarios in a cluster of two nodes on this machine, with the driver installed by its chart; the part `storage` what
// the Kubernetes project asks of every storage driver, there too.
import { parseArgs } from 'node:util';
import { forbidInstalling, noInstallHelp } from '../tools/needed-packages.ts';
import { runApiTests } from './api-part.ts';
import { BesideApiTests } from './beside-api-tests.ts';
import { isRunning } from './cluster/cluster.ts';
import { ClusterFolder } from './cluster/cluster-folder.ts';
import { neededPackages } from './cluster/needed-programs.ts';
import { bringDown, bringUp, mostClusters, runInCluster } from './cluster-part.ts';
import { chooseKubernetes, kubernetesVersion, otherMinors } from './kubernetes-program.ts';
import { runScenarios, scenarioFiles, storageSuite } from './scenario-part.ts';

const parts: Readonly<Record<string, string>> = {
  api: 'what talks to an API server, against a real one on a real etcd',
  cluster: 'the driver, installed by its chart, on a real cluster of two nodes (needs root)',
  storage: 'the external storage suite of Kubernetes, as far as famfs can, on the same cluster',
};

const commands: Readonly<Record<string, string>> = {
  up: 'makes the cluster and leaves it running, without the driver',
  down: 'removes it, also after a crash',
  install: 'installs the driver there, or brings it up to date, as the part `cluster` does',
  kubectl: 'ARGS…: kubectl, as administrator of that cluster',
  on: 'NODE COMMAND…: a command on node-a or node-b',
};

function usage(): string {
  const listed = (entries: Readonly<Record<string, string>>): string =>
    Object.entries(entries)
      .map(([name, summary]) => `  ${name.padEnd(10)} ${summary}`)
      .join('\n');
  return `npm run e2e [-- PART… | FILE…] [--name PATTERN] [--times] [--keep] [--cluster NAME]
npm run e2e -- COMMAND

Runs, against Kubernetes ${kubernetesVersion()}, all of these parts or those named, or files *.api.test.ts or *.scenario.ts:
${listed(parts)}

A cluster that runs already is used as it is, and left; else one is made, and removed at the end. Making one installs, as root, what is
missing of these Debian packages: ${neededPackages.join(' ')}; and of those that npm run image needs.

  --name PATTERN     only tests whose names match
  --times            also tell, of every scenario, how long its pods take until they are ready and its claims until they are bound,
                     as multiples of what a pod without a volume takes just before; scenarios run one by one then, so that
                     nothing but a scenario's own pods makes them slower. A claim whose class waits for a pod is timed from the
                     first pod that uses it; what a scenario does not wait for at once is not counted
  --keep             leave the cluster that was made running
  --cluster NAME     another cluster of this machine, beside the one called "default"
  --clusters N       how many there may be at a time (2; at most ${mostClusters}): disruptive scenarios run in all of them, one by one in each.
                     Those beside the first are removed at the end, whatever --keep says; a run that makes no cluster, and
                     one with --times, has one
  --kubernetes MINOR another Kubernetes for what is made now: ${otherMinors().join(', ')}
  --kubeconfig FILE  the cluster of that file instead; the driver is expected to be there. Scenarios make and remove
                     namespaces and volumes in it, and those that need a node's console are left out
  --no-install       ${noInstallHelp}
  --help

Commands:
${listed(commands)}`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      times: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      cluster: { type: 'string', default: 'default' },
      clusters: { type: 'string', default: '2' },
      kubernetes: { type: 'string' },
      kubeconfig: { type: 'string' },
      'no-install': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    // What follows is another program's.
    args: ownArguments(),
  });
  if (values.help) {
    console.log(usage());
    return 0;
  }
  if (values['no-install']) forbidInstalling();
  const folder = new ClusterFolder(values.cluster);
  const clusters = Number(values.clusters);
  const complaint =
    Number.isInteger(clusters) && clusters >= 1 && clusters <= mostClusters
      ? choose(values.kubernetes, folder, positionals)
      : `--clusters: give a number from 1 to ${mostClusters}, not ${JSON.stringify(values.clusters)}`;
  if (complaint !== undefined) {
    console.error(complaint);
    return 2;
  }
  const [first, ...rest] = positionals;
  if (first === 'up' && rest.length === 0) return bringUp(folder);
  if (first === 'down' && rest.length === 0) return bringDown(folder);
  if (first === 'kubectl' || first === 'on') return runInCluster(folder, first, foreignArguments());
  const unknown = positionals.find((place) => parts[place] === undefined && !isTestFile(place));
  if (unknown !== undefined && !(first === 'install' && rest.length === 0)) {
    console.error(`there is no part, command or test ${JSON.stringify(unknown)}\n\n${usage()}`);
    return 2;
  }
  if (process.env.KUBECONFIG !== undefined && values.kubeconfig === undefined)
    console.log('KUBECONFIG is set, and not used: tests touch a cluster of yours only by --kubeconfig FILE.');
  const all = positionals.length === 0;
  const files = (ending: string): string[] => positionals.filter((place) => place.endsWith(ending));
  const whole = (part: string): boolean => all || positionals.includes(part);
  const api = whole('api') || files('.api.test.ts').length > 0 ? files('.api.test.ts') : undefined;
  // What waits for the cluster leaves time for them, unless that is timed.
  const beside =
    api !== undefined && whole('cluster') && !values.times ? new BesideApiTests(api, values.name) : undefined;
  let status = 0;
  if (api !== undefined && beside === undefined)
    status = await runApiTests({ files: api, name: values.name });
  const scenarios = [
    ...(whole('storage') ? [storageSuite] : []),
    ...(whole('cluster') ? scenarioFiles() : []),
    ...files('.scenario.ts'),
  ];
  const installOnly = first === 'install';
  if (installOnly || scenarios.length > 0) {
    const { keep, name, kubeconfig, times, kubernetes } = values;
    const clusterItself = whole('cluster') && name === undefined;
    const idle = (): void => beside?.begin();
    const how = { clusterItself, keep, name, kubeconfig, installOnly, times, clusters, kubernetes };
    const outcome = await runScenarios({ folder, files: scenarios, ...how, idle });
    status ||= outcome;
  }
  if (beside !== undefined) {
    const outcome = await beside.end();
    status ||= outcome;
  }
  return status;
}

/** Takes another Kubernetes for what this run makes. @returns why not, when that cannot be */
function choose(
  minor: string | undefined,
  folder: ClusterFolder,
  places: readonly string[],
): string | undefined {
  if (minor === undefined) return undefined;
  if (!otherMinors().includes(minor))
    return `there is no other Kubernetes ${JSON.stringify(minor)}\n\n${usage()}`;
  const isOfApi = (place: string): boolean => place === 'api' || place.endsWith('.api.test.ts');
  const isForCluster = places.length === 0 || !places.every(isOfApi);
  if (isForCluster && isRunning(folder))
    return `The cluster ${folder.name} runs already, as it was made: name another by --cluster.`;
  chooseKubernetes(minor);
  return undefined;
}

const passingOn = ['kubectl', 'on'];

function passingAt(): number {
  const args = process.argv.slice(2);
  const at = args.findIndex((argument) => passingOn.includes(argument));
  return at === -1 ? args.length : at + 1;
}

function ownArguments(): string[] {
  return process.argv.slice(2, 2 + passingAt());
}

function foreignArguments(): string[] {
  return process.argv.slice(2 + passingAt());
}

function isTestFile(place: string): boolean {
  return place.endsWith('.api.test.ts') || place.endsWith('.scenario.ts');
}

process.exitCode = await main();

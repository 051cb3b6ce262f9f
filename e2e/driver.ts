// Installs the driver into a cluster of this machine as an administrator would: its image onto the nodes, its chart by Helm.
// Must not know what is tested.
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildHelm, chartFolder, helmEnvironment } from '../tools/chart/helm.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { inClusterNetwork, onNode } from './cluster/cluster-commands.ts';
import type { ClusterFolder } from './cluster/cluster-folder.ts';
import { folderInNode, nodes } from './cluster/cluster-shape.ts';
import { driverNamespace, driverValues, givenPools, releaseName } from './driver-values.ts';
import { recoverInterruptedRelease } from './interrupted-release.ts';

const installTimeout = '240s';

interface Image {
  /** Name and tag. */
  readonly image: string;
  readonly manifestDigest: string;
  readonly archive: string;
}

/**
 * Installs the driver as this checkout has it, or brings the one that is there up to date, and waits until it and its pools are
 * ready.
 * @throws Error with what Helm or the nodes say
 */
export function installDriver(folder: ClusterFolder, say: (line: string) => void): void {
  const image = buildDriverImage();
  const helm = buildHelm();
  for (const { name } of nodes) importImage(folder, name, image);
  const inNamespace = ['--namespace', driverNamespace];
  const runHelm = (...args: string[]): string => inNetwork(folder, [helm, ...args, ...inNamespace]);
  recoverInterruptedRelease(runHelm, releaseName, say);
  say(`installing ${image.image}@${image.manifestDigest.slice(0, 19)}… by Helm`);
  const install = ['upgrade', '--install', releaseName, chartFolder, ...inNamespace];
  // The newer way to wait takes a DaemonSet whose pods wait to be deleted for one that never comes to an end.
  const waiting = ['--create-namespace', '--wait=legacy', '--timeout', installTimeout];
  const values = JSON.stringify(driverValues(image.manifestDigest));
  inNetwork(folder, [helm, ...install, ...waiting, '--values', '-'], values);
  replaceMounters(folder);
  const pools = givenPools.map(({ name }) => `famfspool/${name}`);
  kubectl(folder, 'wait', '--for=condition=Ready', '--timeout', installTimeout, ...pools);
  for (const { name, seenBy } of givenPools) untilNodesSee(folder, name, seenBy);
}

/** Removes the driver as an administrator would; what the chart keeps stays. */
export function uninstallDriver(folder: ClusterFolder): void {
  inNetwork(folder, [buildHelm(), 'uninstall', releaseName, '--namespace', driverNamespace, '--wait']);
}

/** The image of this checkout, built by its Dockerfile when anything in it has changed. */
function buildDriverImage(): Image {
  const build = [path.join(projectRoot, 'tools/bootstrap.mjs'), 'tools/image.ts'];
  execFileSync(process.execPath, build, { cwd: projectRoot, stdio: ['ignore', 'inherit', 'inherit'] });
  const { version } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8'));
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const summary = path.join(projectRoot, `dist/image/famfs-csi-${version}-${architecture}.json`);
  return JSON.parse(readFileSync(summary, 'utf8'));
}

/** Pods name an image by its digest, as they would in production; on a node it is known by that once it is told. */
function importImage(folder: ClusterFolder, node: string, { image, manifestDigest, archive }: Image): void {
  const file = `driver-${manifestDigest.slice(7, 19)}.tar`;
  const place = path.join(folder.images, file);
  rmSync(place, { force: true });
  linkSync(archive, place);
  const byDigest = `${image.replace(/:[^:/]+$/, '')}@${manifestDigest}`;
  const ctr = ['ctr', '-n', 'k8s.io', 'images'];
  run(onNode(folder, node, [...ctr, 'import', path.join(folderInNode, 'images', file)]));
  run(onNode(folder, node, [...ctr, 'tag', '--force', image, byDigest]));
}

/** A mounter is replaced when its pod is deleted, and not before. */
function replaceMounters(folder: ClusterFolder): void {
  const mounters = `daemonset/${releaseName}-mounter`;
  const inNamespace = ['--namespace', driverNamespace];
  const status = JSON.parse(kubectl(folder, 'get', mounters, ...inNamespace, '--output=jsonpath={.status}'));
  if (status.updatedNumberScheduled !== status.desiredNumberScheduled) {
    const pods = ['pods', '--selector', 'app.kubernetes.io/component=mounter'];
    kubectl(folder, 'delete', ...pods, ...inNamespace, '--wait');
    const updated = `--for=jsonpath={.status.updatedNumberScheduled}=${nodes.length}`;
    kubectl(folder, 'wait', updated, '--timeout', installTimeout, mounters, ...inNamespace);
  }
  const ready = `--for=jsonpath={.status.numberReady}=${nodes.length}`;
  kubectl(folder, 'wait', ready, '--timeout', installTimeout, mounters, ...inNamespace);
}

/** A node can have pods of a pool once kubelet has given it the pool's label. */
function untilNodesSee(folder: ClusterFolder, pool: string, seenBy: readonly string[]): void {
  const uuid = kubectl(folder, 'get', 'famfspool', pool, '--output=jsonpath={.status.fileSystemUUID}');
  const label = `{.metadata.labels.topology\\.famfs\\.io/pool-${uuid}}=true`;
  const seers = seenBy.map((node) => `node/${node}`);
  kubectl(folder, 'wait', `--for=jsonpath=${label}`, '--timeout', installTimeout, ...seers);
}

function kubectl(folder: ClusterFolder, ...args: readonly string[]): string {
  return inNetwork(folder, [path.join(folder.programs, 'kubectl'), ...args]);
}

function inNetwork(folder: ClusterFolder, command: readonly string[], input?: string): string {
  return run(inClusterNetwork(folder, command), input, helmEnvironment(folder.kubeconfig()));
}

function run([file = '', ...args]: readonly string[], input = '', env = process.env): string {
  const { status, stdout, stderr } = spawnSync(file, args, {
    encoding: 'utf8',
    input,
    env,
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: exit status ${status}\n${stdout}${stderr}`);
  return stdout;
}

// The driver as a release of Helm: its values, another set of them, another chart, without it and back. Must not know any scenario.
import assert from 'node:assert/strict';
import { chartFolder, runHelm } from '../../tools/chart/helm.ts';
import type { ReleasedChart } from '../../tools/chart/released-charts.ts';
import { imageRepository } from '../../tools/image/image-build.ts';
import { nodes } from '../cluster/cluster-shape.ts';
import { driverNamespace, releaseName } from '../driver-values.ts';
import { mounters, replacePod } from './driver-pods.ts';
import type { Fields } from './kube-api.ts';
import type { World } from './world.ts';

// The newer way to wait never ends for a DaemonSet whose pods wait to be deleted.
const waiting = ['--wait=legacy', '--timeout', '240s'];
const upgrade = ['upgrade', '--install', releaseName];

/** What the driver was installed with. */
export function driverValuesOf(world: World): Fields {
  return JSON.parse(helm(world, ['get', 'values', releaseName, '--output', 'json']));
}

/**
 * Installs the driver, or brings it to these values, and waits for all pods but the mounters, which are replaced by who wants that.
 * @param chart a folder or a package; this checkout's unless given
 */
export function upgradeDriver(world: World, values: Fields, chart = chartFolder): void {
  helm(world, [...upgrade, chart, ...waiting, '--values', '-'], values);
}

/** Brings the driver to these values, and waits for nothing. */
export function changeDriver(world: World, values: Fields): void {
  helm(world, [...upgrade, chartFolder, '--values', '-'], values);
}

/** What Helm says when it has waited in vain for the driver as it is. @throws Error when it has not waited in vain */
export function vainWait(world: World): string {
  const values = driverValuesOf(world);
  const briefly = ['--wait', '--timeout', '10s'];
  const { status, stderr } = tryHelm(world, [...upgrade, chartFolder, ...briefly, '--values', '-'], values);
  assert.notEqual(status, 0, 'helm upgrade --wait has found the driver ready');
  return stderr;
}

/** The version of the chart that the driver is installed by. */
export function chartVersionOf(world: World): string {
  const releases = JSON.parse(helm(world, ['list', '--filter', `^${releaseName}$`, '--output', 'json']));
  return releases[0].chart.replace(/^famfs-csi-/, '');
}

/**
 * Brings the driver to a released chart, as if it had been installed by that one; at the end of the scenario it is as it was. Nobody has
 * the programs of a release without its image, so they are those of this run, under the name that the chart calls its own by.
 */
export async function useRelease(world: World, { file, version }: ReleasedChart): Promise<void> {
  const values = driverValuesOf(world);
  const { digest, ...image } = values.image;
  for (const { name } of nodes) nameImage(world, name, digest, version);
  world.undoAtEnd(`the driver is that of ${version}`, async () => {
    if (chartVersionOf(world) === version) {
      upgradeDriver(world, values);
      await replaceMounters(world);
    }
    for (const { name } of nodes) world.console.on(name, ...images, 'rm', imageOf(version));
  });
  upgradeDriver(world, { ...beforeReportInterval(values), image }, file);
  await replaceMounters(world);
}

/** Charts up to 0.1.0 refuse the setting, which they do not have. */
function beforeReportInterval(values: Fields): Fields {
  const { reportInterval: _, ...agent } = values.node.agent;
  return { ...values, node: { ...values.node, agent } };
}

const images = ['ctr', '--namespace', 'k8s.io', 'images'];

function imageOf(version: string): string {
  return `${imageRepository}:${version}`;
}

/** Gives the image that a node runs another name. */
function nameImage(world: World, node: string, digest: string, version: string): void {
  world.console.on(node, ...images, 'tag', '--force', `${imageRepository}@${digest}`, imageOf(version));
}

/** Of all nodes at once. */
async function replaceMounters(world: World): Promise<void> {
  await Promise.all(nodes.map(({ name }) => replacePod(world, mounters, name)));
}

/**
 * Uninstalls the driver and waits until its pods are gone.
 * @returns installs it again, as it was; that is done at the end at the latest
 */
export async function uninstallDriver(world: World): Promise<() => Promise<void>> {
  const values = driverValuesOf(world);
  const install = world.undoAtEnd('the driver is uninstalled', () => upgradeDriver(world, values));
  helm(world, ['uninstall', releaseName, '--wait', '--timeout', '240s']);
  await world.until('the driver’s pods are gone', async () => {
    return (await world.api.list('v1', 'Pod', driverNamespace)).length === 0;
  });
  return install;
}

/** What an administrator runs after an installation. @returns what it prints */
export function testDriver(world: World): string {
  return helm(world, ['test', releaseName, '--timeout', '240s']);
}

/** Gives the mounters other values and replaces those that have not got them; at the end of the scenario it is as it was. */
export async function withMounterValues(world: World, changed: Fields): Promise<void> {
  const values = driverValuesOf(world);
  const apply = async (mounter: Fields): Promise<void> => {
    upgradeDriver(world, { ...values, mounter });
    await replaceMounters(world);
  };
  world.undoAtEnd('the mounters have other values', () => apply(values.mounter));
  await apply({ ...values.mounter, ...changed });
}

function helm(world: World, args: readonly string[], values?: Fields): string {
  const { status, stdout, stderr } = tryHelm(world, args, values);
  assert.equal(status, 0, `helm ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function tryHelm(world: World, args: readonly string[], values?: Fields) {
  const input = values === undefined ? '' : JSON.stringify(values);
  return runHelm([...args, '--namespace', driverNamespace], input, world.ground.kubeconfig);
}

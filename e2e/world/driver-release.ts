// The driver as a release of Helm: its values, another set of them, without it and back. Must not know any scenario.
import assert from 'node:assert/strict';
import { chartFolder, runHelm } from '../../tools/chart/helm.ts';
import { driverNamespace, releaseName } from '../driver-values.ts';
import { driverPods, mounters, replacePod } from './driver-pods.ts';
import type { Fields } from './kube-api.ts';
import type { World } from './world.ts';

// The newer way to wait never ends for a DaemonSet whose pods wait to be deleted.
const waiting = ['--wait=legacy', '--timeout', '240s'];

/** What the driver was installed with. */
export function driverValuesOf(world: World): Fields {
  return JSON.parse(helm(world, ['get', 'values', releaseName, '--output', 'json']));
}

/** Installs the driver, or brings it to these values, and waits for all pods but the mounters, which are replaced by who wants that. */
export function upgradeDriver(world: World, values: Fields): void {
  helm(world, ['upgrade', '--install', releaseName, chartFolder, ...waiting, '--values', '-'], values);
}

/**
 * Uninstalls the driver and waits until its pods are gone.
 * @returns installs it again, as it was; that is done at the end at the latest
 */
export async function uninstallDriver(world: World): Promise<() => void> {
  const values = driverValuesOf(world);
  let isInstalled = false;
  const install = (): void => {
    if (!isInstalled) upgradeDriver(world, values);
    isInstalled = true;
  };
  world.undoAtEnd('the driver is uninstalled', install);
  helm(world, ['uninstall', releaseName, '--wait', '--timeout', '240s']);
  await world.until('the driver’s pods are gone', async () => {
    return (await world.api.list('v1', 'Pod', driverNamespace)).length === 0;
  });
  return install;
}

/** Gives the mounters other values and replaces those that have not got them; at the end of the scenario it is as it was. */
export async function withMounterValues(world: World, changed: Fields): Promise<void> {
  const values = driverValuesOf(world);
  const apply = async (mounter: Fields): Promise<void> => {
    upgradeDriver(world, { ...values, mounter });
    for (const { spec } of await driverPods(world, mounters))
      await replacePod(world, mounters, spec.nodeName);
  };
  world.undoAtEnd('the mounters have other values', () => apply(values.mounter));
  await apply({ ...values.mounter, ...changed });
}

function helm(world: World, args: readonly string[], values?: Fields): string {
  const input = values === undefined ? '' : JSON.stringify(values);
  const all = [...args, '--namespace', driverNamespace];
  const { status, stdout, stderr } = runHelm(all, input, world.ground.kubeconfig);
  assert.equal(status, 0, `helm ${all.join(' ')}: ${stderr}`);
  return stdout;
}

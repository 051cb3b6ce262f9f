// What `helm upgrade` and `helm uninstall` do to what runs, and what the latter leaves (the chart's README says it).
import assert from 'node:assert/strict';
import { chartFolder, runHelm } from '../../tools/chart/helm.ts';
import { driverNamespace, givenPools, releaseName } from '../driver-values.ts';
import { endClaim } from '../world/claimed-volume.ts';
import { driverPods, famfsDaemons, mounters, nodePlugins, rolledOut } from '../world/driver-pods.ts';
import type { KubeObject } from '../world/kube-api.ts';
import { scenario } from '../world/scenario.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const nodes = ['node-a', 'node-b'] as const;
const timeoutMs = 900_000;
const waiting = ['--wait=legacy', '--timeout', '240s'];

scenario(
  'helm upgrade with volumes mounted: all pods but the mounters are replaced, and no read and no open fails',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await Promise.all(
      nodes.map((node) => TirelessReader.start(world, `reader-${node}`, node, claim)),
    );
    const values = valuesOf(world);
    world.undoAtEnd('the driver has other values', () => upgrade(world, values));
    const before = await uids(world);
    upgrade(world, { ...values, logging: { ...values.logging, level: 'debug' } });
    for (const workload of [nodePlugins]) await rolledOut(world, workload);
    const after = await uids(world);
    assert.deepEqual(after.mounters, before.mounters);
    assert.ok(after.plugins.every((uid) => !before.plugins.includes(uid)));
    for (const node of nodes)
      await world.pod({ name: `new-${node}`, node, volumes: [{ claim, readOnly: true }] });
    for (const reader of readers) await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs },
);

scenario(
  'helm uninstall with volumes mounted leaves kinds, pools, records, mounts and daemons: pods read and open on, pods that end wait; installed again the driver goes on with all of it',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await Promise.all(
      nodes.map((node) => TirelessReader.start(world, `reader-${node}`, node, claim)),
    );
    await world.pod({ name: 'ends', node: 'node-b', volumes: [{ claim, readOnly: true }] });
    const before = await remains(world);
    assert.ok(before.pools.length >= givenPools.length && before.volumes.length > 0);
    const reinstall = uninstall(world);
    await world.until('the driver’s pods are gone', async () => {
      return (await world.api.list('v1', 'Pod', driverNamespace)).length === 0;
    });
    assert.deepEqual(await remains(world), before);
    assert.equal(await csiDriver(world), undefined);
    for (const reader of readers) await reader.neverNoticed();
    const ends = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ends', namespace: world.namespace } };
    await world.api.remove(ends);

    reinstall();
    assert.notEqual(await csiDriver(world), undefined);
    await world.until(
      'the pod that waited has ended',
      async () => (await world.api.get(ends)) === undefined,
      240_000,
    );
    assert.deepEqual(await remains(world), before);
    await untilPoolsServe(world);
    await world.claim('another', 'both', '2Mi');
    for (const node of nodes)
      await world.pod({
        name: `new-${node}`,
        node,
        volumes: [{ claim }, { claim: 'another', at: '/another' }],
      });
    for (const reader of readers) await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs },
);

scenario(
  'helm uninstall without volumes leaves kinds, pools, mounts and daemons, nothing of the driver else, and installed again it makes volumes in the same pools',
  async (world) => {
    await filledClaim(world, 'both', 'node-a');
    await endClaim(world, 'data');
    const before = await remains(world);
    const reinstall = uninstall(world);
    await world.until('the driver’s pods are gone', async () => {
      return (await world.api.list('v1', 'Pod', driverNamespace)).length === 0;
    });
    const { pools, daemons } = await remains(world);
    assert.deepEqual({ pools, daemons }, { pools: before.pools, daemons: before.daemons });
    assert.deepEqual(await leftByRelease(world), []);
    reinstall();
    await untilPoolsServe(world);
    const again = await remains(world);
    assert.deepEqual({ pools: again.pools, daemons: again.daemons }, { pools, daemons });
    await filledClaim(world, 'both', 'node-b', 'next');
  },
  { needs: 'console', timeoutMs },
);

// biome-ignore lint/suspicious/noExplicitAny: the values of the chart
function valuesOf(world: World): any {
  return JSON.parse(helm(world, ['get', 'values', releaseName, '--output', 'json']));
}

function upgrade(world: World, values: unknown): void {
  helm(world, ['upgrade', '--install', releaseName, chartFolder, ...waiting, '--values', '-'], values);
}

/** @returns installs it again, as it was; that is done at the end at the latest */
function uninstall(world: World): () => void {
  const values = valuesOf(world);
  let isInstalled = true;
  const install = (): void => {
    if (!isInstalled) upgrade(world, values);
    isInstalled = true;
  };
  world.undoAtEnd('the driver is uninstalled', install);
  isInstalled = false;
  helm(world, ['uninstall', releaseName, '--wait', '--timeout', '240s']);
  return install;
}

function helm(world: World, args: readonly string[], values?: unknown): string {
  const input = values === undefined ? '' : JSON.stringify(values);
  const all = [...args, '--namespace', driverNamespace];
  const { status, stdout, stderr } = runHelm(all, input, world.ground.kubeconfig);
  assert.equal(status, 0, `helm ${all.join(' ')}: ${stderr}`);
  return stdout;
}

async function uids(world: World) {
  const of = async (workload: typeof mounters): Promise<string[]> =>
    (await driverPods(world, workload)).map(({ metadata }) => metadata.uid).sort();
  return { mounters: await of(mounters), plugins: await of(nodePlugins) };
}

/** What is there whether or not the driver is. */
async function remains(world: World) {
  const uidsOf = async (kind: string): Promise<string[]> =>
    (await world.api.list('famfs.io/v1alpha1', kind))
      .map(({ metadata }) => `${metadata.name} ${metadata.uid}`)
      .sort();
  return {
    pools: await uidsOf('FamfsPool'),
    volumes: await uidsOf('FamfsVolume'),
    daemons: nodes.map((node) => [...famfsDaemons(world, node)].sort()),
  };
}

/** Objects that say they are of the release, in the kinds that a release has, those left out that it leaves on purpose. */
async function leftByRelease(world: World): Promise<string[]> {
  const kinds = [
    ['v1', 'ServiceAccount'],
    ['v1', 'ConfigMap'],
    ['v1', 'Service'],
    ['apps/v1', 'DaemonSet'],
    ['apps/v1', 'Deployment'],
    ['apps/v1', 'ReplicaSet'],
    ['policy/v1', 'PodDisruptionBudget'],
    ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
    ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
    ['rbac.authorization.k8s.io/v1', 'Role'],
    ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
    ['admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy'],
    ['admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicyBinding'],
    ['storage.k8s.io/v1', 'StorageClass'],
    ['storage.k8s.io/v1', 'CSIDriver'],
    ['networking.k8s.io/v1', 'NetworkPolicy'],
  ] as const;
  const label = `app.kubernetes.io/instance=${releaseName}`;
  const left: KubeObject[] = [];
  for (const [apiVersion, kind] of kinds)
    left.push(...(await world.api.list(apiVersion, kind, undefined, label)));
  return left.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
}

function csiDriver(world: World): Promise<KubeObject | undefined> {
  return world.api.get({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'csi.famfs.io' },
  });
}

/** Ready, and known to the scheduler on the nodes that see them. */
async function untilPoolsServe(world: World): Promise<void> {
  for (const { name, seenBy } of givenPools)
    await world.until(`pool ${name} serves`, async () => {
      const { status } = await world.read('famfs.io/v1alpha1', 'FamfsPool', name);
      const isReady = status.conditions.some(
        (condition: { readonly type: string; readonly status: string }) =>
          condition.type === 'Ready' && condition.status === 'True',
      );
      const registered = await Promise.all(
        seenBy.map(async (node) => {
          const { spec } = await world.read('storage.k8s.io/v1', 'CSINode', node);
          const driver = spec.drivers.find((each: { readonly name: string }) => each.name === 'csi.famfs.io');
          return driver?.topologyKeys.includes(`topology.famfs.io/pool-${status.fileSystemUUID}`) ?? false;
        }),
      );
      return isReady && registered.every(Boolean);
    });
}

// What `helm upgrade` and `helm uninstall` do to what runs, and what the latter leaves (the chart's README says it).
import assert from 'node:assert/strict';
import { chartVersion, newestRelease } from '../../tools/chart/released-charts.ts';
import { givenPools, releaseName } from '../driver-values.ts';
import { endClaim } from '../world/claimed-volume.ts';
import { isReady } from '../world/conditions.ts';
import {
  driverPods,
  famfsDaemons,
  mounters,
  nodePlugins,
  replacePod,
  rolledOut,
} from '../world/driver-pods.ts';
import {
  chartVersionOf,
  driverValuesOf,
  uninstallDriver,
  upgradeDriver,
  useRelease,
} from '../world/driver-release.ts';
import type { KubeObject } from '../world/kube-api.ts';
import { poolLabel } from '../world/own-pool.ts';
import { scenario } from '../world/scenario.ts';
import { filledClaim, noneNoticed, readersOnAllNodes } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const nodes = ['node-a', 'node-b'] as const;
const timeoutMs = 900_000;

scenario(
  'helm upgrade from the released chart before this one with volumes mounted: all pods but the mounters are replaced, then those node by node, and no read and no open fails',
  async (world) => {
    const values = driverValuesOf(world);
    const released = newestRelease();
    await useRelease(world, released);
    assert.equal(chartVersionOf(world), released.version);
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await readersOnAllNodes(world, claim);
    const before = await uids(world);
    upgradeDriver(world, values);
    await rolledOut(world, nodePlugins);
    assert.equal(chartVersionOf(world), chartVersion());
    const after = await uids(world);
    assert.deepEqual(after.mounters, before.mounters);
    assert.ok(after.plugins.every((uid) => !before.plugins.includes(uid)));
    await startPods('beside-former-mounters');
    await noneNoticed(readers);

    for (const node of nodes) await replacePod(world, mounters, node);
    await rolledOut(world, mounters);
    await startPods('at-last');
    await noneNoticed(readers);

    async function startPods(when: string): Promise<void> {
      const volumes = [{ claim, readOnly: true }];
      await Promise.all(nodes.map((node) => world.pod({ name: `${when}-${node}`, node, volumes })));
    }
  },
  { needs: 'console', timeoutMs },
);

scenario(
  'helm uninstall with volumes mounted leaves kinds, pools, records, mounts and daemons: pods read and open on, pods that end wait; installed again the driver goes on with all of it',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await readersOnAllNodes(world, claim);
    await world.pod({ name: 'ends', node: 'node-b', volumes: [{ claim, readOnly: true }] });
    const before = await remains(world);
    assert.ok(before.pools.length >= givenPools.length && before.volumes.length > 0);
    const reinstall = await uninstallDriver(world);
    assert.deepEqual(await remains(world), before);
    assert.equal(await csiDriver(world), undefined);
    await noneNoticed(readers);
    const ends = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ends', namespace: world.namespace } };
    await world.api.remove(ends);

    await reinstall();
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
    await noneNoticed(readers);
  },
  { needs: 'console', timeoutMs },
);

scenario(
  'helm uninstall without volumes leaves kinds, pools, mounts and daemons, nothing of the driver else, and installed again it makes volumes in the same pools',
  async (world) => {
    await filledClaim(world, 'both', 'node-a');
    await endClaim(world, 'data');
    const before = await remains(world);
    const reinstall = await uninstallDriver(world);
    const { pools, daemons } = await remains(world);
    assert.deepEqual({ pools, daemons }, { pools: before.pools, daemons: before.daemons });
    assert.deepEqual(await leftByRelease(world), []);
    await reinstall();
    await untilPoolsServe(world);
    const again = await remains(world);
    assert.deepEqual({ pools: again.pools, daemons: again.daemons }, { pools, daemons });
    await filledClaim(world, 'both', 'node-b', 'next');
  },
  { needs: 'console', timeoutMs },
);

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
      const pool = await world.read('famfs.io/v1alpha1', 'FamfsPool', name);
      const registered = await Promise.all(
        seenBy.map(async (node) => {
          const { spec } = await world.read('storage.k8s.io/v1', 'CSINode', node);
          const driver = spec.drivers.find((each: { readonly name: string }) => each.name === 'csi.famfs.io');
          return driver?.topologyKeys.includes(poolLabel(pool.status.fileSystemUUID)) ?? false;
        }),
      );
      return isReady(pool) && registered.every(Boolean);
    });
}

// Claims that wait for their pod, and what the scheduler knows of free memory.
import assert from 'node:assert/strict';
import { boundClaim, volumeOf } from '../world/claimed-volume.ts';
import type { KubeObject } from '../world/kube-api.ts';
import { scenario } from '../world/scenario.ts';
import { poolUuid } from '../world/static-volume.ts';
import { storageClass } from '../world/storage-class.ts';
import type { World } from '../world/world.ts';

for (const [node, pool] of [
  ['node-a', 'only-a'],
  ['node-b', 'only-b'],
] as const) {
  scenario(
    `a claim of a class with two pools waits for its pod, and becomes a volume in the pool that ${node} sees`,
    async (world) => {
      await world.claim('data', await storageClass(world, 'either', { pool: 'only-a,only-b' }), '2Mi');
      await world.event('PersistentVolumeClaim', 'data', /waiting for first consumer/);
      const waiting = await world.read('v1', 'PersistentVolumeClaim', 'data', world.namespace);
      assert.equal(waiting.status.phase, 'Pending');
      await world.pod({ name: 'user', node, volumes: [{ claim: 'data' }] });
      const volume = await volumeOf(world, 'data');
      const uuid = await poolUuid(world, pool);
      assert.equal(volume.spec.csi.volumeAttributes.pool, uuid);
      // The volume is bound to its memory, and to no host.
      const [term, ...others] = volume.spec.nodeAffinity.required.nodeSelectorTerms;
      assert.deepEqual(others, []);
      assert.deepEqual(structuredClone(term.matchExpressions), [
        { key: `topology.famfs.io/pool-${uuid}`, operator: 'In', values: ['true'] },
      ]);
    },
  );
}

scenario(
  'a claim above the longest free run stays pending although more is free in all, an event at its pod says why, and one that fits is made beside it',
  async (world) => {
    // On node-a 8 GiB in two pools, of which no file can have more than 4.
    const wide = await storageClass(world, 'wide', { pool: 'both,only-a' });
    const capacity = await knownCapacity(world, wide);
    const [longest, free] = [bytesOf(capacity.maximumVolumeSize), bytesOf(capacity.capacity)];
    const claimed = 5 * 2 ** 30;
    assert.ok(longest < claimed && claimed < free, `longest ${longest}, free ${free}`);
    await world.claim('large', wide, '5Gi');
    await world.startPod({ name: 'large', node: 'node-a', volumes: [{ claim: 'large' }] });
    await world.event('Pod', 'large', /did not have enough free storage/);
    await world.claim('small', wide, '2Mi');
    await world.pod({ name: 'small', node: 'node-a', volumes: [{ claim: 'small' }] });
    await boundClaim(world, 'small');
    const { status } = await world.read('v1', 'PersistentVolumeClaim', 'large', world.namespace);
    assert.equal(status.phase, 'Pending');
  },
);

scenario(
  'a claim above the longest free run that waits for no pod is told at the claim how much there is',
  async (world) => {
    const immediate = { volumeBindingMode: 'Immediate' };
    await world.claim('large', await storageClass(world, 'now', { pool: 'only-a' }, immediate), '5Gi');
    const message =
      /Pool only-a has no room for 1 × 5 GiB: \d+ [MG]iB are free, the longest run has \d+ [MG]iB/;
    await world.event('PersistentVolumeClaim', 'large', message);
    const volumes = await world.api.list('famfs.io/v1alpha1', 'FamfsVolume');
    assert.deepEqual(
      volumes.filter(({ spec }) => spec.claim?.namespace === world.namespace),
      [],
    );
  },
);

/** What the provisioner has told the scheduler of a class on node-a. */
async function knownCapacity(world: World, storageClassName: string): Promise<KubeObject> {
  const key = `topology.famfs.io/pool-${await poolUuid(world, 'only-a')}`;
  return world.until(`the capacity of class ${storageClassName} is known`, async () => {
    const known = await world.api.list(
      'storage.k8s.io/v1',
      'CSIStorageCapacity',
      world.ground.driverNamespace,
    );
    return known.find(
      (each) =>
        each.storageClassName === storageClassName && each.nodeTopology?.matchLabels?.[key] === 'true',
    );
  });
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

function bytesOf(quantity: string): number {
  const [, count = '', unit = ''] = /^(\d+)([KMG]i)?$/.exec(quantity) ?? [];
  assert.notEqual(count, '', quantity);
  return Number(count) * (unitBytes[unit] ?? Number.NaN);
}

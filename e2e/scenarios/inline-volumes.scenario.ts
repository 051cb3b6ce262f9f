// Volumes that a pod writes into its own spec, by which it could name any memory.
import assert from 'node:assert/strict';
import { scenario } from '../world/scenario.ts';
import { makeFile, poolUuid } from '../world/static-volume.ts';

scenario(
  'an inline volume that names a pool and a path is refused, which an event at the pod says, and nothing is mounted',
  async (world) => {
    await makeFile(world, 'both', world.namespace, 'secret', 2 ** 21);
    const volumeAttributes = { pool: await poolUuid(world, 'both'), path: world.namespace };
    const csi = { driver: 'csi.famfs.io', readOnly: true, volumeAttributes };
    await world.startPod({ name: 'thief', node: 'node-a', volumes: [{ claim: { csi } }] });
    await world.event('Pod', 'thief', /InvalidArgument.*inline volumes are not served/);
    const { metadata, status } = await world.read('v1', 'Pod', 'thief', world.namespace);
    assert.equal(status.phase, 'Pending');
    const mounts = world.console.on('node-a', 'cat', '/proc/self/mountinfo');
    assert.doesNotMatch(mounts, new RegExp(`pods/${metadata.uid}/volumes/kubernetes.io~csi`));
  },
  { needs: 'console' },
);

for (const [what, volumeAttributes] of [
  ['a dataset, while there are none', { dataset: 'models' }],
  ['nothing at all', {}],
] as const) {
  scenario(`an inline volume that names ${what}, is refused with the reason`, async (world) => {
    const csi = { driver: 'csi.famfs.io', volumeAttributes };
    await world.startPod({ name: 'user', volumes: [{ claim: { csi } }] });
    await world.event('Pod', 'user', /InvalidArgument.*claim a PersistentVolume/);
  });
}

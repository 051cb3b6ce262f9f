// What becomes of volumes whose claims are deleted.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { endClaim, volumeOf } from '../world/claimed-volume.ts';
import { conditionOf } from '../world/conditions.ts';
import { beginning, countOthers, fill, write } from '../world/file-content.ts';
import type { KubeObject } from '../world/kube-api.ts';
import { scenario } from '../world/scenario.ts';
import { staticVolume } from '../world/static-volume.ts';
import { storageClass } from '../world/storage-class.ts';
import type { World } from '../world/world.ts';

const apiVersion = 'famfs.io/v1alpha1';
const sizeBytes = 4 * 2 ** 20;
const scrubbedMs = 240_000;
const timeoutMs = 600_000;

scenario(
  'the memory of a deleted volume is scrubbed and goes to the next of its layout, which shows none of the old bytes on any node',
  async (world) => {
    const ownClass = await ownLayout(world);
    const first = await filledVolume(world, ownClass);
    await world.endPod('first');
    await endClaim(world, 'first');
    const slot = await reusableSlot(world, first);
    assert.equal(`v/${slot.spec.slot}`, first.spec.csi.volumeAttributes.path);
    await world.claim('second', ownClass, String(sizeBytes));
    const volumes = [{ claim: 'second' }];
    await Promise.all(
      ['node-a', 'node-b'].map((node) => world.pod({ name: `second-${node}`, node, volumes })),
    );
    const second = await volumeOf(world, 'second');
    assert.equal(second.spec.csi.volumeAttributes.path, first.spec.csi.volumeAttributes.path);
    assert.notEqual(second.spec.csi.volumeHandle, first.spec.csi.volumeHandle);
    for (const node of ['node-a', 'node-b']) {
      const pod = `second-${node}`;
      assert.equal(await world.inPod(pod, 'stat', '-c', '%s', '/data/data'), `${sizeBytes}\n`);
      assert.equal(await countOthers(world, pod, '/data/data'), 0);
    }
  },
  { timeoutMs },
);

scenario(
  'a volume whose claim is deleted while a pod uses it goes on, and is deleted when the pod has ended',
  async (world) => {
    await world.claim('data', 'both', '2Mi');
    await world.pod({ name: 'user', volumes: [{ claim: 'data' }] });
    const volume = await volumeOf(world, 'data');
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data', namespace: world.namespace },
    };
    await world.api.remove(claim);
    await write(world, 'user', '/data/data', 'still');
    assert.equal(await beginning(world, 'user', '/data/data', 5), 'still');
    const records = await world.api.list(apiVersion, 'FamfsVolume');
    assert.ok(records.some(({ spec }) => spec.volume?.id === volume.spec.csi.volumeHandle));
    await world.endPod('user');
    await world.until('the claim and its volume are gone', async () => {
      const left = [
        await world.api.get(claim),
        await world.api.get({
          apiVersion: 'v1',
          kind: 'PersistentVolume',
          metadata: { name: volume.metadata.name },
        }),
      ];
      return left.every((object) => object === undefined);
    });
    await world.until('the record is gone', async () => {
      const now = await world.api.list(apiVersion, 'FamfsVolume');
      return !now.some(({ spec }) => spec.volume?.id === volume.spec.csi.volumeHandle);
    });
  },
);

scenario(
  'the memory of a deleted volume that a static volume shows to a pod is not scrubbed, which its record says, before that pod has ended',
  async (world) => {
    const first = await filledVolume(world, await ownLayout(world));
    const { path } = first.spec.csi.volumeAttributes;
    const byHand = await staticVolume(world, { name: 'by-hand', pool: 'both', path });
    await world.pod({ name: 'holder', node: 'node-b', volumes: [{ claim: byHand }] });
    await world.endPod('first');
    await endClaim(world, 'first');
    await world.until(
      'the record says who has it',
      async () => {
        const ready = conditionOf((await leftoverOf(world, first)) ?? {}, 'Ready');
        return ready?.reason === 'VolumeInUse' && /node node-b has it mounted/.test(ready.message);
      },
      scrubbedMs,
    );
    assert.equal(await countOthers(world, 'holder', '/data/data', 'x'), 0);
    await world.endPod('holder');
    await reusableSlot(world, first);
  },
  { timeoutMs },
);

/** A class whose layout no other scenario has: none gets its slots. @returns its name */
async function ownLayout(world: World): Promise<string> {
  const own = (): string => String(randomInt(10_000, 2 ** 31));
  return storageClass(world, 'own', { pool: 'both', uid: own(), gid: own() });
}

/** A volume that a pod on the node that is not the master has filled. */
async function filledVolume(world: World, storageClassName: string): Promise<KubeObject> {
  await world.claim('first', storageClassName, String(sizeBytes));
  await world.pod({ name: 'first', node: 'node-b', volumes: [{ claim: 'first' }] });
  await fill(world, 'first', '/data/data', sizeBytes, 'x');
  assert.equal(await countOthers(world, 'first', '/data/data', 'x'), 0);
  return volumeOf(world, 'first');
}

/** What a deleted volume left, once the next can have it. Nodes have to report twice before. */
function reusableSlot(world: World, volume: KubeObject): Promise<KubeObject> {
  const see = async (): Promise<KubeObject | false> => {
    const record = await leftoverOf(world, volume);
    return record?.status?.phase === 'Reusable' && record;
  };
  return world.until('the slot can be used again', see, scrubbedMs);
}

/** The record of what a deleted volume left. */
async function leftoverOf(world: World, { spec }: KubeObject): Promise<KubeObject | undefined> {
  const records = await world.api.list(apiVersion, 'FamfsVolume');
  return records.find((record) => record.spec.leftover?.formerVolumeID === spec.csi.volumeHandle);
}

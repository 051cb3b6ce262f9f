// What an administrator's settings of a pool do: who may write in it, and what becomes of deleted volumes. All of these use the one
// spare device, so they stand in one file.
import assert from 'node:assert/strict';
import { boundClaim, endClaim, volumeOf } from '../world/claimed-volume.ts';
import { countOthers, fill } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';
import { changePool, sparePool } from '../world/spare-pool.ts';
import { storageClass } from '../world/storage-class.ts';

const apiVersion = 'famfs.io/v1alpha1';
const immediate = { volumeBindingMode: 'Immediate' };

scenario(
  'a pool that forbids writes makes no volume, says so at the claim, and makes it once it allows them',
  async (world) => {
    const pool = await sparePool(world, { writes: 'Forbidden' });
    await world.claim('now', await storageClass(world, 'now', { pool }, immediate), '2Mi');
    const message = await world.event('PersistentVolumeClaim', 'now', /forbids writes/);
    assert.match(message, /writes: Allowed/);
    await world.claim('late', await storageClass(world, 'late', { pool }), '2Mi');
    await world.startPod({ name: 'user', volumes: [{ claim: 'late' }] });
    await world.event('Pod', 'user', /did not have enough free storage/);
    await changePool(world, pool, { writes: 'AllowedUnsafe' });
    await boundClaim(world, 'now');
    await world.podReady('user');
    await world.endPod('user');
    for (const claim of ['now', 'late']) await endClaim(world, claim);
  },
);

scenario(
  'a FamfsPool that is deleted while a volume lives in it stays, and an event says for how long',
  async (world) => {
    const pool = await sparePool(world, { writes: 'AllowedUnsafe' });
    await world.claim('data', await storageClass(world, 'now', { pool }, immediate), '2Mi');
    await boundClaim(world, 'data');
    await world.api.remove({ apiVersion, kind: 'FamfsPool', metadata: { name: pool } });
    await world.event('FamfsPool', pool, /stays while volumes live in the pool/);
    await world.pod({ name: 'user', volumes: [{ claim: 'data' }] });
    await world.endPod('user');
    await endClaim(world, 'data');
    await world.until('the FamfsPool is gone', async () => {
      const object = { apiVersion, kind: 'FamfsPool', metadata: { name: pool } };
      return (await world.api.get(object)) === undefined;
    });
  },
);

scenario(
  'a pool that allows safe writers only refuses a claim with a writer, since no node here can hold one back, and serves one that reads',
  async (world) => {
    const pool = await sparePool(world, { writes: 'Allowed' });
    const now = await storageClass(world, 'now', { pool }, immediate);
    await world.claim('writer', now, '2Mi');
    const refusal =
      /A writer is asked for.*in such a way that a writer cannot stop the pool.*grant unsafe writers only/;
    await world.event('PersistentVolumeClaim', 'writer', refusal);
    await world.claim('reader', now, '2Mi', { accessModes: ['ReadOnlyMany'] });
    await world.pod({ name: 'reader', volumes: [{ claim: 'reader' }] });
    const { status, stderr } = await world.tryInPod('reader', 'sh', '-c', 'echo x > /data/data');
    assert.notEqual(status, 0);
    assert.match(stderr, /Read-only file system/);
    await world.endPod('reader');
    await endClaim(world, 'reader');
  },
);

scenario(
  'a pool that keeps what deleted volumes leave gives their memory to nobody, and says how much it is',
  async (world) => {
    const pool = await sparePool(world, { writes: 'AllowedUnsafe', deletedVolumes: 'Keep' });
    const kept = async (): Promise<string> =>
      (await world.read(apiVersion, 'FamfsPool', pool)).status.volumes.kept;
    const before = await kept();
    const ownClass = await storageClass(world, 'own', { pool });
    await world.claim('first', ownClass, '4Mi');
    await world.pod({ name: 'first', node: 'node-b', volumes: [{ claim: 'first' }] });
    await fill(world, 'first', '/data/data', 4 * 2 ** 20, 'x');
    const former = await volumeOf(world, 'first');
    await world.endPod('first');
    await endClaim(world, 'first');
    await world.until('the pool counts the memory as kept', async () => (await kept()) !== before);
    const slot = await world.until('the record of the slot is there', async () => {
      const records = await world.api.list(apiVersion, 'FamfsVolume');
      return records.find(({ spec }) => spec.leftover?.formerVolumeID === former.spec.csi.volumeHandle);
    });
    assert.equal(slot.status?.phase ?? 'Kept', 'Kept');
    await world.claim('second', ownClass, '4Mi');
    await world.pod({ name: 'second', node: 'node-b', volumes: [{ claim: 'second' }] });
    assert.notEqual(
      (await volumeOf(world, 'second')).spec.csi.volumeAttributes.path,
      former.spec.csi.volumeAttributes.path,
    );
    assert.equal(await countOthers(world, 'second', '/data/data'), 0);
    await world.endPod('second');
    await endClaim(world, 'second');
  },
);

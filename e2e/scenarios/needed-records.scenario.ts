// What becomes of the driver's own objects when somebody deletes them that they are needed by.
import assert from 'node:assert/strict';
import { endClaim, volumeOf } from '../world/claimed-volume.ts';
import { kubectl } from '../world/kubectl.ts';
import { scenario } from '../world/scenario.ts';

scenario(
  'the record of a volume that lives is deleted: it stays until its claim goes, an event says so, and the volume serves on',
  async (world) => {
    await world.claim('data', 'both', '2Mi');
    await world.pod({ name: 'user', volumes: [{ claim: 'data' }] });
    const { metadata } = await volumeOf(world, 'data');
    const record = await world.until('the volume has a record', async () => {
      const records = await world.api.list('famfs.io/v1alpha1', 'FamfsVolume');
      return records.find(({ spec }) => spec.volume?.name === metadata.name);
    });
    const { name } = record.metadata;
    const { status, stderr } = kubectl(world, 'delete', 'famfsvolume', name, '--wait=false');
    assert.equal(status, 0, stderr);
    await world.event('FamfsVolume', name, /stays as long as its volume/);
    await world.event('PersistentVolumeClaim', 'data', /stays as long as its volume/);
    assert.equal(await world.inPod('user', 'sh', '-c', 'head -c 7 /data/data | wc -c'), '7\n');
    await world.endPod('user');
    await endClaim(world, 'data');
    await world.until('the record is of no living volume', async () => {
      const left = await world.api.get(record);
      return left === undefined || left.spec.volume === undefined;
    });
  },
);

// A pool is made anew on request (docs/admin-guide.md, "Empty a pool for good: the reset"). Formats a spare device of its own, and
// leaves it as empty as it was.
import assert from 'node:assert/strict';
import { endClaim, volumeOf } from '../world/claimed-volume.ts';
import { conditionOf } from '../world/conditions.ts';
import { countOthers, fill } from '../world/file-content.ts';
import { ownPool, poolLabel, recordsOf, resetRefusal, servingPool } from '../world/own-pool.ts';
import { scenario } from '../world/scenario.ts';
import { storageClass } from '../world/storage-class.ts';

const apiVersion = 'famfs.io/v1alpha1';
const sizeBytes = 2 ** 21;

scenario(
  'a pool is reset by its annotation: not while a volume lives in it, which it says by name; then it is another file system, everywhere, and shows none of the old bytes',
  async (world) => {
    const { name, uuid: former } = await ownPool(world, 'dax3.0');
    const ownClass = await storageClass(world, 'own', { pool: name });
    await world.claim('first', ownClass, String(sizeBytes));
    await world.pod({ name: 'first', node: 'node-b', volumes: [{ claim: 'first' }] });
    await fill(world, 'first', '/data/data', sizeBytes, 'x');
    const volume = await volumeOf(world, 'first');

    const annotations = { 'famfs.io/reset': former };
    await world.api.merge({ apiVersion, kind: 'FamfsPool', metadata: { name, annotations } });
    assert.match(await resetRefusal(world, name), new RegExp(volume.metadata.name));
    assert.equal(await countOthers(world, 'first', '/data/data', 'x'), 0);
    await world.endPod('first');
    await endClaim(world, 'first');

    const now = await servingPool(world, name, former);
    await world.until('the pool says that it was reset', async () => {
      return conditionOf(await world.read(apiVersion, 'FamfsPool', name), 'Reset')?.status === 'True';
    });
    await world.until('no node is labelled with the former one', async () => {
      const nodes = await world.api.list('v1', 'Node');
      return nodes.every(({ metadata }) => metadata.labels[poolLabel(former)] === undefined);
    });
    await world.until('nothing is recorded of the former one', async () => {
      return (await recordsOf(world, former)).length === 0;
    });
    await world.claim('second', ownClass, String(sizeBytes));
    await world.pod({ name: 'second', node: 'node-b', volumes: [{ claim: 'second' }] });
    const { volumeAttributes } = (await volumeOf(world, 'second')).spec.csi;
    assert.equal(volumeAttributes.pool, now);
    assert.equal(await countOthers(world, 'second', '/data/data'), 0);
  },
  { needs: 'console', timeoutMs: 900_000 },
);

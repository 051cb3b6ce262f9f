// Files that are in a pool already, offered by PersistentVolumes that an administrator writes.
import assert from 'node:assert/strict';
import { scenario } from '../world/scenario.ts';
import { makeFile, staticVolume } from '../world/static-volume.ts';

const sizeBytes = 4 * 2 ** 20;

scenario(
  'pods on both nodes map the same bytes of a static volume, and a store on one node is seen in the mapping on the other',
  async (world) => {
    await makeFile(world, 'both', world.namespace, 'weights', sizeBytes);
    const writable = {
      pool: 'both',
      path: world.namespace,
      accessMode: 'ReadWriteMany',
      readOnly: false,
    } as const;
    const claim = await staticVolume(world, { name: 'weights', ...writable });
    const volumes = [{ claim }];
    await Promise.all([
      world.pod({ name: 'writer', node: 'node-a', image: 'mapping', volumes }),
      world.pod({ name: 'reader', node: 'node-b', image: 'mapping', volumes: [{ claim, readOnly: true }] }),
    ]);
    await using writer = await world.mapped('writer', '/data/weights', 'rw');
    await using reader = await world.mapped('reader', '/data/weights');
    assert.equal(writer.sizeBytes, sizeBytes);
    assert.equal(reader.sizeBytes, sizeBytes);
    for (const [offset, byte] of [
      [0, 17],
      [sizeBytes - 1, 42],
      [2 ** 21, 255],
    ] as const) {
      assert.equal(await reader.load(offset), 0);
      await writer.store(offset, byte);
      assert.equal(await reader.load(offset), byte);
    }
    assert.equal(await reader.digest(), await writer.digest());
    const refused = await world.tryInPod('reader', 'sh', '-c', 'echo x > /data/weights');
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /Read-only file system/);
  },
  { needs: 'console' },
);

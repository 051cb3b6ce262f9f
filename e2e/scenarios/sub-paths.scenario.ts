// Pods that take one file or directory of a volume.
import assert from 'node:assert/strict';
import { beginning, write } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';
import { makeFile, staticVolume } from '../world/static-volume.ts';
import { storageClass } from '../world/storage-class.ts';

for (const node of ['node-a', 'node-b'] as const) {
  scenario(
    `pods on ${node} take single files of a volume by subPath and subPathExpr, and write through them`,
    async (world) => {
      const shards = await storageClass(world, 'shards', { pool: 'both', layout: 'files', fileCount: '3' });
      await world.claim('data', shards, '6Mi');
      const file = { claim: 'data', at: '/shard', subPath: 'data-0001' };
      await world.pod({ name: 'writer', node, volumes: [file] });
      await write(world, 'writer', '/shard', 'shard-1');
      const fromEnvironment = { claim: 'data', at: '/shard', readOnly: true, subPathExpr: 'data-$(SHARD)' };
      const env = { SHARD: '0001' };
      await Promise.all([
        world.pod({ name: 'reader', node, env, volumes: [fromEnvironment] }),
        world.pod({ name: 'whole', node, volumes: [{ claim: 'data', readOnly: true }] }),
      ]);
      assert.equal(await beginning(world, 'reader', '/shard', 7), 'shard-1');
      assert.equal(await beginning(world, 'whole', '/data/data-0001', 7), 'shard-1');
      assert.equal(await world.inPod('whole', 'ls', '/data'), 'data-0000\ndata-0001\ndata-0002\n');
      const { status, stderr } = await world.tryInPod('reader', 'sh', '-c', 'echo x > /shard');
      assert.notEqual(status, 0);
      assert.match(stderr, /Read-only file system/);
    },
  );
}

scenario(
  'a directory of a static volume is taken by subPath',
  async (world) => {
    const { namespace } = world;
    await makeFile(world, 'both', namespace, 'above', 2 ** 21);
    await makeFile(world, 'both', `${namespace}/inner`, 'below', 2 ** 21);
    const claim = await staticVolume(world, { name: 'tree', pool: 'both', path: namespace });
    const volumes = [{ claim, readOnly: true, subPath: 'inner' }];
    await world.pod({ name: 'reader', node: 'node-b', volumes });
    assert.equal(await world.inPod('reader', 'ls', '/data'), 'below\n');
  },
  { needs: 'console' },
);

for (const [what, volume, env] of [
  ['subPath', { subPath: 'missing' }, {}],
  ['subPathExpr', { subPathExpr: 'missing/$(SHARD)' }, { SHARD: '7' }],
] as const) {
  scenario(
    `a ${what} that the volume does not have is refused, which an event at the pod says`,
    async (world) => {
      await world.claim('data', 'both', '2Mi');
      await world.startPod({ name: 'reader', env, volumes: [{ claim: 'data', ...volume }] });
      await world.event('Pod', 'reader', /failed to create subPath directory for volumeMount "v0"/);
      const { status } = await world.read('v1', 'Pod', 'reader', world.namespace);
      assert.equal(status.phase, 'Pending');
      // The pod has made nothing, and another one finds the volume as it was.
      await world.endPod('reader');
      await world.pod({ name: 'whole', volumes: [{ claim: 'data' }] });
      assert.equal(await world.inPod('whole', 'ls', '/data'), 'data\n');
    },
  );
}

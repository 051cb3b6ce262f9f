// How many may have a volume at once.
import assert from 'node:assert/strict';
import { beginning, countOthers, write } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';

scenario(
  'a ReadWriteOncePod volume is one pod’s: another waits, is told so, and gets the volume when the first has ended',
  async (world) => {
    await world.claim('data', 'both', '2Mi', { accessModes: ['ReadWriteOncePod'] });
    const volumes = [{ claim: 'data' }];
    await world.pod({ name: 'first', node: 'node-a', volumes });
    await write(world, 'first', '/data/data', 'mine');
    await world.startPod({ name: 'second', volumes });
    await world.event('Pod', 'second', /ReadWriteOncePod/);
    // Who goes past the scheduler is stopped on the node.
    await world.startPod({ name: 'third', volumes, spec: { nodeName: 'node-a' } });
    await world.event('Pod', 'third', /ReadWriteOncePod|one target on this node/);
    for (const name of ['second', 'third']) {
      const { status } = await world.read('v1', 'Pod', name, world.namespace);
      assert.notEqual(status.phase, 'Running');
    }
    assert.equal(await beginning(world, 'first', '/data/data', 4), 'mine');
    await world.endPod('third');
    await world.endPod('first');
    await world.podReady('second');
    assert.equal(await beginning(world, 'second', '/data/data', 4), 'mine');
  },
);

scenario('two pods of one node write a ReadWriteOnce volume', async (world) => {
  await world.claim('data', 'both', '2Mi', { accessModes: ['ReadWriteOnce'] });
  const volumes = [{ claim: 'data' }];
  const node = 'node-b';
  await Promise.all(['one', 'other'].map((name) => world.pod({ name, node, volumes })));
  await write(world, 'one', '/data/data', '1');
  await world.inPod('other', 'sh', '-c', 'printf 2 | dd of=/data/data bs=1 seek=1 conv=notrunc');
  for (const pod of ['one', 'other']) assert.equal(await beginning(world, pod, '/data/data', 2), '12');
});

scenario(
  'a claim that only reads gets a volume that is read-only for every pod, whatever the pod says',
  async (world) => {
    await world.claim('data', 'both', '2Mi', { accessModes: ['ReadOnlyMany'] });
    await world.pod({ name: 'reader', volumes: [{ claim: 'data' }] });
    const { status, stderr } = await world.tryInPod('reader', 'sh', '-c', 'echo x > /data/data');
    assert.notEqual(status, 0);
    assert.match(stderr, /Read-only file system/);
    assert.equal(await countOthers(world, 'reader', '/data/data'), 0);
  },
);

scenario('pods change bytes, never names or sizes: what famfs cannot do is refused', async (world) => {
  await world.claim('data', 'both', '2Mi');
  await world.pod({ name: 'writer', volumes: [{ claim: 'data' }] });
  for (const command of [
    'touch /data/new',
    'mkdir /data/new',
    'rm /data/data',
    'mv /data/data /data/other',
    'ln /data/data /data/other',
  ]) {
    const { status, stderr } = await world.tryInPod('writer', 'sh', '-c', command);
    assert.notEqual(status, 0, command);
    assert.match(
      stderr,
      /Read-only file system|Resource busy|Device or resource busy|Invalid cross-device link|Operation not permitted/,
      command,
    );
  }
  assert.equal(await world.inPod('writer', 'ls', '/data'), 'data\n');
});

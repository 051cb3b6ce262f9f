// Who may write what an administrator offers by hand. What pools allow is in pool-settings.scenario.ts.
import assert from 'node:assert/strict';
import { beginning, write } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';
import { makeFile, type StaticVolume, staticVolume } from '../world/static-volume.ts';
import type { World } from '../world/world.ts';

const node = 'node-b';

async function volumeFor(world: World, volume: Partial<StaticVolume>): Promise<string> {
  await makeFile(world, 'both', world.namespace, 'weights', 2 ** 21);
  return staticVolume(world, {
    ...{ name: 'weights', pool: 'both', path: world.namespace },
    ...{ readOnly: false, accessMode: 'ReadWriteMany' },
    ...volume,
  });
}

scenario(
  'a static volume that says it may be written is written by pods on a node that allows it',
  async (world) => {
    const claim = await volumeFor(world, { attributes: { access: 'rw' } });
    await world.pod({ name: 'writer', node, volumes: [{ claim }] });
    await write(world, 'writer', '/data/weights', 'mine');
    await world.pod({ name: 'reader', node: 'node-a', volumes: [{ claim, readOnly: true }] });
    assert.equal(await beginning(world, 'reader', '/data/weights', 4), 'mine');
  },
  { needs: 'console' },
);

scenario(
  'a static volume that is not meant to be written is refused to a pod that writes, with what to do, and given to one that reads',
  async (world) => {
    const claim = await volumeFor(world, { attributes: { access: 'ro' } });
    await world.startPod({ name: 'writer', node, volumes: [{ claim }] });
    await world.event('Pod', 'writer', /FailedPrecondition.*this one is read-only.*readOnly: true/);
    await world.endPod('writer');
    await world.pod({ name: 'reader', node, volumes: [{ claim, readOnly: true }] });
    const { status, stderr } = await world.tryInPod('reader', 'sh', '-c', 'echo x > /data/weights');
    assert.notEqual(status, 0);
    assert.match(stderr, /Read-only file system/);
  },
  { needs: 'console' },
);

scenario(
  'a static volume that may only be written where no writer can stop its pool is refused on a node where one can',
  async (world) => {
    const claim = await volumeFor(world, { attributes: { access: 'rw-safe' } });
    await world.startPod({ name: 'writer', node, volumes: [{ claim }] });
    await world.event('Pod', 'writer', /only where a writer cannot stop pool/);
    const { status } = await world.read('v1', 'Pod', 'writer', world.namespace);
    assert.equal(status.phase, 'Pending');
  },
  { needs: 'console' },
);

scenario(
  'a static volume whose path is not in the pool is refused, and its pod starts once the path is there',
  async (world) => {
    const volume = { name: 'weights', pool: 'both', path: world.namespace };
    const claim = await staticVolume(world, volume);
    await world.startPod({ name: 'reader', node, volumes: [{ claim, readOnly: true }] });
    await world.event('Pod', 'reader', new RegExp(`NotFound.*${world.namespace}`));
    await makeFile(world, 'both', world.namespace, 'weights', 2 ** 21);
    await world.podReady('reader', 240_000);
    // The pod may have come between the two commands: a directory shows what is made in it as its node replays the log.
    await world.until('the pod sees the file', async () => {
      return (await world.inPod('reader', 'ls', '/data')) === 'weights\n';
    });
  },
  { needs: 'console', timeoutMs: 400_000 },
);

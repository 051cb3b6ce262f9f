// Several PersistentVolumes that name the same files.
import assert from 'node:assert/strict';
import { beginning, write } from '../world/file-content.ts';
import { scenario } from '../world/scenario.ts';
import { makeFile, staticVolume } from '../world/static-volume.ts';

const node = 'node-a';
const content = 'the same for all';
/** The first to begin is not the first to end, nor the last. */
const order = ['second', 'fourth', 'first', 'third'];

scenario(
  'several volumes over the same files are used on one node and ended in any order: those that are left go on',
  async (world) => {
    await makeFile(world, 'both', world.namespace, 'weights', 2 ** 21);
    const writable = { readOnly: false, accessMode: 'ReadWriteMany', attributes: { access: 'rw' } } as const;
    const place = { pool: 'both', path: world.namespace };
    await staticVolume(world, { name: 'by-writer', ...place, ...writable });
    for (const name of [...order, 'fifth']) await staticVolume(world, { name, ...place });
    await world.pod({ name: 'by-writer', node, volumes: [{ claim: 'by-writer' }] });
    await write(world, 'by-writer', '/data/weights', content);
    // One that has two of them at once.
    const two = [
      { claim: 'first', at: '/one', readOnly: true },
      { claim: 'fifth', at: '/other', readOnly: true },
    ];
    const one = (claim: string) => [{ claim, readOnly: true }];
    await Promise.all([
      ...order.map((name) => world.pod({ name, node, volumes: one(name) })),
      world.pod({ name: 'both-at-once', node, volumes: two }),
    ]);
    await world.endPod('by-writer');
    for (const [index, name] of order.entries()) {
      await world.endPod(name);
      for (const left of order.slice(index + 1))
        assert.equal(await beginning(world, left, '/data/weights', content.length), content);
      assert.equal(await beginning(world, 'both-at-once', '/one/weights', content.length), content);
      assert.equal(await beginning(world, 'both-at-once', '/other/weights', content.length), content);
    }
    await world.endPod('both-at-once');
    await world.until('nothing of the volumes is mounted on the node any more', () => {
      return !world.console.on(node, 'cat', '/proc/self/mountinfo').includes(world.namespace);
    });
  },
  { needs: 'console' },
);

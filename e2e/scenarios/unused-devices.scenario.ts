// What a node says of memory that carries no pool.
import assert from 'node:assert/strict';
import { deviceSays } from '../world/node-report.ts';
import { scenario } from '../world/scenario.ts';
import { simulatedNode } from '../world/static-volume.ts';

const node = 'node-b';
const device = 'dax5.0';

scenario(
  'a node says of memory that carries no file system that it carries none, and of memory that serves as ordinary memory that famfs cannot use it, until it is given back',
  async (world) => {
    assert.match(await deviceSays(world, node, device, 'superblock-refused'), /superblock|file system/);
    const driver = `${simulatedNode(node)}/sys/devices/simulated/${device}/driver`;
    const bind = (name: string): string =>
      world.console.on(node, 'ln', '-sfn', `../../../bus/dax/drivers/${name}`, driver);
    world.undoAtEnd(`${device} is bound to kmem`, () => void bind('fsdev_dax'));
    bind('kmem');
    assert.match(await deviceSays(world, node, device, 'device-unsuitable'), /kmem/);
    bind('fsdev_dax');
    assert.match(await deviceSays(world, node, device, 'superblock-refused'), /superblock|file system/);
  },
  { needs: 'console' },
);

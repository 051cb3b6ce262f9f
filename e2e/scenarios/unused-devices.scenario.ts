// What a node says of memory that carries no pool.
import { reportOf } from '../world/node-report.ts';
import { scenario } from '../world/scenario.ts';
import { simulatedNode } from '../world/static-volume.ts';
import type { World } from '../world/world.ts';

const node = 'node-b';
const device = 'dax5.0';

scenario(
  'a node says of memory that carries no file system that it carries none, and of memory that serves as ordinary memory that famfs cannot use it, until it is given back',
  async (world) => {
    await nodeSays(world, 'superblock-refused', /superblock|file system/);
    const driver = `${simulatedNode(node)}/sys/devices/simulated/${device}/driver`;
    const bind = (name: string): string =>
      world.console.on(node, 'ln', '-sfn', `../../../bus/dax/drivers/${name}`, driver);
    world.undoAtEnd(`${device} is bound to kmem`, () => void bind('fsdev_dax'));
    bind('kmem');
    await nodeSays(world, 'device-unsuitable', /kmem/);
    bind('fsdev_dax');
    await nodeSays(world, 'superblock-refused', /superblock|file system/);
  },
  { needs: 'console' },
);

async function nodeSays(world: World, reason: string, message: RegExp): Promise<void> {
  await world.until(`${node} says ${reason} of ${device}`, async () => {
    const { devices } = await reportOf(world, node);
    const { problem } = devices.find(({ name }: { readonly name: string }) => name === device) ?? {};
    return problem?.reason === reason && message.test(problem.message);
  });
}

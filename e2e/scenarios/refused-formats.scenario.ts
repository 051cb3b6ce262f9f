// What a FamfsPool says that asks for a file system where none can be made.
import assert from 'node:assert/strict';
import { poolSays } from '../world/pool-conditions.ts';
import { scenario } from '../world/scenario.ts';
import type { World } from '../world/world.ts';

const [apiVersion, kind] = ['famfs.io/v1alpha1', 'FamfsPool'];

scenario(
  'a pool that is to be formatted on dax0.0 is not: DeviceNotEmpty, it says, and its event tells an administrator what to look at',
  (world) => isRefused(world, 'dax0.0', 'DeviceNotEmpty', /carries/),
);

scenario(
  'a pool that is to be formatted on dax9.9 is not: DeviceNotFound, it says, and its event tells an administrator what to look at',
  (world) => isRefused(world, 'dax9.9', 'DeviceNotFound', /dax0\.0/),
);

async function isRefused(world: World, device: string, reason: string, says: RegExp): Promise<void> {
  const name = world.namespace;
  const format = { nodeName: 'node-a', device, logSize: '8Mi' };
  const spec = { format, writes: 'Forbidden', deletedVolumes: 'Keep' };
  await world.apply({ apiVersion, kind, metadata: { name }, spec });
  const { message } = await poolSays(world, name, ['Formatted', 'False', reason]);
  assert.match(message, says);
  await world.event(kind, name, says);
}

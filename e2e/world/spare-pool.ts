// A pool of a scenario's own, for what the given ones do not allow. It lies on a device that is kept for this; a file system that an
// earlier scenario left there is adopted. One at a time, so the scenarios that use it are in one file. Must not know them.
import type { Fields } from './kube-api.ts';
import { servingPool } from './own-pool.ts';
import type { World } from './world.ts';

export const sparePoolDevice = 'dax6.0';
const master = 'node-a';
const apiVersion = 'famfs.io/v1alpha1';

export interface SparePoolSettings {
  readonly writes: 'Forbidden' | 'Allowed' | 'AllowedUnsafe';
  readonly deletedVolumes?: 'Keep' | 'Reuse';
}

/** Declares the pool and waits until all nodes have it. It is declared no more when the scenario has ended. @returns its name */
export async function sparePool(world: World, settings: SparePoolSettings): Promise<string> {
  const { writes, deletedVolumes = 'Keep' } = settings;
  const name = world.namespace;
  const { status } = await world.read(apiVersion, 'FamfsNode', master);
  const device = status.devices.find((each: Fields) => each.name === sparePoolDevice);
  const { fileSystemUUID } = device ?? {};
  const format = { nodeName: master, device: sparePoolDevice, logSize: '8Mi' };
  const place = fileSystemUUID === undefined ? { format } : { fileSystemUUID };
  const spec = { ...place, writes, deletedVolumes };
  await world.apply({ apiVersion, kind: 'FamfsPool', metadata: { name }, spec });
  await servingPool(world, name);
  return name;
}

/** Changes what a pool allows, as an administrator does. */
export async function changePool(world: World, name: string, spec: Fields): Promise<void> {
  await world.api.merge({ apiVersion, kind: 'FamfsPool', metadata: { name }, spec });
}

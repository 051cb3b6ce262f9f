// What the agent of a node reports of it: its FamfsNode. Must not know any scenario.
import type { Fields } from './kube-api.ts';
import type { World } from './world.ts';

/** The status of a node's FamfsNode, as it is now. */
export async function reportOf(world: World, node: string): Promise<Fields> {
  const { status } = await world.read('famfs.io/v1alpha1', 'FamfsNode', node);
  return status;
}

/** Waits until the node says this of a device. @returns the message */
export function deviceSays(world: World, node: string, device: string, reason: string): Promise<string> {
  return world.until(`${node} says ${reason} of ${device}`, async () => {
    const { devices } = await reportOf(world, node);
    const { problem } = devices.find(({ name }: { readonly name: string }) => name === device) ?? {};
    return problem?.reason === reason && problem.message;
  });
}

/** The ids of the volumes that the node last reported as published. */
export async function publishedOn(world: World, node: string): Promise<readonly string[]> {
  return (await reportOf(world, node)).publishedVolumeIDs;
}

/** What the node last reported of a pool; undefined when that is nothing. */
export async function poolOnNode(world: World, node: string, uuid: string): Promise<Fields> {
  const { pools } = await reportOf(world, node);
  return pools.find((pool: { readonly uuid: string }) => pool.uuid === uuid);
}

/** Waits until a report that is made from now on says that a pool serves. @returns the pool in it, and what is published */
export function reportedAnew(
  world: World,
  node: string,
  uuid: string,
): Promise<{ readonly pool: Fields; readonly published: readonly string[] }> {
  const since = Date.now();
  return world.until(`${node} reports pool ${uuid} as ready`, async () => {
    const { reportedAt, pools, publishedVolumeIDs: published } = await reportOf(world, node);
    const pool = pools.find((each: { readonly uuid: string }) => each.uuid === uuid);
    return Date.parse(reportedAt) > since && pool?.phase === 'Ready' && { pool, published };
  });
}

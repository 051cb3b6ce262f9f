// A pool that a scenario has formatted on a spare device, and that is gone when it has ended: its memory carries nothing then, as
// after a power cycle. Must not know any scenario.
import { endClaim } from './claimed-volume.ts';
import { conditionOf, isReady } from './conditions.ts';
import type { Fields, KubeObject } from './kube-api.ts';
import { reportOf } from './node-report.ts';
import type { World } from './world.ts';

const apiVersion = 'famfs.io/v1alpha1';
const patienceMs = 240_000;

export interface OwnPool {
  readonly name: string;
  readonly uuid: string;
}

/** Has node-a make a file system on a spare device, and waits until all nodes serve it. */
export async function ownPool(world: World, device: string): Promise<OwnPool> {
  const name = world.namespace;
  const format = { nodeName: 'node-a', device, logSize: '8Mi' };
  const spec = { format, writes: 'AllowedUnsafe', deletedVolumes: 'Keep' };
  world.undoAtEnd(`${device} carries a file system`, () => wipe(world, device));
  await world.apply({ apiVersion, kind: 'FamfsPool', metadata: { name }, spec });
  return { name, uuid: await servingPool(world, name) };
}

/** Waits until a pool is ready and the scheduler knows it on all nodes. @returns the UUID of its file system */
export function servingPool(world: World, name: string, former?: string): Promise<string> {
  const see = async (): Promise<string | false> => {
    const pool = await world.read(apiVersion, 'FamfsPool', name);
    const uuid: string | undefined = pool.status?.fileSystemUUID;
    if (uuid === undefined || uuid === former || !isReady(pool)) return false;
    const nodes = await world.api.list('v1', 'Node');
    return nodes.every(({ metadata }) => metadata.labels[poolLabel(uuid)] === 'true') && uuid;
  };
  return world.until(`pool ${name} serves`, see, patienceMs);
}

export function poolLabel(uuid: string): string {
  return `topology.famfs.io/pool-${uuid}`;
}

/** The records of volumes, and of what deleted ones have left, in a file system. */
export async function recordsOf(world: World, uuid: string): Promise<KubeObject[]> {
  const records = await world.api.list(apiVersion, 'FamfsVolume');
  return records.filter(({ spec }) => spec.poolUUID === uuid);
}

/** Why the reset of a pool that was asked for is not done now, once that is said. */
export function resetRefusal(world: World, name: string): Promise<string> {
  return world.until('the reset is refused', async () => {
    const pool = await world.read(apiVersion, 'FamfsPool', name);
    return pool.status.reset?.phase === 'Refused' && conditionOf(pool, 'Reset')?.message;
  });
}

/** The folder of a device's simulated memory, on all nodes. */
export function memoryOf(device: string): string {
  return `/dev/shm/famfs-csi-sim/${device}`;
}

/** Takes the superblock out of the simulated memory. */
export function eraseSuperblock(world: World, device: string): void {
  const file = `of=${memoryOf(device)}/superblock`;
  world.console.on('node-a', 'dd', 'if=/dev/zero', file, 'bs=1M', 'count=2', 'conv=notrunc');
}

/** Ends what uses the pool, takes the superblock out of the simulated memory, and waits until all nodes have seen that. */
async function wipe(world: World, device: string): Promise<void> {
  const { namespace } = world;
  for (const pod of await world.api.list('v1', 'Pod', namespace)) await world.removed(pod);
  for (const claim of await world.api.list('v1', 'PersistentVolumeClaim', namespace)) {
    // Of one that was made by hand the volume stays, as administrators want it.
    if (claim.spec.storageClassName === '') await world.removed(claim);
    else if (claim.status?.phase === 'Bound') await endClaim(world, claim.metadata.name);
  }
  const { status } = await world.read(apiVersion, 'FamfsPool', namespace);
  for (const record of await recordsOf(world, status?.fileSystemUUID)) await world.removed(record);
  eraseSuperblock(world, device);
  await world.until(
    `no node sees a file system on ${device}`,
    async () => {
      const nodes = await world.api.list('v1', 'Node');
      const reports = await Promise.all(nodes.map(({ metadata }) => reportOf(world, metadata.name)));
      return reports.every(({ devices }) =>
        devices.every((each: Fields) => each.name !== device || each.fileSystemUUID === undefined),
      );
    },
    patienceMs,
  );
}

// A pool is made anew on request (docs/admin-guide.md, "Empty a pool for good: the reset"). Formats a spare device of its own, and
// leaves it as empty as it was.
import assert from 'node:assert/strict';
import { endClaim, volumeOf } from '../world/claimed-volume.ts';
import { famfsDaemons } from '../world/driver-pods.ts';
import { countOthers, fill } from '../world/file-content.ts';
import type { Fields } from '../world/kube-api.ts';
import { scenario } from '../world/scenario.ts';
import { storageClass } from '../world/storage-class.ts';
import type { World } from '../world/world.ts';

const apiVersion = 'famfs.io/v1alpha1';
const device = 'dax3.0';
const master = 'node-a';
const sizeBytes = 2 ** 21;

scenario(
  'a pool is reset by its annotation: not while a volume lives in it, which it says by name; then it is another file system, everywhere, and shows none of the old bytes',
  async (world) => {
    const name = world.namespace;
    world.undoAtEnd('the device carries a file system', () => wipe(world));
    const format = { nodeName: master, device, logSize: '8Mi' };
    const spec = { format, writes: 'AllowedUnsafe', deletedVolumes: 'Keep' };
    await world.apply({ apiVersion, kind: 'FamfsPool', metadata: { name }, spec });
    const former = await servingPool(world, name);
    const ownClass = await storageClass(world, 'own', { pool: name });
    await world.claim('first', ownClass, String(sizeBytes));
    await world.pod({ name: 'first', node: 'node-b', volumes: [{ claim: 'first' }] });
    await fill(world, 'first', '/data/data', sizeBytes, 'x');
    const volume = await volumeOf(world, 'first');
    const { path } = volume.spec.csi.volumeAttributes;

    const annotations = { 'famfs.io/reset': former };
    await world.api.merge({ apiVersion, kind: 'FamfsPool', metadata: { name, annotations } });
    const refusal = await world.until('the reset is refused', async () => {
      const { status } = await world.read(apiVersion, 'FamfsPool', name);
      return (
        status.reset?.phase === 'Refused' && (status.reset.message ?? conditionOf(status, 'Reset')?.message)
      );
    });
    assert.match(refusal, new RegExp(volume.metadata.name));
    assert.equal(await countOthers(world, 'first', '/data/data', 'x'), 0);
    await world.endPod('first');
    await endClaim(world, 'first');

    await world.until(
      'the pool is another file system',
      async () => {
        const { status } = await world.read(apiVersion, 'FamfsPool', name);
        return status.fileSystemUUID !== former && conditionOf(status, 'Reset')?.status === 'True';
      },
      240_000,
    );
    const now = await servingPool(world, name);
    assert.notEqual(now, former);
    await world.until('no node is labelled with the former one', async () => {
      const nodes = await world.api.list('v1', 'Node');
      return nodes.every(({ metadata }) => metadata.labels[`topology.famfs.io/pool-${former}`] === undefined);
    });
    assert.deepEqual(await recordsOf(world, former), []);
    await world.claim('second', ownClass, String(sizeBytes));
    await world.pod({ name: 'second', node: 'node-b', volumes: [{ claim: 'second' }] });
    const second = (await volumeOf(world, 'second')).spec.csi.volumeAttributes;
    assert.equal(second.pool, now);
    assert.notEqual(second.path, path);
    assert.equal(await countOthers(world, 'second', '/data/data'), 0);
    await world.endPod('second');
    await endClaim(world, 'second');
    for (const record of await recordsOf(world, now)) await world.removed(record);
  },
  { needs: 'console', timeoutMs: 900_000 },
);

/** Waits until a pool is ready and known on all nodes. @returns its UUID */
async function servingPool(world: World, name: string): Promise<string> {
  return world.until(
    `pool ${name} serves`,
    async () => {
      const { status } = await world.read(apiVersion, 'FamfsPool', name);
      const key = `topology.famfs.io/pool-${status.fileSystemUUID}`;
      const nodes = await world.api.list('v1', 'Node');
      const isKnown = nodes.every(({ metadata }) => metadata.labels[key] === 'true');
      return conditionOf(status, 'Ready')?.status === 'True' && isKnown && (status.fileSystemUUID as string);
    },
    240_000,
  );
}

function conditionOf(status: Fields, type: string): Fields {
  return status.conditions?.find((condition: { readonly type: string }) => condition.type === type);
}

async function recordsOf(world: World, uuid: string) {
  const records = await world.api.list(apiVersion, 'FamfsVolume');
  return records.filter(({ spec }) => spec.poolUUID === uuid);
}

/** Takes the superblock out of the simulated memory, and ends its daemons, as a power cycle would; waits until all nodes have seen that. */
async function wipe(world: World): Promise<void> {
  const superblock = `/dev/shm/famfs-csi-sim/${device}/superblock`;
  world.console.on(master, 'dd', 'if=/dev/zero', `of=${superblock}`, 'bs=1M', 'count=2', 'conv=notrunc');
  const reports = await world.api.list(apiVersion, 'FamfsNode');
  for (const { metadata, status } of reports) {
    const uuid = status.devices.find((each: Fields) => each.name === device)?.fileSystemUUID;
    const daemon = famfsDaemons(world, metadata.name).get(uuid);
    if (daemon !== undefined) world.console.on(metadata.name, 'kill', '-KILL', String(daemon));
  }
  await world.until('no node sees a file system on the device', async () => {
    const nodes = await world.api.list(apiVersion, 'FamfsNode');
    return nodes.every(({ status }) =>
      status.devices.every((each: Fields) => each.name !== device || each.fileSystemUUID === undefined),
    );
  });
}

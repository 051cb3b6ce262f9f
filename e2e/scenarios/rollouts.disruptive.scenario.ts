// What pods notice when the driver's own pods are replaced under them.
import assert from 'node:assert/strict';
import { volumeOf } from '../world/claimed-volume.ts';
import {
  controllers,
  famfsDaemons,
  mounters,
  nodePlugins,
  replacePod,
  rollOut,
} from '../world/driver-pods.ts';
import { withMounterValues } from '../world/driver-release.ts';
import { poolOnNode, reportedAnew, reportOf } from '../world/node-report.ts';
import { ownPool } from '../world/own-pool.ts';
import { scenario } from '../world/scenario.ts';
import { poolUuid } from '../world/static-volume.ts';
import { storageClass } from '../world/storage-class.ts';
import { filledClaim, noneNoticed, readersOnAllNodes } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const nodes = ['node-a', 'node-b'] as const;
const timeoutMs = 600_000;

scenario(
  'node plugin, agent and controller are rolled while pods read and open files on both nodes, of which none ever fails; pods that start meanwhile do start',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await readersOnAllNodes(world, claim);
    await Promise.all([rollOut(world, nodePlugins), startPods('during')]);
    await rollOut(world, controllers);
    await startPods('after');
    await noneNoticed(readers);

    async function startPods(when: string): Promise<void> {
      await Promise.all(
        nodes.map((node) =>
          world.pod({ name: `${when}-${node}`, node, volumes: [{ claim, readOnly: true }] }, 240_000),
        ),
      );
      for (const node of nodes)
        assert.equal(await world.inPod(`${when}-${node}`, 'head', '-c', '3', '/data/data'), 'xxx');
    }
  },
  { timeoutMs },
);

scenario(
  'the mounter of each node is replaced while pods read and open files there: no daemon ends, no read and no open fails, and pods end and start as before',
  async (world) => {
    const uuid = await poolUuid(world, 'both');
    const claim = await filledClaim(world, 'both', 'node-a');
    for (const node of nodes) assert.notEqual(famfsDaemons(world, node).get(uuid), undefined);
    await replaceMounters(world, claim, uuid, 'fuse');
  },
  { needs: 'console', timeoutMs },
);

scenario(
  'mounters that are told to use standalone mode mount a new pool so, and are replaced while pods read and open files of it: it stays mounted, no read and no open fails, and pools mounted before stay as they are',
  async (world) => {
    const given = await poolUuid(world, 'both');
    const before = nodes.map((node) => famfsDaemons(world, node));
    await withMounterValues(world, { mode: 'standalone' });
    const { name, uuid } = await ownPool(world, 'dax4.0');
    const claim = await filledClaim(world, await storageClass(world, 'own', { pool: name }), 'node-a');
    await replaceMounters(world, claim, uuid, 'standalone');
    for (const node of nodes) assert.equal((await poolOnNode(world, node, given)).mode, 'fuse');
    assert.deepEqual(
      nodes.map((node) => famfsDaemons(world, node)),
      before,
      'the daemons are those of before, and the new pool has none',
    );
  },
  { needs: 'console', timeoutMs: 900_000 },
);

/** Replaces the mounter of one node after the other while pods of both read a volume. */
async function replaceMounters(world: World, claim: string, uuid: string, mode: string): Promise<void> {
  const readers = await readersOnAllNodes(world, claim);
  const id = (await volumeOf(world, claim)).spec.csi.volumeHandle;
  for (const node of nodes) {
    const { launcher } = await reportOf(world, node);
    assert.equal(
      launcher,
      'cgroup',
      'what serves a mount is in a cgroup of its own, and outlives the mounter',
    );
    await world.pod({ name: `old-${node}`, node, volumes: [{ claim, readOnly: true }] });
    // Those of the pool, of the reader and of the pod; kubelet ends those of the pod that filled the volume after the pod is gone.
    await world.until(
      'what is mounted is known',
      async () => mountsOf(world, node, uuid).mounts.length === 3,
    );
    const before = mountsOf(world, node, uuid);
    await replacePod(world, mounters, node);
    assert.deepEqual(mountsOf(world, node, uuid), before);
    const { pool, published } = await reportedAnew(world, node, uuid);
    assert.deepEqual([pool.mode, pool.binds, published.includes(id)], [mode, 2, true]);
    await world.endPod(`old-${node}`);
    await world.pod({ name: `new-${node}`, node, volumes: [{ claim, readOnly: true }] });
    assert.equal(await world.inPod(`new-${node}`, 'head', '-c', '3', '/data/data'), 'xxx');
  }
  await noneNoticed(readers);
}

/** The node's mount of the pool and its binds, by their ids, with the type that tells the mode; and the daemons. */
function mountsOf(world: World, node: string, uuid: string) {
  const table = world.console.on(node, 'cat', '/proc/self/mountinfo').split('\n');
  const own = table.find((line) => line.includes(` /run/famfs/pools/${uuid} `))?.split(' ');
  assert.ok(own !== undefined, `pool ${uuid} is mounted on ${node}`);
  const [, , number] = own;
  const mounts = table.filter((line) => line.split(' ')[2] === number).sort();
  return { mounts, daemons: famfsDaemons(world, node) };
}

// What pods notice when the driver's own pods are replaced under them.
import assert from 'node:assert/strict';
import {
  controllers,
  famfsDaemons,
  mounters,
  nodePlugins,
  replacePod,
  rollOut,
} from '../world/driver-pods.ts';
import { scenario } from '../world/scenario.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';

const nodes = ['node-a', 'node-b'] as const;
const timeoutMs = 600_000;

scenario(
  'node plugin, agent and controller are rolled while pods read and open files on both nodes, of which none ever fails; pods that start meanwhile do start',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await Promise.all(
      nodes.map((node) => TirelessReader.start(world, `reader-${node}`, node, claim)),
    );
    await Promise.all([rollOut(world, nodePlugins), startPods('during')]);
    await rollOut(world, controllers);
    await startPods('after');
    for (const reader of readers) await reader.neverNoticed();

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
    const claim = await filledClaim(world, 'both', 'node-a');
    const readers = await Promise.all(
      nodes.map((node) => TirelessReader.start(world, `reader-${node}`, node, claim)),
    );
    for (const node of nodes) {
      const { status } = await world.read('famfs.io/v1alpha1', 'FamfsNode', node);
      assert.equal(status.launcher, 'cgroup', 'a daemon in a cgroup of its own outlives the mounter');
      await world.pod({ name: `old-${node}`, node, volumes: [{ claim, readOnly: true }] });
      const daemons = famfsDaemons(world, node);
      assert.notEqual(daemons.size, 0);
      await replacePod(world, mounters, node);
      assert.deepEqual(famfsDaemons(world, node), daemons);
      await world.endPod(`old-${node}`);
      await world.pod({ name: `new-${node}`, node, volumes: [{ claim, readOnly: true }] });
    }
    for (const reader of readers) await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs },
);

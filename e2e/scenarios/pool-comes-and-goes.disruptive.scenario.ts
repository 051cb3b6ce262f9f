// What the cluster makes of a pool whose memory disappears from a node, and comes back.
import assert from 'node:assert/strict';
import { famfsDaemons } from '../world/driver-pods.ts';
import { poolOnNode } from '../world/node-report.ts';
import { poolLabel } from '../world/own-pool.ts';
import { scenario } from '../world/scenario.ts';
import { poolUuid, simulatedNode } from '../world/static-volume.ts';
import { filledClaim } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const node = 'node-b';
const device = 'dax0.0';

scenario(
  'a pool disappears from a node: the node’s registration, its label and the scheduler follow, and again when the pool comes back',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const volumes = [{ claim, readOnly: true }];
    const uuid = await poolUuid(world, 'both');
    const key = poolLabel(uuid);
    await world.until(`${node} is known to see the pool`, () => isKnown(world, key));
    plug(world, 'unplug');
    let isPlugged = false;
    const plugAgain = (): void => {
      if (!isPlugged) plug(world, 'plug');
      isPlugged = true;
    };
    world.undoAtEnd('the device is gone', plugAgain);
    // A mount that serves is left alone, whatever sysfs says.
    const daemon = famfsDaemons(world, node).get(uuid) ?? assert.fail('the pool has no daemon');
    world.console.on(node, 'kill', '-KILL', String(daemon));
    await world.until('the node reports the pool no more', async () => {
      return ((await poolOnNode(world, node, uuid))?.phase ?? 'Lost') === 'Lost';
    });
    // The node serves its other pools. That it has something of one to report is the second report that says what it lost, too.
    await world.claim('other', 'only-b', '2Mi');
    await world.pod({ name: 'of-other-pool', node, volumes: [{ claim: 'other' }] });
    await world.until(
      `${node} is known not to see the pool`,
      async () => (await isKnown(world, key)) === false,
    );

    await world.startPod({ name: 'waits', node, volumes });
    await world.event(
      'Pod',
      'waits',
      /didn't match PersistentVolume's node affinity|volume node affinity conflict/,
    );
    await world.pod({ name: 'goes-elsewhere', volumes });
    const { spec } = await world.read('v1', 'Pod', 'goes-elsewhere', world.namespace);
    assert.equal(spec.nodeName, 'node-a');

    plugAgain();
    await world.until(`${node} is known to see the pool again`, () => isKnown(world, key));
    await world.podReady('waits');
    assert.equal(await world.inPod('waits', 'head', '-c', '3', '/data/data'), 'xxx');
  },
  { needs: 'console', timeoutMs: 600_000 },
);

/** Whether both kubelet's registration and the node's label say that it sees the pool; undefined while they disagree. */
async function isKnown(world: World, key: string): Promise<boolean | undefined> {
  const { spec } = await world.read('storage.k8s.io/v1', 'CSINode', node);
  const { metadata } = await world.read('v1', 'Node', node);
  const driver = spec.drivers.find(({ name }: { readonly name: string }) => name === 'csi.famfs.io');
  const registered = driver?.topologyKeys.includes(key) ?? false;
  const labelled = metadata.labels[key] === 'true';
  return registered === labelled ? registered : undefined;
}

function plug(world: World, verb: 'plug' | 'unplug'): void {
  world.console.on(node, `${simulatedNode(node)}/bin/simulator`, verb, device);
}

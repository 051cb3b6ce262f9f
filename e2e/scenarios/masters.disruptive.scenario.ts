// Pools without a master, and with more than one: nothing is made in them then, and what is in them serves on.
import assert from 'node:assert/strict';
import { boundClaim, endClaim } from '../world/claimed-volume.ts';
import { mounters, replacePod } from '../world/driver-pods.ts';
import { poolSays } from '../world/pool-conditions.ts';
import { scenario } from '../world/scenario.ts';
import { simulatedNode } from '../world/static-volume.ts';
import { storageClass } from '../world/storage-class.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const [master, node] = ['node-a', 'node-b'] as const;
const pool = 'both';

scenario(
  'the master of a pool is away: the pool and a claim say so, its volumes are read and published elsewhere, and the claim is served when the master is back',
  async (world) => {
    const volumes = [{ claim: await filledClaim(world, pool, master), readOnly: true }];
    const reader = await TirelessReader.start(world, 'reader', node, 'data');
    await world.console.stop(`${master}.kubelet`);
    world.undoAtEnd('kubelet is stopped', () => world.console.start(`${master}.kubelet`));
    const { message } = await poolSays(world, pool, ['Ready', 'False', 'MasterAway']);
    assert.match(message, new RegExp(`Node ${master}, the master of pool ${pool}`));
    await claimWaits(world, /the master of pool both.*Only it can create files/);
    await world.pod({ name: 'newcomer', node, volumes });
    await reader.neverNoticed();

    world.console.start(`${master}.kubelet`);
    await claimIsServed(world);
  },
  { needs: 'console', timeoutMs: 900_000 },
);

scenario(
  'two nodes have one famfs identity: the pool that both are master of and a claim say so, its volumes are read and published, and the claim is served when one has another',
  async (world) => {
    const volumes = [{ claim: await filledClaim(world, pool, master), readOnly: true }];
    const reader = await TirelessReader.start(world, 'reader', node, 'data');
    const identity = identityOf(world, node);
    const beItself = world.undoAtEnd(`${node} has the identity of ${master}`, () => becomes(world, identity));
    await becomes(world, identityOf(world, master));
    const { message } = await poolSays(world, pool, ['SingleMaster', 'False', 'TwoMasters']);
    assert.match(message, new RegExp(`${master} and ${node}`));
    await claimWaits(world, /each say that they are the master/);
    // Whose memory the node formatted under its own name has no master meanwhile.
    await poolSays(world, 'only-b', ['Ready', 'False', 'MasterAway']);
    await world.pod({ name: 'newcomer', node, volumes });
    await reader.neverNoticed();

    await beItself();
    await claimIsServed(world);
    await poolSays(world, pool, ['SingleMaster', 'True']);
    await poolSays(world, 'only-b', ['Ready', 'True']);
    await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs: 900_000 },
);

/** Makes a claim for a volume of the pool, and waits until it says why there is none. */
async function claimWaits(world: World, says: RegExp): Promise<void> {
  const immediate = { volumeBindingMode: 'Immediate' };
  await world.claim('late', await storageClass(world, 'now', { pool }, immediate), '2Mi');
  await world.event('PersistentVolumeClaim', 'late', says);
}

async function claimIsServed(world: World): Promise<void> {
  await boundClaim(world, 'late', 240_000);
  await endClaim(world, 'late');
}

function identityOf(world: World, name: string): string {
  return world.console.on(name, 'cat', `${simulatedNode(name)}/opt/famfs/system_uuid`);
}

/** Gives the node another famfs identity, and a new mounter that believes in it. */
async function becomes(world: World, identity: string): Promise<void> {
  const file = `${simulatedNode(node)}/opt/famfs/system_uuid`;
  world.console.on(node, 'sh', '-c', `printf %s ${identity} > ${file}.new && mv ${file}.new ${file}`);
  await replacePod(world, mounters, node);
}

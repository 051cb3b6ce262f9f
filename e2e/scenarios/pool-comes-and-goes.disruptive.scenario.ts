// What the cluster makes of a pool whose memory disappears from a node, and comes back.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { famfsDaemons } from '../world/driver-pods.ts';
import { poolOnNode, reportOf } from '../world/node-report.ts';
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
    const plugAgain = unplugged(world, { device, uuid });
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

    await plugAgain();
    await world.until(`${node} is known to see the pool again`, () => isKnown(world, key));
    await world.podReady('waits');
    assert.equal(await world.inPod('waits', 'head', '-c', '3', '/data/data'), 'xxx');
  },
  { needs: 'console', timeoutMs: 600_000 },
);

scenario(
  'a node sees two pools, one of them, none, and the other one: pods with volumes of either go where they are seen, and wait where they are not',
  async (world) => {
    const [both, own] = [await poolUuid(world, 'both'), await poolUuid(world, 'only-b')];
    const claims = ['both', 'only-b'];
    for (const name of claims) {
      await world.claim(name, name, '2Mi');
      await world.pod({ name: `first-${name}`, node, volumes: [{ claim: name }] });
      await world.endPod(`first-${name}`);
    }
    // File systems that other scenarios have left on spare memory are pools, too.
    for (const { name, fileSystemUUID: uuid } of (await reportOf(world, node)).devices)
      if (uuid !== undefined && uuid !== both && uuid !== own) unplugged(world, { device: name, uuid });
    await sees(world, [both, own]);

    const plugOwn = unplugged(world, { device: 'dax2.0', uuid: own });
    await sees(world, [both]);
    await placed(world, 'with-one', { runs: ['both'], waits: ['only-b'] });

    const plugBoth = unplugged(world, { device, uuid: both });
    await sees(world, []);
    await placed(world, 'with-none', { runs: [], waits: claims });
    const { spec } = await world.pod({ name: 'anywhere', volumes: [{ claim: 'both' }] });
    assert.equal(spec.nodeName, 'node-a');
    await world.pod({ name: 'without-a-volume', node });

    await plugOwn();
    await sees(world, [own]);
    await placed(world, 'with-the-other', { runs: ['only-b'], waits: ['both'] });
    await plugBoth();
    await sees(world, [both, own]);
    for (const stage of ['with-none', 'with-the-other']) await world.podReady(`${stage}-both`);
  },
  { needs: 'console', timeoutMs: 600_000 },
);

/** Starts pods on the node, one for each claim, and sees that they run or wait as they should. */
async function placed(
  world: World,
  stage: string,
  { runs, waits }: { readonly runs: readonly string[]; readonly waits: readonly string[] },
): Promise<void> {
  for (const claim of waits) {
    await world.startPod({ name: `${stage}-${claim}`, node, volumes: [{ claim }] });
    await world.event(
      'Pod',
      `${stage}-${claim}`,
      /didn't match PersistentVolume's node affinity|volume node affinity conflict/,
    );
  }
  for (const claim of runs) {
    const name = `${stage}-${claim}`;
    await world.pod({ name, node, volumes: [{ claim }] });
    // It would keep its pool from going.
    await world.endPod(name);
  }
}

/** Waits until the node is known to see these pools and no other. */
async function sees(world: World, uuids: readonly string[]): Promise<void> {
  const wanted = uuids.map(poolLabel).sort();
  await world.until(`${node} is known to see ${uuids.length} pools`, async () =>
    isDeepStrictEqual(await seenPools(world), wanted),
  );
}

/** Whether the node is known to see the pool; undefined while that is being made known. */
async function isKnown(world: World, key: string): Promise<boolean | undefined> {
  return (await seenPools(world))?.includes(key);
}

/** The labels of the pools that the node sees, as kubelet registered them and as the node has them; undefined while the two differ. */
async function seenPools(world: World): Promise<readonly string[] | undefined> {
  const { spec } = await world.read('storage.k8s.io/v1', 'CSINode', node);
  const { metadata } = await world.read('v1', 'Node', node);
  const ofPools = (keys: readonly string[]): string[] =>
    keys.filter((key) => key.startsWith(poolLabel(''))).sort();
  const driver = spec.drivers.find(({ name }: { readonly name: string }) => name === 'csi.famfs.io');
  const registered = ofPools(driver?.topologyKeys ?? []);
  return isDeepStrictEqual(registered, ofPools(Object.keys(metadata.labels))) ? registered : undefined;
}

/** Memory as a node has it. */
interface Memory {
  readonly device: string;
  readonly uuid: string;
}

/**
 * Takes memory from the node, and what is mounted of it.
 * @returns gives it back; that is done at the end of the scenario at the latest
 */
function unplugged(world: World, { device: name, uuid }: Memory): () => Promise<void> {
  const simulator = (verb: 'plug' | 'unplug'): string =>
    world.console.on(node, `${simulatedNode(node)}/bin/simulator`, verb, name);
  simulator('unplug');
  const plugAgain = world.undoAtEnd(`${name} is gone`, () => void simulator('plug'));
  // A mount that serves is left alone, whatever sysfs says.
  const daemon = famfsDaemons(world, node).get(uuid) ?? assert.fail(`the pool on ${name} has no daemon`);
  world.console.on(node, 'kill', '-KILL', String(daemon));
  return plugAgain;
}

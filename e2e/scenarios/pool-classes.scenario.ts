// Nodes that see different pools, and classes for each: pods go where their memory is.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { scenario } from '../world/scenario.ts';
import { storageClass } from '../world/storage-class.ts';

scenario(
  'pods go to nodes that see the pools of all their claims: the first, the second, either, or none at all',
  async (world) => {
    for (const name of ['only-a', 'only-b', 'both']) await world.claim(name, name, '2Mi');
    const volumesOf = (claims: readonly string[]) => claims.map((claim) => ({ claim, at: `/${claim}` }));
    const placements = [
      { name: 'on-a', claims: ['only-a'], nodes: ['node-a'] },
      { name: 'on-b', claims: ['only-b'], nodes: ['node-b'] },
      { name: 'anywhere', claims: ['both'], nodes: ['node-a', 'node-b'] },
      { name: 'on-a-with-both', claims: ['only-a', 'both'], nodes: ['node-a'] },
      { name: 'on-b-with-both', claims: ['only-b', 'both'], nodes: ['node-b'] },
    ];
    for (const { name, claims, nodes } of placements) {
      const { spec } = await world.pod({ name, volumes: volumesOf(claims) });
      assert.ok(nodes.includes(spec.nodeName), `${name} runs on ${spec.nodeName}`);
    }
    await world.startPod({ name: 'nowhere', volumes: volumesOf(['only-a', 'only-b']) });
    const noNode =
      /0\/2 nodes are available.*(didn't match PersistentVolume's node affinity|volume node affinity conflict)/;
    await world.event('Pod', 'nowhere', noNode);
    await world.startPod({ name: 'on-the-wrong-node', node: 'node-b', volumes: volumesOf(['only-a']) });
    await world.event('Pod', 'on-the-wrong-node', noNode);
  },
);

scenario(
  'a claim whose pod may only run where its pool is not seen stays pending, and an event at the pod says so',
  async (world) => {
    await world.claim('data', 'only-a', '2Mi');
    await world.startPod({ name: 'user', node: 'node-b', volumes: [{ claim: 'data' }] });
    await world.event('Pod', 'user', /did not have enough free storage/);
    const { status } = await world.read('v1', 'PersistentVolumeClaim', 'data', world.namespace);
    assert.equal(status.phase, 'Pending');
  },
);

scenario(
  'a claim of a pool that no node sees stays pending; the pool, the claim and its pod say why',
  async (world) => {
    const [apiVersion, kind, name] = ['famfs.io/v1alpha1', 'FamfsPool', world.namespace];
    const spec = { fileSystemUUID: randomUUID(), writes: 'AllowedUnsafe', deletedVolumes: 'Keep' };
    await world.apply({ apiVersion, kind, metadata: { name }, spec });
    await world.until('the pool says that nobody sees it', async () => {
      const { status } = await world.read(apiVersion, kind, name);
      return status?.conditions?.some(
        (condition: { readonly type: string; readonly reason: string }) =>
          condition.type === 'Lost' && condition.reason === 'NotSeen',
      );
    });
    await world.claim('late', await storageClass(world, 'late', { pool: name }), '2Mi');
    await world.startPod({ name: 'user', volumes: [{ claim: 'late' }] });
    await world.event('Pod', 'user', /did not have enough free storage/);
    const immediate = { volumeBindingMode: 'Immediate' };
    await world.claim('now', await storageClass(world, 'now', { pool: name }, immediate), '2Mi');
    await world.event('PersistentVolumeClaim', 'now', new RegExp(`No node (sees|reports).*${name}`));
  },
);

scenario('a class that misspells a parameter is refused at the claim, with what was meant', async (world) => {
  const immediate = { volumeBindingMode: 'Immediate' };
  const misspelt = await storageClass(world, 'misspelt', { pol: 'both' }, immediate);
  await world.claim('data', misspelt, '2Mi');
  await world.event(
    'PersistentVolumeClaim',
    'data',
    /the parameter "pol" is unknown.*[Dd]id you mean "?pool/,
  );
});

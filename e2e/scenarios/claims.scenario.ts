// Volumes that claims ask for.
import assert from 'node:assert/strict';
import { scenario } from '../world/scenario.ts';

for (const node of ['node-a', 'node-b'] as const) {
  scenario(
    `a claim becomes a volume that a pod on ${node} writes, and a pod on the other node reads`,
    async (world) => {
      const other = node === 'node-a' ? 'node-b' : 'node-a';
      await world.claim('data', 'both', '3Mi');
      await world.pod({ name: 'writer', node, volumes: [{ claim: 'data' }] });
      await world.inPod('writer', 'sh', '-c', 'echo from the writer | dd of=/data/data conv=notrunc');
      await world.pod({ name: 'reader', node: other, volumes: [{ claim: 'data', readOnly: true }] });
      assert.equal(await world.inPod('reader', 'head', '-n', '1', '/data/data'), 'from the writer\n');
      // Rounded up to whole allocation units.
      const { status } = await world.read('v1', 'PersistentVolumeClaim', 'data', world.namespace);
      assert.equal(status.capacity.storage, '4Mi');
      assert.equal(await world.inPod('reader', 'stat', '-c', '%s', '/data/data'), `${4 * 2 ** 20}\n`);
    },
  );
}

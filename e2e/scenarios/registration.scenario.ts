// What a cluster knows of the driver once it is installed.
import assert from 'node:assert/strict';
import { givenPools } from '../driver-values.ts';
import { scenario } from '../world/scenario.ts';

scenario(
  'the driver is registered with the kubelet of every node, with the pools that the node sees as topology',
  async (world) => {
    const nodes = await world.api.list('v1', 'Node');
    for (const { metadata } of nodes) {
      const seen: string[] = [];
      for (const { name, seenBy } of givenPools) {
        const pool = await world.read('famfs.io/v1alpha1', 'FamfsPool', name);
        if (seenBy.includes(metadata.name)) seen.push(`topology.famfs.io/pool-${pool.status.fileSystemUUID}`);
      }
      await world.until(`${metadata.name} is registered with ${seen.join(', ')}`, async () => {
        const { spec } = await world.read('storage.k8s.io/v1', 'CSINode', metadata.name);
        const driver = spec.drivers.find(({ name }: { readonly name: string }) => name === 'csi.famfs.io');
        assert.equal(driver?.nodeID, metadata.name);
        const { labels } = (await world.read('v1', 'Node', metadata.name)).metadata;
        return seen.every((key) => driver.topologyKeys.includes(key) && labels[key] === 'true');
      });
    }
  },
);

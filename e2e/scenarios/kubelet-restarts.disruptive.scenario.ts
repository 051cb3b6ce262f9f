// What pods and the driver notice when a node's kubelet ends.
import assert from 'node:assert/strict';
import { driverPod, nodePlugins } from '../world/driver-pods.ts';
import { scenario } from '../world/scenario.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';

const node = 'node-b';

scenario(
  'kubelet is ended and comes back: pods read on, the plugin registers without being restarted, and what was asked for meanwhile happens',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const volumes = [{ claim, readOnly: true }];
    const reader = await TirelessReader.start(world, 'reader', node, claim);
    await world.pod({ name: 'old', node, volumes });
    const plugin = await pluginOf();
    await world.console.stop(`${node}.kubelet`);
    world.undoAtEnd('kubelet is stopped', () => world.console.start(`${node}.kubelet`));
    const old = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'old', namespace: world.namespace } };
    await world.api.remove(old);
    await world.startPod({ name: 'new', volumes, spec: { nodeName: node } });
    await reader.readsOn();
    world.console.start(`${node}.kubelet`);
    await world.podReady('new');
    assert.equal(await world.inPod('new', 'head', '-c', '3', '/data/data'), 'xxx');
    await world.until('the pod is gone that was deleted meanwhile', async () => {
      return (await world.api.get(old)) === undefined;
    });
    const { spec } = await world.read('storage.k8s.io/v1', 'CSINode', node);
    assert.ok(spec.drivers.some(({ name }: { readonly name: string }) => name === 'csi.famfs.io'));
    assert.deepEqual(await pluginOf(), plugin);
    await reader.neverNoticed();

    async function pluginOf(): Promise<unknown> {
      const { metadata, status } = await driverPod(world, nodePlugins, node);
      return [
        metadata.uid,
        status.containerStatuses.map((container: { restartCount: number }) => container.restartCount),
      ];
    }
  },
  { needs: 'console', timeoutMs: 600_000 },
);

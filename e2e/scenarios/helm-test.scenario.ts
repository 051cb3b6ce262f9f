// What an administrator sees of `helm test` after an installation.
import assert from 'node:assert/strict';
import { testDriver } from '../world/driver-release.ts';
import { scenario } from '../world/scenario.ts';

scenario(
  '`helm test` finds the driver registered on all nodes, makes a claim, maps it in a pod, and leaves nothing',
  async (world) => {
    const { driverNamespace } = world.ground;
    const claims = async () => world.api.list('v1', 'PersistentVolumeClaim', driverNamespace);
    const printed = testDriver(world);
    for (const name of ['registration', 'claim'])
      assert.match(printed, new RegExp(`TEST SUITE: +famfs-csi-test-${name}\n(.+\n)*Phase: +Succeeded`));
    await world.until('its claim is gone', async () => (await claims()).length === 0);
    await world.until('its pods are gone', async () => {
      const pods = await world.api.list('v1', 'Pod', driverNamespace);
      return pods.every(({ metadata }) => !metadata.name.includes('-test-'));
    });
  },
);

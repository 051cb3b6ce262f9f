// Pods that leave a node in a hurry, and what becomes of their volumes.
import assert from 'node:assert/strict';
import { volumeOf } from '../world/claimed-volume.ts';
import { isReady } from '../world/conditions.ts';
import { driverPod, mounters, nodePlugins } from '../world/driver-pods.ts';
import { kubectl } from '../world/kubectl.ts';
import { publishedOn } from '../world/node-report.ts';
import { podSpec } from '../world/pod-shapes.ts';
import { scenario } from '../world/scenario.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const node = 'node-b';

scenario(
  'a node is drained: pods with volumes go to the other node and read there, the node has nothing published any more, and the driver stays on it',
  async (world) => {
    const claim = await filledClaim(world, 'both', node);
    const volumes = [{ claim, readOnly: true }];
    const reader = await TirelessReader.start(world, 'reader', 'node-a', claim);
    const labels = { app: 'drained' };
    const affinity = { nodeAffinity: preferring(node) };
    const template = { metadata: { labels }, spec: podSpec({ volumes, spec: { affinity } }, world.images) };
    const drained = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'drained', namespace: world.namespace },
      spec: { replicas: 2, selector: { matchLabels: labels }, template },
    };
    await world.api.create(drained);
    world.undoAtEnd('the Deployment is there', () => world.removed(drained));
    await world.until('both pods run on the node', async () => (await ready(node)).length === 2);
    const id = (await volumeOf(world, claim)).spec.csi.volumeHandle;
    await world.until('the node reports the volume', async () =>
      (await publishedOn(world, node)).includes(id),
    );
    const before = await driverUids(world);

    world.undoAtEnd('the node is drained', () => void kubectl(world, 'uncordon', node));
    const drain = [
      'drain',
      node,
      '--ignore-daemonsets',
      '--delete-emptydir-data',
      '--force',
      '--timeout=50s',
    ];
    await world.until('the node is drained', () => kubectl(world, ...drain).status === 0, 240_000);
    await world.until('both pods run on the other node', async () => (await ready('node-a')).length === 2);
    for (const pod of await ready('node-a'))
      assert.equal(await world.inPod(pod.metadata.name, 'head', '-c', '3', '/data/data'), 'xxx');
    await world.until(
      'the node has it published no more',
      async () => !(await publishedOn(world, node)).includes(id),
    );
    assert.deepEqual(await driverUids(world), before);
    await reader.neverNoticed();

    async function ready(on: string) {
      const pods = await world.api.list('v1', 'Pod', world.namespace, 'app=drained');
      return pods.filter(
        (pod) => pod.spec.nodeName === on && pod.metadata.deletionTimestamp === undefined && isReady(pod),
      );
    }
  },
  { needs: 'console', timeoutMs: 600_000 },
);

scenario(
  'a pod is deleted by force while its kubelet is away: its volume is not deleted, nor its memory given to anyone, before the node has let go of it',
  async (world) => {
    await filledClaim(world, 'both', 'node-a');
    await world.pod({ name: 'forced', node, volumes: [{ claim: 'data', readOnly: true }] });
    const volume = await volumeOf(world, 'data');
    const id = volume.spec.csi.volumeHandle;
    await world.until('the node reports the volume', async () =>
      (await publishedOn(world, node)).includes(id),
    );
    await world.console.stop(`${node}.kubelet`);
    world.undoAtEnd('kubelet is stopped', () => world.console.start(`${node}.kubelet`));
    const { status, stderr } = kubectl(
      world,
      ...['delete', 'pod', 'forced', `--namespace=${world.namespace}`, '--force', '--grace-period=0'],
    );
    assert.equal(status, 0, stderr);
    const claim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data', namespace: world.namespace },
    };
    await world.removed(claim);
    const refusal = await world.until('the deletion of the volume is refused', async () => {
      const events = await world.api.list('v1', 'Event');
      return events.find(
        ({ involvedObject, reason }) =>
          involvedObject.name === volume.metadata.name && reason === 'VolumeFailedDelete',
      )?.message as string | undefined;
    });
    assert.match(refusal, new RegExp(`volume-in-use|published|${node}`));
    const record = await recordOf();
    assert.equal(record?.status?.phase, 'Ready');
    assert.match(mounts(), new RegExp(volume.metadata.name));

    world.console.start(`${node}.kubelet`);
    await world.until('the mount is gone', () => !mounts().includes(volume.metadata.name), 240_000);
    await world.until('the volume is deleted', async () => (await recordOf()) === undefined, 240_000);

    function mounts(): string {
      return world.console.on(node, 'cat', '/proc/self/mountinfo');
    }

    async function recordOf() {
      const records = await world.api.list('famfs.io/v1alpha1', 'FamfsVolume');
      return records.find(({ spec }) => spec.volume?.id === id);
    }
  },
  { needs: 'console', timeoutMs: 900_000 },
);

function preferring(name: string) {
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [name] };
  return {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight: 100, preference: { matchExpressions: [expression] } },
    ],
  };
}

async function driverUids(world: World): Promise<string[]> {
  const pods = [await driverPod(world, nodePlugins, node), await driverPod(world, mounters, node)];
  return pods.map(({ metadata }) => metadata.uid);
}

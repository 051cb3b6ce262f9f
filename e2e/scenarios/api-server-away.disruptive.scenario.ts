// What goes on without an API server. The driver's publish needs none; kubelet itself asks for the claim once more before it starts a
// new pod.
import assert from 'node:assert/strict';
import { driverPod, mounters, nodePlugins } from '../world/driver-pods.ts';
import type { KubeObject } from '../world/kube-api.ts';
import { containersOf, isReady, killContainer, runs } from '../world/node-containers.ts';
import { reportedAnew } from '../world/node-report.ts';
import { scenario } from '../world/scenario.ts';
import { poolUuid } from '../world/static-volume.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const node = 'node-b';
const restartMs = 240_000;

scenario(
  'the API server is away: pods read on, and a pod’s container with a volume, the plugin, the agent and the mounter start again when they are killed; when it is back all is as it was',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const volumes = [{ claim, readOnly: true }];
    const reader = await TirelessReader.start(world, 'reader', node, claim);
    // Runs only while it can read.
    const command = ['sh', '-c', 'head -c 3 /data/data && exec sleep 1000000'];
    const user = await world.pod({ name: 'user', node, volumes, command });
    const plugin = await driverPod(world, nodePlugins, node);
    const mounter = await driverPod(world, mounters, node);
    const killed = [user, plugin, mounter].flatMap(containersOf);
    assert.deepEqual(killed.map(({ name }) => name).sort(), ['agent', 'main', 'mounter', 'node']);

    await stopApiServer(world);
    for (const container of killed) killContainer(world, container);
    for (const container of killed)
      await world.until(`container ${container.name} runs again`, () => runs(world, container), restartMs);
    await world.until('the mounter is ready', () => isReady(world, mounter, 8084), restartMs);
    await world.until('the plugin is ready', () => isReady(world, plugin, 8082), restartMs);
    await reader.hasNeverFailed();

    world.console.start('kube-apiserver');
    await world.until('the driver’s pods are ready, and the same', async () => {
      const pods = [await driverPod(world, nodePlugins, node), await driverPod(world, mounters, node)];
      const statuses = pods.flatMap(({ status }) => status.containerStatuses);
      return (
        pods.every(({ metadata }, index) => metadata.uid === [plugin, mounter][index]?.metadata.uid) &&
        statuses.every(({ ready, restartCount }) => ready && restartCount > 0)
      );
    });
    assert.equal(await world.inPod('user', 'head', '-c', '3', '/data/data'), 'xxx');
    const { pool } = await reportedAnew(world, node, await poolUuid(world, 'both'));
    assert.equal(pool.binds, 2);
    await world.pod({ name: 'new', node, volumes });
    await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs: 900_000 },
);

scenario(
  'the API server is stopped once kubelet has resolved a volume: the publish that was held up completes, and the pod runs as soon as kubelet is answered again',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const mounter = await driverPod(world, mounters, node);
    const held = holdUp(world, mounter);
    const { metadata } = await world.startPod({
      name: 'user',
      node,
      volumes: [{ claim, readOnly: true }],
      spec: { automountServiceAccountToken: false },
    });
    // Kubelet writes it last before it calls the plugin.
    const volume = `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~csi/*`;
    await world.until('kubelet has resolved the volume', () => {
      return world.console.on(node, 'sh', '-c', `ls ${volume}/vol_data.json`) !== '';
    });
    await stopApiServer(world);
    const shown = (): string => world.console.on(node, 'sh', '-c', `head -c 3 ${volume}/mount/data`);
    assert.throws(shown);
    held.release();
    await world.until('the volume is at its place', () => shown() === 'xxx', restartMs);
    world.console.start('kube-apiserver');
    await world.podReady('user');
    assert.equal(await world.inPod('user', 'head', '-c', '3', '/data/data'), 'xxx');
  },
  { needs: 'console', timeoutMs: 900_000 },
);

async function stopApiServer(world: World): Promise<void> {
  await world.console.stop('kube-apiserver');
  world.undoAtEnd('the API server is stopped', async () => {
    world.console.start('kube-apiserver');
    await world.until('the API server answers', async () => (await world.api.list('v1', 'Node')).length > 0);
  });
}

/** Stops the mounter where it is; at the end of the scenario it goes on at the latest. */
function holdUp(world: World, mounter: KubeObject): { release: () => void } {
  const [container] = containersOf(mounter);
  const signal = (verb: 'pause' | 'resume'): void => {
    world.console.on(node, 'ctr', '--namespace', 'k8s.io', 'tasks', verb, container?.id ?? '');
  };
  signal('pause');
  let isHeld = true;
  const release = (): void => {
    if (isHeld) signal('resume');
    isHeld = false;
  };
  world.undoAtEnd('the mounter is paused', release);
  return { release };
}

// What a cluster tells when the mounter of a node cannot come up, or cannot serve, and that all goes on when it can.
import assert from 'node:assert/strict';
import { conditionOf, isReady } from '../world/conditions.ts';
import { driverPod, driverPods, mounters, replacePod } from '../world/driver-pods.ts';
import { changeDriver, driverValuesOf, vainWait } from '../world/driver-release.ts';
import { containersOf, killContainer } from '../world/node-containers.ts';
import { deviceSays } from '../world/node-report.ts';
import { scenario } from '../world/scenario.ts';
import { simulatedNode } from '../world/static-volume.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const node = 'node-b';
/** It carries nothing. */
const device = 'dax5.0';
const onDisk = '/var/lib/famfs-csi/not-memory';

scenario(
  'a mounter cannot come up: its pod says why, its node that no mounter answers, Helm waits in vain; pods there read on, those that start wait, what those had that end stays mounted, and all of it is done when it is mended',
  async (world) => {
    const claim = await filledClaim(world, 'both', 'node-a');
    const volumes = [{ claim, readOnly: true }];
    const reader = await TirelessReader.start(world, 'reader', node, claim);
    const { metadata: ends } = await world.pod({ name: 'ends', node, volumes });
    const isMounted = (): boolean => world.console.on(node, 'cat', '/proc/self/mountinfo').includes(ends.uid);
    assert.ok(isMounted());
    const values = driverValuesOf(world);
    const mend = world.undoAtEnd('a mounter cannot come up', async () => {
      changeDriver(world, values);
      await replacePod(world, mounters, node);
      world.console.on(node, 'rmdir', onDisk);
    });
    changeDriver(world, { ...values, simulator: { ...values.simulator, memory: onDisk } });
    for (const pod of await driverPods(world, mounters, node)) await world.removed(pod);

    const told = await world.until('the init container says what is wrong', () => initMessage(world));
    assert.match(told, /not-memory is not on tmpfs/);
    await world.until(`${node} says that no mounter answers`, async () => {
      const ready = conditionOf(await world.read('famfs.io/v1alpha1', 'FamfsNode', node), 'Ready');
      return ready?.status === 'False' && ready.reason === 'MounterUnavailable';
    });
    await world.startPod({ name: 'newcomer', node, volumes });
    await world.event('Pod', 'newcomer', /mounter/);
    await world.api.remove({ apiVersion: 'v1', kind: 'Pod', metadata: ends });
    await reader.readsOn();
    assert.match(vainWait(world), /famfs-csi-mounter/);
    assert.ok(isMounted(), 'nobody has unmounted it');

    await mend();
    await world.podReady('newcomer');
    await world.until('what the pod that ended had is unmounted', () => !isMounted());
    await world.until(`${node} is ready`, () => nodeIsReady(world));
    await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs: 900_000 },
);

scenario(
  'a node has no famfs: it says so of memory that is not mounted, pods with volumes that are mounted start and read there, and it looks again when famfs is there',
  async (world) => {
    const famfs = `${simulatedNode(node)}/bin/famfs`;
    const claim = await filledClaim(world, 'both', 'node-a');
    const reader = await TirelessReader.start(world, 'reader', node, claim);
    const putBack = (): string =>
      world.console.on(node, 'sh', '-c', `test -e ${famfs} || mv ${famfs}.away ${famfs}`);
    world.undoAtEnd('famfs is away', () => void putBack());
    world.console.on(node, 'mv', famfs, `${famfs}.away`);
    const [mounter = assert.fail('the pod has no container')] = containersOf(
      await driverPod(world, mounters, node),
    );
    killContainer(world, mounter);

    const message = await deviceSays(world, node, device, 'famfs-missing');
    assert.match(message, new RegExp(`no program ${famfs}. Install famfs on the host`));
    await world.until(`${node} is ready`, () => nodeIsReady(world));
    await world.pod({ name: 'newcomer', node, volumes: [{ claim, readOnly: true }] });
    putBack();
    await deviceSays(world, node, device, 'superblock-refused');
    await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs: 600_000 },
);

/** What the init container of the node's mounter ended with. */
async function initMessage(world: World): Promise<string | undefined> {
  const [pod] = await driverPods(world, mounters, node);
  const [status] = pod?.status.initContainerStatuses ?? [];
  return (status?.state.terminated ?? status?.lastState.terminated)?.message;
}

async function nodeIsReady(world: World): Promise<boolean> {
  return isReady(await world.read('famfs.io/v1alpha1', 'FamfsNode', node));
}

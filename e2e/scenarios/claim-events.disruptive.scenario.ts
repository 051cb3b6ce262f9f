// What the owner of a claim is told, as `kubectl describe pvc` shows it. Holds the agent of node-a up for some seconds.
import assert from 'node:assert/strict';
import { boundClaim } from '../world/claimed-volume.ts';
import { kubectl } from '../world/kubectl.ts';
import { scenario } from '../world/scenario.ts';
import { storageClass } from '../world/storage-class.ts';
import type { World } from '../world/world.ts';

scenario(
  'a claim tells its story: that it waits for its pod, for whom its volume waits, that it is made, and what its volume is',
  async (world) => {
    const held = holdAgent(world, 'node-a');
    await world.claim('data', 'both', '2Mi');
    await world.startPod({ name: 'user', volumes: [{ claim: 'data' }] });
    const waiting = /Node node-a, the master of pool both, is asked to make its file and has not begun/;
    await world.event('PersistentVolumeClaim', 'data', waiting);
    held.release();
    await boundClaim(world, 'data');
    await world.podReady('user');
    await world.event('PersistentVolumeClaim', 'data', /is made, filled with zeros and can be used/);
    const chapters = [
      /^Status: +Bound$/m,
      /Normal +WaitForFirstConsumer /,
      /Normal +Provisioning /,
      /Normal +WaitingForNode .*famfs-csi.*has not begun/,
      /Normal +VolumeReady /,
      /Normal +ProvisioningSucceeded .*Successfully provisioned volume pvc-/,
    ];
    // Who records an event does not wait until it is written.
    await world.until('all of it is told', () => {
      const told = kubectl(world, 'describe', 'pvc', 'data', `--namespace=${world.namespace}`);
      assert.equal(told.status, 0, told.stderr);
      for (const chapter of chapters) assert.match(told.stdout, chapter);
      return true;
    });
  },
  { needs: 'console' },
);

scenario(
  'a claim that cannot be served is told why in a sentence, once and not with every attempt',
  async (world) => {
    const immediate = { volumeBindingMode: 'Immediate' };
    await world.claim('data', await storageClass(world, 'now', { pool: 'only-a' }, immediate), '5Gi');
    const message = /Pool only-a has no room/;
    await world.event('PersistentVolumeClaim', 'data', message);
    const attempts = async (): Promise<number> => {
      const events = await world.api.list('v1', 'Event', world.namespace);
      return events
        .filter(({ reason }) => reason === 'ProvisioningFailed')
        .reduce((sum, { count }) => sum + count, 0);
    };
    await world.until('it was tried several times', async () => (await attempts()) >= 3);
    const { stdout } = kubectl(world, 'describe', 'pvc', 'data', `--namespace=${world.namespace}`);
    const own = stdout.split('\n').filter((line) => /Warning +OutOfSpace /.test(line));
    assert.equal(own.length, 1, stdout);
    assert.match(own[0] ?? '', message);
  },
  { needs: 'console' },
);

/** Stops the agent's process where it is; it goes on when it is released, at the end of the scenario at the latest. */
function holdAgent(world: World, node: string): { release: () => void } {
  const pid = world.console.on(node, 'pgrep', '-f', 'dist/agent[.]cjs').trim();
  assert.match(pid, /^\d+$/);
  const signal = (name: string): void => void world.console.on(node, 'kill', `-${name}`, pid);
  world.undoAtEnd(`the agent of ${node} is held up`, () => signal('CONT'));
  signal('STOP');
  return { release: () => signal('CONT') };
}

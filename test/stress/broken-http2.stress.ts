// What anybody who reaches the sockets of a node may do to them: broken HTTP/2 and broken frames, floods, idle and slow
// connections, huge messages. The processes stay small, and a good caller is answered within a second all the while.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { nodeService } from '../../src/csi/protocol.ts';
import { createClient } from '../../src/rpc/client.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { Dice } from './dice.ts';
import { effort, seed } from './effort.ts';
import type { Footprint } from './footprint.ts';
import { brokenFrames } from './frame-attacks.ts';
import { GoodCaller } from './good-caller.ts';
import { brokenHttp2 } from './http2-attacks.ts';
import { memoryKib, StressedNode } from './stressed-node.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/**
 * S8: what a process may have at its largest. Without the pages of its own program and libraries, some 50 MiB that are shared
 * with every other process of Node and that the kernel drops before a limit is felt.
 */
const largestKib = 128 * 1024;

describe('a node whose sockets are abused', { skip }, () => {
  let stressed: StressedNode;
  let footprint: Footprint;

  before(async () => {
    stressed = await StressedNode.start({ bundled: true });
    footprint = stressed.footprint();
  });
  after(async () => {
    await stressed?.close();
  });

  /** Runs an attack beside a good caller, which has a connection of its own. */
  async function endure(
    t: TestContext,
    pid: number,
    good: (timeoutMs: number) => Promise<unknown>,
    attack: () => Promise<string>,
  ): Promise<void> {
    const caller = new GoodCaller(pid, good);
    const said = await attack().finally(() => caller.stop());
    const programKib = memoryKib(pid, 'RssFile');
    const [rss, peak] = [memoryKib(pid, 'VmRSS') - programKib, memoryKib(pid, 'VmHWM') - programKib];
    t.diagnostic(`${said}; ${caller.text}; ${mib(rss)} now, ${mib(peak)} at most`);
    assert.deepEqual(caller.failures, []);
    assert.ok(
      peak <= largestKib,
      `the process had ${mib(peak)} at most, where ${mib(largestKib)} are promised`,
    );
  }

  for (const [name, attack] of Object.entries(brokenHttp2)) {
    it(`answers CSI calls within a second beside ${name}`, async (t) => {
      const { csiSocket } = stressed.node.places;
      const dice = new Dice(seed);
      const fresh = async (timeoutMs: number): Promise<void> => {
        const client = createClient(nodeService, csiSocket, {
          name: 'the plugin',
          unavailableReason: 'internal',
        });
        try {
          await client.calls.nodeGetCapabilities({}, { timeoutMs });
        } finally {
          client.close();
        }
      };
      await endure(t, stressed.plugin.pid, fresh, () => attack(csiSocket, dice, effort));
    });
  }

  for (const [name, attack] of Object.entries(brokenFrames)) {
    it(`answers calls to the mounter within a second beside ${name}`, async (t) => {
      const { mounterSocket } = stressed.node.places;
      const dice = new Dice(seed);
      const good = (timeoutMs: number): Promise<unknown> =>
        stressed.mounter.calls.getState({}, { timeoutMs });
      await endure(t, stressed.mounter.pid, good, () => attack(mounterSocket, dice, effort));
    });
  }

  it('is what it was after all that, and publishes', async () => {
    const targetPath = stressed.node.target('pod-after');
    await stressed.client.calls.nodePublishVolume({
      volumeId: 'after',
      targetPath,
      volumeCapability: { mount: {}, accessMode: { mode: 3 } },
      volumeContext: { pool: stressed.pool, path: 'models/llama' },
    });
    await stressed.client.calls.nodeUnpublishVolume({ volumeId: 'after', targetPath });
    assert.deepEqual(stressed.footprint().mounts, footprint.mounts);
    await stressed.assertUnharmed();
  });
});

function mib(kib: number): string {
  return `${(kib / 1024).toFixed(0)} MiB`;
}

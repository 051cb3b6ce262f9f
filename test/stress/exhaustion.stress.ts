// A node at the limits that are large: 100,000 mounts in its namespace, and memory for which the kernel ends processes.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { accessModes, nodeService } from '../../src/csi/protocol.ts';
import { createClient } from '../../src/rpc/client.ts';
import { assertRefused, BoundNode } from '../bound-node.ts';
import { CountingProcess } from '../counting-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { LimitedGroup } from '../process-limits.ts';
import { waitUntil } from '../wait-until.ts';
import { ManyMounts } from './many-mounts.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** How much more than it has a group may have. */
const spareBytes = 2 << 20;

describe('a node that is at a large limit', { skip }, () => {
  let bound: BoundNode;
  let group: LimitedGroup | undefined;
  afterEach(async () => {
    try {
      await bound?.close();
    } finally {
      await group?.remove();
      group = undefined;
    }
  });

  it('refuses a bind when its namespace has all the mounts it may have, and serves when one has gone', async (t) => {
    bound = await BoundNode.start();
    const [there, fresh, another] = [bound.newTarget(), bound.newTarget(), bound.newTarget()];
    const { mountId } = await bound.bind(there);
    const many = new ManyMounts();
    try {
      const limit = Number(readFileSync('/proc/sys/fs/mount-max', 'utf8'));
      // listmount(2) leaves out the one that all others are mounted on.
      assert.equal(many.total, limit - 1);
      await assertRefused(bound.bind(fresh), 'resource-exhausted', /mounts in this mount namespace.*ENOSPC/);
      assert.equal(existsSync(fresh), false);
      assert.deepEqual(await bound.bind(there), { alreadyBound: true, mountId });
      assert.deepEqual(await bound.unbind(there), { wasBound: true });
      assert.equal((await bound.bind(fresh)).alreadyBound, false, 'there is room for just one');
      await assertRefused(bound.bind(another), 'resource-exhausted', /fs\.mount-max/);
      t.diagnostic(`${many.total} mounts`);
    } finally {
      many.end();
    }
    assert.deepEqual(bound.records().length, 1);
    await bound.unbind(fresh);
    await bound.assertServes();
  });

  it('says that the daemon of a pool has gone when the kernel ended it for want of memory, and recovers', async (t) => {
    group = LimitedGroup.make('memory', 'famfs-csi-oom-daemon');
    if (group === undefined)
      return t.skip('this process may make no control groups with the memory controller');
    // Every command that mounts is born in the group, and so is the daemon that it leaves.
    const join = `[ "$1" = mount ] && echo $$ > ${group.directory}/cgroup.procs`;
    bound = await BoundNode.start({ prepare: (node) => node.spoil(join) });
    const { cluster, node, mounter, poolUuid } = bound;
    const held = bound.newTarget();
    await bound.bind(held);
    const pid = cluster.daemonOf(node, poolUuid) ?? assert.fail('no daemon');
    node.mend();
    assert.match(group.get('cgroup.procs'), new RegExp(`^${pid}$`, 'm'));
    const reader = new CountingProcess('read', path.join(held, 'one'));
    try {
      await waitUntil('the daemon serves a reader', () => (reader.counts.read ?? 0) > 0);
      const limitBytes = await group.limitMemory(spareBytes);
      // The daemon may never want more than it has, so somebody beside it does.
      await waitUntil('the kernel has ended it', async () => {
        if (cluster.daemonOf(node, poolUuid) === undefined) return true;
        await group?.takeMemory(limitBytes);
        return false;
      });
      await mounter.untilProblem(poolUuid, 'pool-dead');
    } finally {
      await reader.end();
    }
    assert.ok(group.hasRunOutOfMemory);
    await assertRefused(
      bound.bind(bound.newTarget()),
      'pool-dead',
      /daemon of the pool has ended.*restarted/,
    );
    assert.deepEqual(await bound.unbind(held), { wasBound: true });
    await mounter.ready(poolUuid);
    await bound.assertServes();
  });

  it('keeps what is published when the kernel ends the plugin for want of memory, and serves after its restart', async (t) => {
    group = LimitedGroup.make('memory', 'famfs-csi-oom-plugin');
    if (group === undefined)
      return t.skip('this process may make no control groups with the memory controller');
    bound = await BoundNode.start();
    const { cluster, node, poolUuid } = bound;
    const client = createClient(nodeService, node.places.csiSocket, {
      name: 'the plugin',
      unavailableReason: 'internal',
    });
    const target = bound.newTarget();
    const publish = () =>
      client.calls.nodePublishVolume({
        volumeId: 'volume-1',
        targetPath: target,
        volumeCapability: { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY } },
        volumeContext: { pool: poolUuid, path: 'set' },
      });
    const plugin = await cluster.startPlugin(node);
    group.add(plugin.pid);
    await publish();
    // What it had before counts for the group that it came from.
    await group.limitMemory(spareBytes);
    const secrets = { large: 'x'.repeat(1 << 20) };
    await waitUntil('the kernel has ended it', async () => {
      const calls = Array.from({ length: 50 }, () => client.calls.nodeGetStorageHealth({ secrets }));
      await Promise.allSettled(calls);
      return !plugin.isRunning;
    });
    assert.ok(group.hasRunOutOfMemory);
    assert.equal(bound.mountsAt(target).length, 1);
    await cluster.startPlugin(node);
    await waitUntil('the plugin publishes', () =>
      publish().then(
        () => true,
        () => false,
      ),
    );
    assert.equal(bound.mountsAt(target).length, 1);
    await client.calls.nodeUnpublishVolume({ volumeId: 'volume-1', targetPath: target });
    client.close();
    await bound.assertServes();
  });
});

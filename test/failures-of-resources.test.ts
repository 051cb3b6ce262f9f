// What a node runs out of: descriptors, processes, room for notes. docs/failures.md, "The node's limits".
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { nodeService } from '../src/csi/protocol.ts';
import { mountFileSystem, mountFlags, unmount } from '../src/linux/mounts.ts';
import { processState } from '../src/linux/processes.ts';
import { createClient } from '../src/rpc/client.ts';
import { assertRefused, BoundNode } from './bound-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import { LimitedGroup, limitDescriptors } from './process-limits.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a node that has run out of something', { skip }, () => {
  let bound: BoundNode;
  let binds: string;

  before(async () => {
    bound = await BoundNode.start({
      prepare: ({ places }) => {
        mkdirSync(places.binds);
        mountFileSystem({ source: 'notes', target: places.binds, type: 'tmpfs', data: 'size=64k,mode=700' });
      },
    });
    binds = bound.node.places.binds;
  });
  after(() => bound?.close());

  it('refuses binds while a worker has no descriptor left, and unbinds while it has none', async () => {
    const [there, fresh] = [bound.newTarget(), bound.newTarget()];
    await bound.bind(there);
    const lift = await limitDescriptors(bound.workerPid());
    try {
      await assertRefused(bound.bind(fresh), 'resource-exhausted', /file descriptors.*RLIMIT_NOFILE.*EMFILE/);
      assert.deepEqual([existsSync(fresh), bound.mountsAt(fresh)], [false, []]);
      assert.deepEqual(await bound.unbind(there), { wasBound: true }, 'unbinding needs no worker');
    } finally {
      await lift();
    }
    await waitUntil('the pool serves again', () => serves(bound));
    await bound.assertServes();
    assert.deepEqual(bound.records(), []);
  });

  it('refuses calls while the mounter has no descriptor left, goes on, and serves once it has some', async () => {
    const [there, fresh] = [bound.newTarget(), bound.newTarget()];
    await bound.bind(there);
    const { pid } = bound.mounter;
    const lift = await limitDescriptors(pid);
    try {
      await assertRefused(bound.unbind(there), 'resource-exhausted', /file descriptors.*RLIMIT_NOFILE/);
      assert.equal(bound.mountsAt(there).length, 1);
      // A worker that has to be started anew cannot be, and a replay cannot be begun.
      await killWorker(bound);
      await assertRefused(bound.bind(fresh, { path: 'none' }), 'resource-exhausted', /file descriptors/);
    } finally {
      await lift();
    }
    assert.equal(bound.mounter.pid, pid);
    await waitUntil('the pool serves again', () => serves(bound));
    await bound.mounter.ready(bound.poolUuid);
    assert.deepEqual(await bound.unbind(there), { wasBound: true });
    await bound.assertServes();
  });

  it('refuses what needs a new process at the limit of processes, and recovers', async (t) => {
    const group = LimitedGroup.make('pids', 'famfs-csi-test');
    if (group === undefined)
      return t.skip('this process may make no control groups with the pids controller');
    const target = bound.newTarget();
    await bound.bind(target);
    group.add(bound.mounter.pid);
    try {
      group.set('1', 'pids.max');
      await killWorker(bound);
      await assertRefused(
        bound.bind(bound.newTarget()),
        'resource-exhausted',
        /processes.*PID limit.*EAGAIN/,
      );
      assert.deepEqual(await bound.unbind(target), { wasBound: true }, 'unbinding starts nothing');
    } finally {
      group.set('max', 'pids.max');
    }
    await waitUntil('the pool serves again', () => serves(bound));
    await bound.mounter.ready(bound.poolUuid);
    await bound.assertServes();
    await bound.mounter.kill();
    await bound.mounter.restart();
    await bound.mounter.ready(bound.poolUuid);
    await group.remove();
  });

  it('binds nothing that it cannot note, unbinds all the same, and serves once there is room', async () => {
    const [there, fresh] = [bound.newTarget(), bound.newTarget()];
    await bound.bind(there);
    const filler = path.join(binds, 'filler');
    assert.throws(() => writeFileSync(filler, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
    await assertRefused(bound.bind(fresh), 'resource-exhausted', /can note no bind.*state directory.*ENOSPC/);
    assert.deepEqual([existsSync(fresh), bound.mountsAt(fresh)], [false, []]);
    assert.deepEqual(await bound.unbind(there), { wasBound: true });
    rmSync(filler);
    assert.deepEqual(readdirSync(binds), [], 'no half note is left');
    await bound.assertServes();
  });

  it('binds nothing while its notes are read-only, unbinds all the same, and serves once they are not', async () => {
    const [there, fresh] = [bound.newTarget(), bound.newTarget()];
    await bound.bind(there);
    const setReadOnly = (flags: number): void =>
      mountFileSystem({ source: 'notes', target: binds, type: 'tmpfs', flags: mountFlags.remount | flags });
    setReadOnly(mountFlags.readOnly);
    try {
      await assertRefused(bound.bind(fresh), 'state-unusable', /state directory.*EROFS.*writable/);
      assert.deepEqual([existsSync(fresh), bound.mountsAt(fresh)], [false, []]);
      assert.deepEqual(await bound.unbind(there), { wasBound: true });
      assert.deepEqual((await bound.mounter.calls.listBinds({})).binds, []);
      await bound.mounter.kill();
      await bound.mounter.restart();
      await bound.mounter.ready(bound.poolUuid);
    } finally {
      setReadOnly(0);
    }
    await bound.assertServes();
    await bound.mounter.kill();
    await bound.mounter.restart();
    assert.deepEqual(bound.records(), [], 'the note that could not be removed is gone');
    await bound.mounter.ready(bound.poolUuid);
  });

  it('serves on when the folder of its notes is removed while it runs', async () => {
    const target = bound.newTarget();
    await bound.bind(target);
    unmount(binds);
    rmSync(binds, { recursive: true });
    assert.deepEqual(await bound.unbind(target), { wasBound: true });
    await bound.assertServes();
    assert.deepEqual(bound.records(), []);
  });

  it('takes a note that is damaged for none: nothing is unmounted, and one unbind ends the bind', async () => {
    const target = bound.newTarget();
    await bound.bind(target);
    const [name = assert.fail('there is no note')] = bound.records();
    writeFileSync(path.join(binds, name), '{"volumeId":"vol');
    await assertRefused(bound.bind(target), 'already-published', /unpublish it first/);
    await bound.mounter.kill();
    await bound.mounter.restart();
    await bound.mounter.ready(bound.poolUuid);
    assert.equal(bound.mountsAt(target).length, 1);
    assert.deepEqual(await bound.unbind(target), { wasBound: true });
    assert.deepEqual(bound.records(), []);
    await bound.assertServes();
  });

  it('takes no new connection while the node plugin has no descriptor left, and keeps those it has', async () => {
    const plugin = await bound.cluster.startPlugin(bound.node);
    const client = createClient(nodeService, bound.node.places.csiSocket, {
      name: 'the plugin',
      unavailableReason: 'mounter-unavailable',
    });
    await client.calls.nodeGetCapabilities({});
    const lift = await limitDescriptors(plugin.pid);
    try {
      assert.equal(await greets(bound.node.places.csiSocket, 500), false);
      assert.equal((await client.calls.nodeGetInfo({})).nodeId, 'a');
    } finally {
      await lift();
    }
    await waitUntil('a new connection is served', () => greets(bound.node.places.csiSocket, 2000));
    assert.ok(plugin.isRunning);
    client.close();
    await plugin.stop();
  });
});

/** Ends the worker of the pool, and waits until the mounter knows. */
async function killWorker(bound: BoundNode): Promise<void> {
  const pid = bound.workerPid();
  process.kill(pid, 'SIGKILL');
  await waitUntil('the mounter has reaped its worker', () => processState(pid) === undefined);
}

/** Whether a server of HTTP/2 says its first words on a new connection. */
async function greets(socketPath: string, patienceMs: number): Promise<boolean> {
  const connection = net.connect(socketPath);
  connection.on('error', () => undefined);
  connection.setTimeout(patienceMs, () => connection.destroy());
  // A client's preface and an empty SETTINGS frame (RFC 9113, 3.4).
  connection.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
  let isGreeted = false;
  connection.once('data', () => {
    isGreeted = true;
    connection.destroy();
  });
  await once(connection, 'close');
  return isGreeted;
}

/** Whether a bind works now. */
async function serves(bound: BoundNode): Promise<boolean> {
  const target = bound.newTarget();
  try {
    await bound.bind(target);
  } catch {
    return false;
  }
  await bound.unbind(target);
  return true;
}

// Targets that are not what kubelet says, and the disk that they lie on: docs/failures.md, "The target".
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../src/linux/child-process.ts';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import { mountFileSystem, mountFlags, unmount } from '../src/linux/mounts.ts';
import { assertRefused, BoundNode } from './bound-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a target that is not what it should be', { skip }, () => {
  let bound: BoundNode;

  before(async () => {
    bound = await BoundNode.start();
  });
  after(() => bound?.close());

  it('is refused and left alone when it is a FIFO, a socket or a device', async () => {
    const pod = path.dirname(bound.newTarget());
    for (const [name, ...type] of [
      ['fifo', 'p'],
      ['device', 'c', '1', '3'],
    ] as const) {
      const target = path.join(pod, name);
      assert.equal((await runCommand('mknod', [target, ...type])).exitCode, 0);
      const was = lstatSync(target).mode;
      await assertRefused(bound.bind(target), 'target-unusable', /is not a directory.*remove it/);
      assert.deepEqual(await bound.unbind(target), { wasBound: false });
      assert.equal(lstatSync(target).mode, was);
    }
    await bound.assertServes();
  });

  it('is bound anew where somebody has wiped kubelet’s directory together with the mount', async () => {
    const target = bound.newTarget();
    const { mountId } = await bound.bind(target);
    // In another namespace the target is an ordinary directory; the kernel detaches what is mounted on it elsewhere.
    const wipe = `umount ${target} && rm -r ${path.join(bound.node.places.kubelet, 'pods')}`;
    const wiped = await runCommand('unshare', ['-m', '--propagation', 'private', 'sh', '-c', wipe]);
    assert.equal(wiped.exitCode, 0, wiped.stderr);
    assert.deepEqual(bound.mountsAt(target), []);
    assert.deepEqual((await bound.mounter.calls.listBinds({})).binds, []);
    assert.deepEqual(bound.records(), [], 'no note outlives its mount');
    assert.deepEqual(await bound.unbind(target), { wasBound: false }, 'what is gone is gone');

    mkdirSync(target, { recursive: true });
    const again = await bound.bind(target);
    assert.equal(again.alreadyBound, false);
    assert.notEqual(again.mountId, mountId);
    assert.deepEqual(await bound.unbind(target), { wasBound: true });
  });

  it('is bound anew where a snapshot has brought kubelet’s directories and the notes back, but no mounts', async () => {
    const [first, second] = [bound.newTarget(), bound.newTarget()];
    for (const target of [first, second]) await bound.bind(target);
    await bound.mounter.kill();
    for (const target of [first, second]) unmount(target);
    assert.equal(bound.records().length, 2, 'the notes are older than the mounts now');
    await bound.mounter.restart();
    await bound.mounter.ready(bound.poolUuid);
    assert.deepEqual(bound.records(), []);
    assert.deepEqual((await bound.mounter.calls.listBinds({})).binds, []);
    // Kubelet publishes what it holds for unpublished, and unpublishes what it holds for published.
    assert.equal((await bound.bind(first)).alreadyBound, false);
    assert.deepEqual(await bound.unbind(first), { wasBound: true });
    assert.deepEqual(await bound.unbind(second), { wasBound: false });
    assert.deepEqual([existsSync(first), existsSync(second)], [false, false]);
  });

  it('is not made on a full disk, and is once there is room', async () => {
    const pods = path.join(bound.node.places.kubelet, 'pods');
    mountFileSystem({ source: 'disk', target: pods, type: 'tmpfs', data: 'nr_inodes=64' });
    try {
      const target = bound.newTarget();
      const filler = path.join(pods, 'filler');
      mkdirSync(filler);
      fill(filler);
      await assertRefused(bound.bind(target), 'resource-exhausted', /no more room on the disk.*ENOSPC/);
      assert.deepEqual([bound.mountsAt(target), bound.records()], [[], []]);
      rmdirSync(path.join(filler, '0'));
      assert.equal((await bound.bind(target)).alreadyBound, false);
      await bound.unbind(target);
      assert.deepEqual(readdirSync(path.dirname(target)), []);
    } finally {
      unmount(pods, { detach: true });
    }
    await bound.assertServes();
  });

  it('is unmounted, though not removed, on a disk that has become read-only', async () => {
    const pods = path.join(bound.node.places.kubelet, 'pods');
    mountFileSystem({ source: 'disk', target: pods, type: 'tmpfs' });
    const setReadOnly = (flags: number): void =>
      mountFileSystem({ source: 'disk', target: pods, type: 'tmpfs', flags: mountFlags.remount | flags });
    try {
      const [there, fresh] = [bound.newTarget(), bound.newTarget()];
      await bound.bind(there);
      setReadOnly(mountFlags.readOnly);
      await assertRefused(bound.bind(fresh), 'target-unusable', /EROFS.*look at.*disk/i);
      await assertRefused(bound.unbind(there), 'target-unusable', /EROFS/);
      assert.deepEqual(bound.mountsAt(there), [], 'the volume is not held any longer');
      await bound.mounter.untilPool(bound.poolUuid, 'counts no bind', ({ binds }) => binds === 0);
      assert.deepEqual((await bound.mounter.calls.listBinds({})).binds, []);
      setReadOnly(0);
      assert.deepEqual(await bound.unbind(there), { wasBound: false });
      assert.equal(existsSync(there), false);
      assert.equal((await bound.bind(fresh)).alreadyBound, false);
      await bound.unbind(fresh);
    } finally {
      unmount(pods, { detach: true });
    }
    await bound.assertServes();
  });

  it('gets no mount from a call whose deadline came, or whose caller left, while it waited', async () => {
    const [late, left] = [bound.newTarget(), bound.newTarget()];
    await bound.node.mkdir(bound.poolUuid, 'waited-for');
    const lock = await acquireFileLock(bound.node.lockFile(bound.poolUuid), { timeoutMs: 30_000 });
    const withdraw = new AbortController();
    try {
      const volume = { path: 'not-there-yet' };
      const calls = [
        bound.bind(late, volume, { timeoutMs: 300 }),
        bound.bind(left, volume, { signal: withdraw.signal }),
      ] as const;
      const ends = [
        assertRefused(calls[0], 'deadline-exceeded', /deadline/),
        assertRefused(calls[1], 'cancelled', /withdr/),
      ];
      await ends[0];
      withdraw.abort();
      await ends[1];
    } finally {
      lock.release();
    }
    await bound.node.mkdir(bound.poolUuid, 'not-there-yet');
    // Both volumes and targets are free at once, and what had been asked in vain does not come after all.
    for (const target of [late, left]) {
      assert.deepEqual(await bound.unbind(target), { wasBound: false });
      assert.equal(existsSync(target), false);
    }
    await bound.assertServes();
    assert.deepEqual([bound.mountsAt(late), bound.mountsAt(left), bound.records()], [[], [], []]);
  });
});

/** Makes directories until the file system has room for no more. */
function fill(folder: string): void {
  for (let name = 0; ; name++) {
    try {
      mkdirSync(path.join(folder, String(name)));
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error && error.code === 'ENOSPC', String(error));
      return;
    }
  }
}

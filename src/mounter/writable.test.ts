// Writable binds: where they are allowed, and what a pod can do with one. Pods change bytes, never names.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { protocolVersion } from './protocol-version.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a writable bind', { skip }, () => {
  let cluster: SimulatedCluster;
  let fuse: ClusterNode;
  let standalone: ClusterNode;
  let unsafe: RunningMounter;
  let poolUuid: string;
  let pods = 0;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    [fuse, standalone] = await Promise.all([
      cluster.addNode('a'),
      cluster.addNode('b', { mode: 'standalone' }),
    ]);
    poolUuid = await fuse.format('dax0.0');
    unsafe = cluster.startMounter(fuse, { 'allow-writes': 'unsafe' });
    await unsafe.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), {
      set: ['one'],
      'set/deep': ['two'],
    });
    await fuse.cp(path.join(samples, 'set'), poolUuid, 'set');
  });
  after(() => cluster.close());

  const bind = (mounter: RunningMounter, target: string, writable = true, onlySafely = false) =>
    mounter.calls.bind({ poolUuid, path: 'set', target, volumeId: `volume-${target}`, writable, onlySafely });
  const writersOf = async (mounter: RunningMounter): Promise<string | undefined> =>
    (await mounter.calls.getState({})).pools.find(({ uuid }) => uuid === poolUuid)?.writers;
  it('is made by a mounter that says which fields it heeds', async () => {
    assert.equal((await unsafe.calls.getState({})).protocolVersion, protocolVersion);
  });

  const newTarget = (node: ClusterNode): string => node.target(`pod${pods++}`);

  it('lets the bytes of every file be changed, and no name', async () => {
    const target = newTarget(fuse);
    await bind(unsafe, target);
    writeFileSync(path.join(target, 'one'), 'NEW', { flag: 'r+' });
    writeFileSync(path.join(target, 'deep/two'), 'NEW', { flag: 'r+' });
    assert.ok(readFileSync(fuse.poolPath(poolUuid, 'set/one'), 'utf8').startsWith('NEW'));
    const inside = (name: string): string => path.join(target, name);
    const attempts: Record<string, () => void> = {
      create: () => writeFileSync(inside('three'), ''),
      mkdir: () => mkdirSync(inside('folder')),
      rmdir: () => rmdirSync(inside('deep')),
      unlink: () => unlinkSync(inside('one')),
      rename: () => renameSync(inside('one'), inside('three')),
      link: () => linkSync(inside('one'), inside('three')),
      symlink: () => symlinkSync('one', inside('three')),
      'chmod of the directory': () => chmodSync(inside('deep'), 0o777),
    };
    for (const [what, attempt] of Object.entries(attempts)) {
      assert.throws(attempt, { code: /^(EROFS|EBUSY|EXDEV)$/ }, what);
    }
    const options = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(target));
    assert.deepEqual(
      options.map(({ mountPoint, mountOptions }) => [path.relative(target, mountPoint), mountOptions[0]]),
      [
        ['', 'ro'],
        ['one', 'rw'],
        ['deep/two', 'rw'],
      ],
    );
    for (const { mountOptions } of options) {
      for (const option of ['nosuid', 'nodev', 'noexec']) assert.ok(mountOptions.includes(option), option);
    }
    assert.equal((await bind(unsafe, target)).alreadyBound, true);
    await assert.rejects(bind(unsafe, target, false), { reason: 'already-published' });
    assert.deepEqual(await unsafe.calls.unbind({ target }), { wasBound: true });
    assert.equal(existsSync(target), false);
    assert.equal(readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(target)).length, 0);
  });

  it('makes files no more writable in the read-only binds of the same path', async () => {
    const [writable, readOnly] = [newTarget(fuse), newTarget(fuse)];
    await bind(unsafe, writable);
    await bind(unsafe, readOnly, false);
    assert.throws(() => writeFileSync(path.join(readOnly, 'one'), 'x', { flag: 'r+' }), { code: 'EROFS' });
    for (const target of [writable, readOnly]) await unsafe.calls.unbind({ target });
  });

  it('is allowed as safe where the kernel refuses what stops a pool', async () => {
    const safe = cluster.startMounter(standalone, { 'allow-writes': 'safe' });
    await safe.ready(poolUuid);
    assert.equal((await safe.calls.getState({})).allowWrites, 'safe');
    assert.equal(await writersOf(safe), 'safe');
    const target = newTarget(standalone);
    await bind(safe, target, true, true);
    await safe.calls.unbind({ target });
    // famfs shows files of a client without `w`; root writes anyway, and so the bind is what counts.
    await bind(safe, target);
    writeFileSync(path.join(target, 'one'), 'SAFE', { flag: 'r+' });
    assert.ok(readFileSync(fuse.poolPath(poolUuid, 'set/one'), 'utf8').startsWith('SAFE'));
    await safe.calls.unbind({ target });
  });

  it('is refused, though the node allows it, for a volume that is only written where that stops no pool', async () => {
    assert.equal(await writersOf(unsafe), 'unsafe');
    const target = newTarget(fuse);
    const message = /only where a writer cannot stop pool .*AllowedUnsafe/;
    await assert.rejects(bind(unsafe, target, true, true), { reason: 'writes-refused', message });
    assert.equal((await bind(unsafe, target, false, true)).alreadyBound, false);
    await unsafe.calls.unbind({ target });
  });

  it('is refused with the ways out where the node does not allow it', async () => {
    await unsafe.stop();
    const target = newTarget(fuse);
    for (const [setting, wayOut] of [
      ['safe', /--allow-writes=unsafe/],
      ['never', /--allow-writes to safe or unsafe/],
    ] as const) {
      const mounter = cluster.startMounter(fuse, { 'allow-writes': setting });
      await mounter.ready(poolUuid);
      assert.equal(await writersOf(mounter), 'never');
      await assert.rejects(bind(mounter, target), { reason: 'writes-refused', message: wayOut });
      assert.equal((await bind(mounter, target, false)).alreadyBound, false);
      await mounter.calls.unbind({ target });
      await mounter.stop();
    }
  });
});

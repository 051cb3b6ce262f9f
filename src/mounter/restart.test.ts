// A mounter that is killed and started again: what it made goes on, and what it left half done is finished or cleared.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { CountingProcess } from '../../test/counting-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples, sampleText } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { runCommand } from '../linux/child-process.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import { readMountTable } from '../linux/mount-table.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a mounter that is killed and started again', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let pods = 0;

  before(async () => {
    cluster = new SimulatedCluster();
    await Promise.all([cluster.addMemory(), cluster.addMemory('late')]);
    node = await cluster.addNode('a', { devices: { 'dax0.0': 'memory', 'dax1.0': 'late' } });
    poolUuid = await node.format('dax0.0');
    node.unplug('dax1.0');
    mounter = cluster.startMounter(node, { 'allow-writes': 'unsafe' });
    await mounter.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { set: ['one', 'two'] });
    await node.cp(path.join(samples, 'set'), poolUuid, 'set');
  });
  after(() => cluster.close());

  const newTarget = (): string => node.target(`pod${pods++}`);
  const bind = (target: string, writable = false) =>
    mounter.calls.bind({ poolUuid, path: 'set', target, volumeId: target, writable });
  const unbind = (target: string) => mounter.calls.unbind({ target });

  it('finds its pools and binds as they were, with readers that never noticed', async () => {
    const targets = [newTarget(), newTarget()];
    for (const target of targets) await bind(target);
    const { binds } = await mounter.calls.listBinds({});
    const daemon = cluster.daemonOf(node, poolUuid);
    const mounts = cluster.mountPoints();
    const reader = new CountingProcess('read', path.join(targets[0] ?? '', 'one'));
    const untilMoreReads = async (what: string): Promise<void> => {
      const before = reader.counts.read ?? 0;
      await waitUntil(what, () => (reader.counts.read ?? 0) > before);
    };
    try {
      await untilMoreReads('the reader reads');
      await mounter.kill();
      await untilMoreReads('it reads on without a mounter');
      await mounter.restart();
      await mounter.ready(poolUuid);
      assert.deepEqual((await mounter.calls.listBinds({})).binds, binds);
      assert.deepEqual(cluster.mountPoints(), mounts);
      assert.equal(cluster.daemonOf(node, poolUuid), daemon);
      for (const target of targets) assert.equal((await bind(target)).alreadyBound, true);
      await untilMoreReads('it reads on');
      assert.deepEqual(Object.keys(reader.counts), ['read'], 'no read has failed');
    } finally {
      await reader.end();
    }
    for (const target of targets) assert.deepEqual(await unbind(target), { wasBound: true });
  });

  it('forgets binds that were unmounted, and finishes those that were half made', async () => {
    const [gone, half] = [newTarget(), newTarget()];
    await bind(gone);
    const { mountId } = await bind(half, true);
    await mounter.kill();
    await runCommand('umount', [gone]);
    await runCommand('umount', [path.join(half, 'two')]);
    const record = path.join(node.places.binds, mountId.toString());
    writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), complete: false }));
    writeFileSync(path.join(node.places.binds, '12345.new'), '{');

    await mounter.restart();
    await mounter.ready(poolUuid);
    const { binds } = await mounter.calls.listBinds({});
    assert.deepEqual(
      binds.map(({ target }) => target),
      [half],
    );
    assert.deepEqual(readdirSync(node.places.binds), [mountId.toString()]);
    assert.throws(() => writeFileSync(path.join(half, 'two'), 'x', { flag: 'r+' }), { code: 'EROFS' });
    assert.equal((await bind(half, true)).alreadyBound, false);
    writeFileSync(path.join(half, 'two'), 'T', { flag: 'r+' });
    assert.equal((await bind(half, true)).alreadyBound, true);
    assert.equal(readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(half)).length, 3);
    assert.deepEqual(await unbind(gone), { wasBound: false });
    await unbind(half);
    assert.deepEqual([existsSync(gone), existsSync(half)], [false, false]);
  });

  it('loses no mount when its notes are lost', async () => {
    const target = newTarget();
    await bind(target);
    await mounter.kill();
    await runCommand('rm', ['-r', node.places.binds]);
    await mounter.restart();
    await mounter.ready(poolUuid);
    assert.equal(readFileSync(path.join(target, 'one'), 'utf8'), sampleText('set/one'));
    await assert.rejects(bind(target), { reason: 'already-published' });
    assert.deepEqual(await unbind(target), { wasBound: true });
    assert.equal((await bind(target)).alreadyBound, false);
    await unbind(target);
  });

  it('mounts a pool anew whose daemon has died meanwhile', async () => {
    const daemon = cluster.daemonOf(node, poolUuid) ?? assert.fail('the pool has no daemon');
    await mounter.kill();
    process.kill(daemon, 'SIGKILL');
    await mounter.restart();
    await mounter.ready(poolUuid);
    const target = newTarget();
    await bind(target);
    assert.equal(readFileSync(path.join(target, 'one'), 'utf8'), sampleText('set/one'));
    await unbind(target);
  });

  it('leaves the lock to a command that it no longer waits for', async () => {
    node.spoil('[ "$1" = logplay ] && { echo $$ >> $NOTES; sleep 1000; }');
    const waiting = mounter.calls
      .bind({ poolUuid, path: 'none', target: newTarget(), volumeId: 'none' })
      .catch((error: unknown) => error);
    await waitUntil('a command runs', () => node.notes().length > 0);
    const command = Number(node.notes()[0]);
    await mounter.kill();
    await waiting;
    assert.equal(tryFileLock(node.lockFile(poolUuid)), undefined);
    node.mend();
    node.clearNotes();
    await mounter.restart();
    const target = newTarget();
    const bound = bind(target);
    assert.equal(tryFileLock(node.lockFile(poolUuid)), undefined, 'nobody has taken it');
    process.kill(-command, 'SIGKILL');
    assert.equal((await bound).alreadyBound, false);
    await unbind(target);
    await mounter.ready(poolUuid);
  });

  it('takes up the mount that a command makes for which a killed mounter did not wait', async () => {
    node.spoil(
      'case "$*" in *" -D "*) ;; "mount "*) echo $$ >> $NOTES; while [ -s $NOTES ]; do sleep 0.05; done ;; esac',
    );
    process.kill(cluster.daemonOf(node, poolUuid) ?? assert.fail('the pool has no daemon'), 'SIGKILL');
    await waitUntil('the pool is being mounted', () => node.notes().length > 0);
    await mounter.kill();
    node.mend();
    const back = mounter.restart();
    await waitUntil('the next one has begun', () => mounter.client.view.problem === undefined);
    node.clearNotes();
    await back;
    await mounter.ready(poolUuid);
    const target = newTarget();
    await bind(target);
    assert.equal(readFileSync(path.join(target, 'one'), 'utf8'), sampleText('set/one'));
    await unbind(target);
  });

  it('clears what a killed mounter has left of famfs while no device is looked at', async () => {
    for (const name of ['famfs_dummy_Ab12Cd', 'famfs_shadow_Ef34Gh/root/.meta'])
      mkdirSync(path.join(node.places.tmp, name), { recursive: true });
    await waitUntil('it is gone', () => readdirSync(node.places.tmp).length === 0);
  });

  it('clears the dummy mount that a killed mounter has left on a device', async () => {
    const lateUuid = await node.plugAnd('dax1.0', async () => {
      const uuid = await node.format('dax1.0');
      const args = ['mount', '--fuse', '-D', node.device('dax1.0')];
      assert.equal((await runCommand(`${node.places.programs}/famfs`, args)).exitCode, 0);
      assert.ok(readdirSync(node.places.tmp).length > 0, 'the dummy mount is there');
      return uuid;
    });
    await mounter.ready(lateUuid);
    assert.deepEqual(readdirSync(node.places.tmp), []);
  });
});

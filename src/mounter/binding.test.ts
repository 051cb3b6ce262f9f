// Binding and unbinding by a real mounter on a simulated node: rules 5, 6, 8 and 9 of the mounter.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { CountingProcess } from '../../test/counting-process.ts';
import { sourceProgram } from '../../test/driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples, sampleText } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { runCommand } from '../linux/child-process.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem } from '../linux/mounts.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('binding a path of a pool', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let pods = 0;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), {
      llama: ['config', 'weights'],
      other: ['data'],
    });
    await node.cp(samples, poolUuid, 'models');
  });
  after(() => cluster.close());

  const newTarget = (): string => node.target(`pod${pods++}`);
  const bind = (target: string, order: Partial<Parameters<RunningMounter['calls']['bind']>[0]> = {}) =>
    mounter.calls.bind({ poolUuid, path: 'models/llama', target, volumeId: 'volume-1', ...order });
  const unbind = (target: string, volumeId = '') => mounter.calls.unbind({ target, volumeId });
  const mountsAt = (target: string) => readMountTable().filter((entry) => entry.mountPoint === target);

  it('shows the files of the path and nothing else, read-only, nosuid, nodev and noexec', async () => {
    const target = newTarget();
    const { alreadyBound } = await bind(target);
    assert.equal(alreadyBound, false);
    assert.deepEqual(readdirSync(target).sort(), ['config', 'weights']);
    assert.equal(readFileSync(path.join(target, 'weights'), 'utf8'), sampleText('llama/weights'));
    assert.throws(() => writeFileSync(path.join(target, 'weights'), 'x'), { code: 'EROFS' });
    const [mount, ...more] = mountsAt(target);
    assert.equal(more.length, 0);
    assert.equal(mount?.root, '/models/llama');
    for (const option of ['ro', 'nosuid', 'nodev', 'noexec'])
      assert.ok(mount?.mountOptions.includes(option), option);
    assert.deepEqual(await unbind(target), { wasBound: true });
    assert.equal(existsSync(target), false);
  });

  it('allows programs to be run only when asked to', async () => {
    const target = newTarget();
    await bind(target, { allowExec: true });
    assert.equal(mountsAt(target)[0]?.mountOptions.includes('noexec'), false);
    await unbind(target);
  });

  it('is never writable, not even in the moment it appears', async () => {
    const target = newTarget();
    const writer = new CountingProcess('write', path.join(target, 'weights'));
    try {
      await waitUntil('the writer has met the bind some fifty times', async () => {
        await bind(target);
        await unbind(target);
        return (writer.counts.EROFS ?? 0) > 50;
      });
      assert.equal(writer.counts.written, undefined, JSON.stringify(writer.counts));
    } finally {
      await writer.end();
    }
  });

  it('changes nothing when it is repeated, and one unbind ends it', async () => {
    const target = newTarget();
    const first = await bind(target);
    const again = await bind(target);
    assert.deepEqual(again, { alreadyBound: true, mountId: first.mountId });
    assert.equal(mountsAt(target).length, 1);
    assert.deepEqual(await unbind(target), { wasBound: true });
    assert.deepEqual(await unbind(target), { wasBound: false });
    assert.deepEqual(mountsAt(target), []);
  });

  it('makes one mount of 32 identical calls at once', async () => {
    const target = newTarget();
    const answers = await Promise.all(Array.from({ length: 32 }, () => bind(target)));
    assert.equal(answers.filter(({ alreadyBound }) => !alreadyBound).length, 1);
    assert.equal(new Set(answers.map(({ mountId }) => mountId)).size, 1);
    assert.equal(mountsAt(target).length, 1);
    await unbind(target);
  });

  it('leaves what some serial order of mixed calls at once would leave', async () => {
    const target = newTarget();
    const calls = Array.from({ length: 32 }, (_, index) => (index % 3 === 0 ? unbind(target) : bind(target)));
    await Promise.all(calls);
    const isBound = mountsAt(target).length === 1;
    assert.ok(mountsAt(target).length <= 1);
    assert.equal(existsSync(target), isBound, 'the directory is there exactly when the mount is');
    const { binds } = await mounter.calls.listBinds({});
    assert.equal(binds.filter((each) => each.target === target).length, isBound ? 1 : 0);
    await unbind(target);
  });

  it('is refused where the target holds another volume, path or way of access, and leaves that alone', async () => {
    const target = newTarget();
    const { mountId } = await bind(target);
    const others = [
      { volumeId: 'volume-2' },
      { path: 'models/other' },
      { allowExec: true },
      { soleTarget: true },
    ];
    for (const order of others) {
      await assert.rejects(bind(target, order), { reason: 'already-published' }, JSON.stringify(order));
    }
    await assert.rejects(unbind(target, 'volume-2'), { reason: 'not-published', message: /volume-1/ });
    assert.deepEqual(await bind(target), { alreadyBound: true, mountId });
    await unbind(target, 'volume-1');
  });

  it('is refused on a mount that is not ours, and says what that is', async () => {
    const target = newTarget();
    mkdirSync(target);
    mountFileSystem({ source: 'somebody', target, type: 'tmpfs' });
    await assert.rejects(bind(target), { reason: 'already-published', message: /somebody/ });
    await unbind(target);
  });

  it('keeps a volume with one target to that target until it is unbound', async () => {
    const [first, second] = [newTarget(), newTarget()];
    await bind(first, { volumeId: 'single', soleTarget: true });
    await assert.rejects(bind(second, { volumeId: 'single' }), {
      reason: 'second-target-refused',
      message: new RegExp(first),
    });
    assert.equal(existsSync(second), false);
    await unbind(first);
    await bind(second, { volumeId: 'single' });
    await assert.rejects(bind(first, { volumeId: 'single', soleTarget: true }), {
      reason: 'second-target-refused',
    });
    await unbind(second);
  });

  it('gives a volume with one target to one of many that ask at once', async () => {
    const targets = Array.from({ length: 8 }, newTarget);
    const ends = await Promise.allSettled(
      targets.map((target) => bind(target, { volumeId: 'raced', soleTarget: true })),
    );
    const refusals = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason.reason] : []));
    assert.deepEqual(
      refusals,
      Array.from({ length: 7 }, () => 'second-target-refused'),
    );
    assert.equal(targets.filter((target) => mountsAt(target).length === 1).length, 1);
    for (const target of targets) await unbind(target);
  });

  it('never shows the root of a pool or what famfs keeps in it, whatever the path is', async () => {
    const target = newTarget();
    for (const hostile of [
      '',
      '.',
      '/',
      '.meta',
      '.meta/.log',
      'models/../..',
      'models/../.meta',
      '../a',
      'models//llama',
      '\0',
    ]) {
      await assert.rejects(
        bind(target, { path: hostile }),
        { reason: 'invalid-argument' },
        JSON.stringify(hostile),
      );
    }
    assert.equal(existsSync(target), false);
    await bind(target);
    assert.equal(existsSync(path.join(target, '.meta')), false);
    assert.throws(() => statSync(path.join(target, '../.meta')), { code: 'ENOENT' });
    await unbind(target);
    assert.match(mounter.pool(poolUuid)?.mountPath ?? '', /famfs/);
  });

  it('takes a directory of the log, not a file and not what is not there', async () => {
    const target = newTarget();
    await assert.rejects(bind(target, { path: 'models/llama/weights' }), { reason: 'path-not-directory' });
    await assert.rejects(bind(target, { path: 'models/none' }), { reason: 'path-not-found' });
    await assert.rejects(bind(target, { poolUuid: '00000000-0000-4000-8000-000000000000' }), {
      reason: 'pool-not-found',
    });
    await assert.rejects(bind(target, { volumeId: '' }), { reason: 'invalid-argument' });
    assert.equal(existsSync(target), false);
  });

  it('needs the directory above the target, and a directory or nothing at it', async () => {
    await assert.rejects(bind(path.join(node.places.kubelet, 'pods/gone/volumes/mount')), {
      reason: 'target-unusable',
    });
    const target = newTarget();
    writeFileSync(target, 'a file');
    await assert.rejects(bind(target), { reason: 'target-unusable' });
    assert.deepEqual(await unbind(target), { wasBound: false });
    assert.equal(readFileSync(target, 'utf8'), 'a file');
  });

  it('unmounts everything that was stacked on a target', async () => {
    const target = newTarget();
    await bind(target);
    for (let layer = 0; layer < 3; layer++) mountFileSystem({ source: 'over it', target, type: 'tmpfs' });
    assert.deepEqual(await unbind(target), { wasBound: true });
    assert.deepEqual(mountsAt(target), []);
    assert.equal(existsSync(target), false);
  });

  it('deletes nothing that it finds in a target', async () => {
    const target = newTarget();
    mkdirSync(path.join(target, 'kept/deep'), { recursive: true });
    await bind(target);
    await assert.rejects(unbind(target), { reason: 'target-unusable', message: /not deleted/ });
    assert.deepEqual(mountsAt(target), []);
    assert.ok(existsSync(path.join(target, 'kept/deep')));
  });

  it('detaches a target that a process still stands in, which can read on', async () => {
    const target = newTarget();
    await bind(target);
    const reader = spawn('sh', ['-c', 'read _; cat weights'], {
      cwd: target,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(reader, 'spawn');
    await waitUntil('the reader stands in the target', () => {
      return readFileSync(`/proc/${reader.pid}/comm`, 'utf8') === 'sh\n';
    });
    assert.deepEqual(await unbind(target), { wasBound: true });
    assert.equal(existsSync(target), false);
    let text = '';
    reader.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const ended = once(reader, 'close');
    reader.stdin.end('\n');
    await ended;
    assert.equal(text, sampleText('llama/weights'));
  });

  it('lists binds with the volume each was made for, and forgets what somebody else unmounts', async () => {
    const [first, second] = [newTarget(), newTarget()];
    const one = await bind(first, { volumeId: 'listed-1' });
    await bind(second, { volumeId: 'listed-2', path: 'models/other' });
    const { binds } = await mounter.calls.listBinds({ volumeId: 'listed-1' });
    assert.deepEqual(binds, [
      {
        mountId: one.mountId,
        target: first,
        poolUuid,
        path: 'models/llama',
        writable: false,
        volumeId: 'listed-1',
      },
    ]);
    await mounter.untilPool(poolUuid, 'counts two binds', (pool) => pool.binds === 2);
    await runCommand('umount', [first]);
    assert.deepEqual((await mounter.calls.listBinds({ volumeId: 'listed-1' })).binds, []);
    assert.deepEqual(
      (await mounter.calls.listBinds({})).binds.map(({ volumeId }) => volumeId),
      ['listed-2'],
    );
    await Promise.all([unbind(first), unbind(second)]);
    assert.deepEqual(readdirSync(node.places.binds), [], 'no record outlives its mount');
  });

  it('tells what a path holds out of the log', async () => {
    const size = BigInt(sampleText('llama/config').length);
    const directory = await mounter.calls.stat({ poolUuid, path: 'models/llama' });
    assert.equal(directory.type, 'dir');
    assert.equal(directory.sizeBytes, size + BigInt(sampleText('llama/weights').length));
    assert.equal(directory.allocatedBytes, 2n * 0x200000n);
    assert.equal(directory.logEntries, 3n);
    const file = await mounter.calls.stat({ poolUuid, path: 'models/llama/config' });
    assert.deepEqual([file.type, file.sizeBytes, file.logEntries], ['file', size, 1n]);
    await assert.rejects(mounter.calls.stat({ poolUuid, path: '.meta/.log' }), {
      reason: 'invalid-argument',
    });
  });

  it('judges the health of a pool, a path and a target', async () => {
    const target = newTarget();
    await bind(target);
    const problemsOf = async (request: { path?: string; target?: string; poolUuid?: string }) =>
      (await mounter.calls.checkHealth({ poolUuid, ...request })).problems.map(({ reason }) => reason);
    assert.deepEqual(await problemsOf({ path: 'models/llama', target }), []);
    assert.deepEqual(await problemsOf({}), []);
    assert.deepEqual(await problemsOf({ path: 'models/other', target }), ['not-published']);
    await unbind(target);
    assert.deepEqual(await problemsOf({ path: 'models/llama', target }), ['not-published']);
    assert.deepEqual(await problemsOf({ path: 'models/none' }), ['path-not-found']);
    assert.deepEqual(await problemsOf({ poolUuid: '00000000-0000-4000-8000-000000000000' }), [
      'pool-not-found',
    ]);
  });

  it('calls a simulated mapping simulated, though its pages lie where the device claims to', async () => {
    const { kind, mappedBytes, evidence } = await mounter.calls.inspectMapping({
      poolUuid,
      path: 'models/llama/weights',
    });
    assert.equal(kind, 4, evidence);
    assert.equal(mappedBytes, BigInt(sampleText('llama/weights').length));
    assert.equal(mounter.pool(poolUuid)?.simulated, true);
  });

  it('serves on a socket for root alone, and leaves the socket of a living mounter to it', async () => {
    const { mounterSocket } = node.places;
    assert.equal(statSync(mounterSocket).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(mounterSocket)).mode & 0o777, 0o700);
    // So that there is no moment, between making a socket or a file and giving it its mode, in which others can use it.
    assert.match(readFileSync(`/proc/${mounter.pid}/status`, 'utf8'), /^Umask:\s+0077$/m);
    const [file = '', ...args] = [...sourceProgram, 'mounter', '--socket', mounterSocket];
    const second = await runCommand(file, [
      ...args,
      ...[
        '--pool-dir',
        path.join(cluster.directory, 'famfs2'),
        '--shadow-dir',
        path.join(cluster.directory, 'shadow2'),
      ],
      ...[
        '--lock-dir',
        path.join(cluster.directory, 'locks2'),
        '--state-dir',
        path.join(cluster.directory, 'binds2'),
      ],
    ]);
    assert.equal(second.exitCode, 1);
    assert.match(second.stderr, /socket-refused/);
    assert.equal((await mounter.calls.getState({})).settled, true);
  });
});

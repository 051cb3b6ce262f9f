// Taking a pool down on request, keeping it down, and making another one of its memory.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { acquireFileLock } from '../linux/file-lock.ts';
import { poolPhase, poolRole } from './client.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const fileBytes = 4n << 20n;

describe('a pool that is released', { skip }, () => {
  let cluster: SimulatedCluster;
  let master: ClusterNode;
  let client: ClusterNode;
  let atMaster: RunningMounter;
  let atClient: RunningMounter;
  let poolUuid: string;
  const processes = new Set<ChildProcess>();

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    master = await cluster.addNode('a');
    client = await cluster.addNode('b', { devices: { 'dax7.0': 'memory' }, mode: 'standalone' });
    poolUuid = await master.format('dax0.0');
    atMaster = cluster.startMounter(master, { 'allow-format': 'reset' });
    atClient = cluster.startMounter(client);
    await Promise.all([atMaster.ready(poolUuid), atClient.ready(poolUuid)]);
    await make(poolUuid, 'v/old');
  });
  after(async () => {
    for (const child of processes) child.kill('SIGKILL');
    await cluster.close();
  });

  async function make(uuid: string, directory: string): Promise<void> {
    const files = [{ name: 'data', sizeBytes: fileBytes }];
    const order = { ...{ poolUuid: uuid, directory, files }, mode: 0o644, uid: 1000, gid: 1000 };
    for await (const _ of atMaster.calls.makeFiles(order, {}));
  }
  const release = (mounter: RunningMounter, hold = true) => mounter.calls.releasePool({ poolUuid, hold });
  const bind = (node: ClusterNode, mounter: RunningMounter, pod: string) =>
    mounter.calls.bind({ poolUuid, path: 'v/old', target: node.target(pod), volumeId: pod });
  const isMounted = (node: ClusterNode): boolean =>
    cluster.mountPoints().includes(path.normalize(node.poolPath(poolUuid)));
  const heldNotes = (node: ClusterNode): string[] =>
    readdirSync(node.places.locks).filter((name) => name.startsWith('held-'));

  it('is not one while a bind of it lives, and serves on', async () => {
    await bind(client, atClient, 'pod');
    await assert.rejects(release(atClient), {
      reason: 'pool-in-use',
      message: new RegExp(`volume pod at ${client.target('pod')}`),
    });
    assert.equal(atClient.pool(poolUuid)?.held, false);
    await bind(client, atClient, 'pod2');
    await atClient.calls.unbind({ target: client.target('pod2') });
  });

  it('is not one while a copy of it lives in another mount namespace', async () => {
    const script = 'echo copied; exec sleep 600';
    const holder = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    processes.add(holder);
    await once(holder.stdout ?? assert.fail(), 'data');
    await atClient.calls.unbind({ target: client.target('pod') });
    await assert.rejects(release(atClient), {
      reason: 'pool-in-use',
      message: new RegExp(`pid ${holder.pid}`),
    });
    assert.deepEqual([isMounted(client), heldNotes(client)], [true, []]);
    const ended = once(holder, 'exit');
    holder.kill('SIGKILL');
    await ended;
    processes.delete(holder);
    await atClient.ready(poolUuid);
  });

  it('is not one while a process works in it', async () => {
    const fd = openSync(client.poolPath(poolUuid, 'v/old/data'), 'r');
    await assert.rejects(release(atClient), { reason: 'pool-in-use', message: /cannot be unmounted/ });
    closeSync(fd);
    assert.equal(isMounted(client), true);
    await atClient.ready(poolUuid);
  });

  it('is held only when its mount is down, however long that takes', async () => {
    const lock = await acquireFileLock(path.join(client.places.locks, 'machine'));
    const released = release(atClient);
    try {
      await waitUntil('the hold is noted', () => heldNotes(client).length > 0);
      const { pools } = await atClient.calls.getState({});
      assert.deepEqual([isMounted(client), pools.map(({ held }) => held)], [true, [false]]);
    } finally {
      lock.release();
      await released;
    }
    await atClient.untilPool(poolUuid, 'is held', ({ held }) => held);
    assert.equal(isMounted(client), false);
    await release(atClient, false);
    await atClient.ready(poolUuid);
  });

  it('goes with its daemon, stays away, and refuses what is asked of it', async () => {
    await release(atMaster);
    assert.equal(isMounted(master), false);
    assert.equal(cluster.daemonOf(master, poolUuid), undefined);
    const pool = await atMaster.untilPool(poolUuid, 'is held', ({ held }) => held);
    assert.deepEqual(
      [pool.phase, pool.problem?.reason, pool.mode],
      [poolPhase.POOL_PHASE_FOUND, 'pool-released', 0],
    );
    await assert.rejects(bind(master, atMaster, 'late'), { reason: 'pool-released' });
    await assert.rejects(make(poolUuid, 'v/late'), { reason: 'pool-released' });
    await release(atMaster);
    // Two looks at the device, by which it would have come back.
    const looks = () => atMaster.log.split('device looked at').length;
    const before = looks();
    await waitUntil('the device was looked at again', () => looks() >= before + 2);
    assert.equal(isMounted(master), false);
  });

  it('stays away from a mounter that is started again', async () => {
    await atMaster.kill();
    await atMaster.restart();
    const pool = await atMaster.untilPool(poolUuid, 'is held', ({ held }) => held);
    assert.equal(pool.problem?.reason, 'pool-released');
    assert.equal(isMounted(master), false);
    await assert.rejects(bind(master, atMaster, 'late'), { reason: 'pool-released' });
  });

  it('comes back when the hold is lifted', async () => {
    await release(atMaster, false);
    await atMaster.ready(poolUuid);
    assert.deepEqual([atMaster.pool(poolUuid)?.held, heldNotes(master)], [false, []]);
    await release(atMaster, false);
    await bind(master, atMaster, 'back');
    await atMaster.calls.unbind({ target: master.target('back') });
  });

  it('is finished by the next mounter when the first was killed in the middle', async () => {
    writeFileSync(path.join(master.places.locks, `held-${poolUuid}`), 'dax0.0');
    await atMaster.kill();
    assert.equal(isMounted(master), true);
    await atMaster.restart();
    await atMaster.untilPool(poolUuid, 'is held', ({ held, phase }) => {
      return held && phase === poolPhase.POOL_PHASE_FOUND;
    });
    assert.equal(isMounted(master), false);
    await waitUntil('its daemon has gone', () => cluster.daemonOf(master, poolUuid) === undefined);
  });

  it('ends when its memory is formatted anew, on all nodes, and nothing of it is left to be read', async () => {
    await release(atMaster, false);
    await atMaster.ready(poolUuid);
    const secret = openSync(master.poolPath(poolUuid, 'v/old/data'), 'r+');
    writeSync(secret, Buffer.alloc(Number(fileBytes), 0xab));
    closeSync(secret);
    const order = { device: 'dax0.0', replaceUuid: poolUuid };
    await assert.rejects(atMaster.calls.formatDevice(order), { reason: 'pool-in-use' });
    await Promise.all([release(atMaster), release(atClient)]);
    const { poolUuid: newUuid } = await atMaster.calls.formatDevice(order);
    await Promise.all([atMaster.ready(newUuid), atClient.ready(newUuid)]);
    await assert.rejects(atMaster.calls.formatDevice(order), {
      reason: 'pool-in-use',
      message: new RegExp(
        `serves the pool ${newUuid}, .* and it is not ${poolUuid}, which was to be replaced`,
      ),
    });
    for (const mounter of [atMaster, atClient]) {
      const old = await mounter.untilPool(
        poolUuid,
        'is lost',
        ({ phase }) => phase === poolPhase.POOL_PHASE_LOST,
      );
      assert.deepEqual([old.problem?.reason, old.held], ['pool-reformatted', false]);
    }
    assert.deepEqual([heldNotes(master), heldNotes(client)], [[], []]);
    assert.equal(atMaster.pool(newUuid)?.role, poolRole.ROLE_MASTER);
    assert.equal(atClient.pool(newUuid)?.role, poolRole.ROLE_CLIENT);

    await make(newUuid, 'v/new');
    const newFile = master.poolPath(newUuid, 'v/new/data');
    assert.ok(
      readFileSync(newFile).equals(Buffer.alloc(Number(fileBytes), 0xab)),
      'famfs itself clears nothing',
    );
    for await (const _ of atMaster.calls.zeroFiles(
      { poolUuid: newUuid, directory: 'v/new', names: ['data'] },
      {},
    ));
    await atClient.untilPool(newUuid, 'has replayed', ({ logEntriesReplayed }) => logEntriesReplayed === 3n);
    for (const node of [master, client])
      assert.ok(readFileSync(node.poolPath(newUuid, 'v/new/data')).equals(Buffer.alloc(Number(fileBytes))));
  });
});

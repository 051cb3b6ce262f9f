// What a mounter does when a pool's daemon, memory, identity or device is not what it was: rules 3, 4 and 7.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { HungFileSystem } from '../../test/hung-file-system.ts';
import { holdInNamespace, mountElsewhere } from '../../test/mounted-elsewhere.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples, sampleText } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { poolPhase } from './client.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a pool that is not what it was', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  /** On other memory: nothing that happens to the first may touch it. */
  let soundUuid: string;
  let pods = 0;

  before(async () => {
    cluster = new SimulatedCluster();
    await Promise.all(['memory', 'sound', 'late'].map((name) => cluster.addMemory(name)));
    const devices = { 'dax0.0': 'memory', 'dax1.0': 'sound', 'dax2.0': 'late' };
    [node, other] = await Promise.all([cluster.addNode('a', { devices }), cluster.addNode('b')]);
    [poolUuid, soundUuid] = await Promise.all([node.format('dax0.0'), node.format('dax1.0')]);
    node.unplug('dax2.0');
    mounter = cluster.startMounter(node, { 'probe-timeout': '1s' });
    await mounter.ready(poolUuid, soundUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { set: ['data'] });
    await Promise.all([
      node.cp(path.join(samples, 'set'), poolUuid, 'set'),
      node.cp(path.join(samples, 'set'), soundUuid, 'set'),
    ]);
    await mounter.untilPool(poolUuid, 'shows the set', (pool) => pool.logEntriesReplayed === 2n);
  });
  after(() => cluster.close());

  const newTarget = (): string => node.target(`pod${pods++}`);
  const bind = (target: string, uuid = poolUuid) =>
    mounter.calls.bind({ poolUuid: uuid, path: 'set', target, volumeId: target });
  const unbind = (target: string) => mounter.calls.unbind({ target });
  const daemon = (): number => cluster.daemonOf(node, poolUuid) ?? assert.fail('the pool has no daemon');

  const workers = (): readonly string[] =>
    cluster.processes().filter((line) => line.includes('mounter-worker') && line.includes(poolUuid));

  /** The other pool serves a bind now. */
  async function assertSound(): Promise<void> {
    const target = newTarget();
    await bind(target, soundUuid);
    assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), sampleText('set/data'));
    await unbind(target);
    assert.equal(mounter.pool(soundUuid)?.phase, poolPhase.POOL_PHASE_READY);
    assert.equal(mounter.pool(soundUuid)?.problem, null);
  }

  it('gets a new daemon by itself when nothing uses it', async () => {
    const killed = daemon();
    process.kill(killed, 'SIGKILL');
    await waitUntil('it has another daemon', () => {
      const pid = cluster.daemonOf(node, poolUuid);
      return pid !== undefined && pid !== killed;
    });
    await mounter.ready(poolUuid);
    assert.match(mounter.log, /reason=pool-dead/);
    const target = newTarget();
    await bind(target);
    assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), sampleText('set/data'));
    await unbind(target);
  });

  it('stays as it is while a dead bind of it lives, and gets a new daemon when that has gone', async () => {
    const [held, refused] = [newTarget(), newTarget()];
    const { mountId } = await bind(held);
    process.kill(daemon(), 'SIGKILL');
    const pool = await mounter.untilProblem(poolUuid, 'pool-dead');
    assert.equal(pool.phase, poolPhase.POOL_PHASE_UNHEALTHY);
    await assert.rejects(bind(refused), { reason: 'pool-dead', message: /must be restarted/ });
    const { problems } = await mounter.calls.checkHealth({ poolUuid, path: 'set', target: held });
    assert.equal(problems[0]?.reason, 'pool-dead');
    await assertSound();
    assert.equal((await mounter.calls.listBinds({})).binds[0]?.mountId, mountId);
    assert.deepEqual(await unbind(held), { wasBound: true });
    await mounter.ready(poolUuid);
    await bind(held);
    assert.equal(readFileSync(path.join(held, 'data'), 'utf8'), sampleText('set/data'));
    await unbind(held);
  });

  it('fails only its own calls while its daemon hangs, and is well again when that goes on', async () => {
    const target = newTarget();
    await bind(target);
    process.kill(daemon(), 'SIGSTOP');
    try {
      await mounter.untilProblem(poolUuid, 'pool-hung');
      await assert.rejects(bind(newTarget()), { reason: 'pool-hung' });
      await assertSound();
      assert.deepEqual(await unbind(target), { wasBound: true }, 'a target can be taken away meanwhile');
    } finally {
      process.kill(daemon(), 'SIGCONT');
    }
    await mounter.ready(poolUuid);
    await bind(target);
    await unbind(target);
  });

  it('is well although the worker that looked at it was killed', async () => {
    const pid = Number.parseInt(workers()[0] ?? assert.fail('the pool has no worker'), 10);
    const lastLookMs = async (uuid: string): Promise<bigint> => {
      const { pools } = await mounter.calls.getState({});
      return pools.find((pool) => pool.uuid === uuid)?.healthyAtMs ?? 0n;
    };
    process.kill(pid, 'SIGSTOP');
    // All pools are looked at together: this one's worker has then been asked, and does not answer.
    for (let look = 0; look < 2; look++) {
      const before = await lastLookMs(soundUuid);
      await waitUntil('the other pool was looked at', async () => (await lastLookMs(soundUuid)) > before);
    }
    const stoppedAtMs = await lastLookMs(poolUuid);
    process.kill(pid, 'SIGKILL');
    await waitUntil('another worker answers', async () => (await lastLookMs(poolUuid)) > stoppedAtMs);
    await mounter.ready(poolUuid);
    assert.doesNotMatch(mounter.log, /pool not usable.*reason=operation-pending/);
  });

  it('tells who waits for a replay that hangs why, instead of letting him wait', async () => {
    node.spoil('[ "$1" = logplay ] && { echo $$ >> $NOTES; exec sleep 1000; }');
    const order = { poolUuid, path: 'missing', target: newTarget(), volumeId: 'missing' };
    const refused = assert.rejects(mounter.calls.bind(order), { reason: 'pool-hung' });
    await waitUntil('a replay is under way', () => node.notes().length > 0);
    process.kill(daemon(), 'SIGSTOP');
    try {
      await refused;
      await assertSound();
    } finally {
      process.kill(daemon(), 'SIGCONT');
      node.mend();
      process.kill(-Number(node.notes()[0]), 'SIGKILL');
      node.clearNotes();
    }
    await mounter.ready(poolUuid);
  });

  it('never has more than one worker stuck in a mount that lets nobody go', async () => {
    const hung = new HungFileSystem(node.poolPath(poolUuid));
    try {
      await hung.takeRequest();
      await mounter.untilProblem(poolUuid, 'pool-hung');
      for (let call = 0; call < 3; call++) await assert.rejects(bind(newTarget()), { reason: 'pool-hung' });
      await assertSound();
      assert.equal(workers().length, 1);
    } finally {
      hung.end();
    }
    await mounter.ready(poolUuid);
    await assertSound();
    assert.equal(workers().length, 1);
  });

  it('is taken up anew when its worker dies of itself', async () => {
    const worker = cluster
      .processes()
      .find((line) => line.includes('mounter-worker') && line.includes(poolUuid));
    process.kill(Number.parseInt(worker ?? assert.fail('the pool has no worker'), 10), 'SIGKILL');
    const target = newTarget();
    await waitUntil('it binds again', async () => {
      try {
        await bind(target);
        return true;
      } catch {
        return false;
      }
    });
    await unbind(target);
    await mounter.ready(poolUuid);
  });

  it('is watched while the mount of another one takes its time', async () => {
    node.spoil('case "$1 $*" in "mount "*" -D "*) ;; "mount "*) echo $$ >> $NOTES; exec sleep 1000 ;; esac');
    const target = newTarget();
    await bind(target, soundUuid);
    process.kill(daemon(), 'SIGKILL');
    await waitUntil('a mount is under way', () => node.notes().length > 0);
    process.kill(cluster.daemonOf(node, soundUuid) ?? assert.fail('no daemon'), 'SIGKILL');
    await mounter.untilProblem(soundUuid, 'pool-dead');
    await assert.rejects(bind(newTarget(), soundUuid), { reason: 'pool-dead' });
    node.mend();
    process.kill(-Number(node.notes()[0]), 'SIGKILL');
    node.clearNotes();
    await unbind(target);
    await mounter.ready(poolUuid, soundUuid);
  });

  it('is mounted anew when its memory has failed and works again', async () => {
    const poison = path.join(cluster.memory(), 'poisoned');
    const target = newTarget();
    await bind(target);
    writeFileSync(poison, `${node.places.root}\n`);
    await mounter.untilProblem(poolUuid, 'pool-memory-failed');
    await assert.rejects(bind(newTarget()), { reason: 'pool-memory-failed' });
    await assertSound();
    rmSync(poison);
    await unbind(target);
    await mounter.ready(poolUuid);
    await bind(target);
    await unbind(target);
  });

  it('is lost when its memory carries nothing any more and nothing uses it; its device is free, and it is back with its memory', async () => {
    const file = path.join(cluster.memory(), 'superblock');
    const superblock = readFileSync(file);
    const target = newTarget();
    await bind(target);
    writeFileSync(file, Buffer.alloc(superblock.length), { flag: 'r+' });
    const held = await mounter.untilProblem(poolUuid, 'superblock-refused');
    assert.equal(held.phase, poolPhase.POOL_PHASE_UNHEALTHY);
    assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), sampleText('set/data'));
    await unbind(target);
    await mounter.untilPool(poolUuid, 'is lost', ({ phase }) => phase === poolPhase.POOL_PHASE_LOST);
    await mounter.until('the device carries nothing', ({ devices }) => {
      const device = devices.find(({ name }) => name === 'dax0.0');
      return device?.poolUuid === '' && device.problem?.reason === 'superblock-refused';
    });
    await assert.rejects(bind(target), { reason: 'superblock-refused' });
    await assertSound();
    writeFileSync(file, superblock, { flag: 'r+' });
    await mounter.ready(poolUuid);
    await bind(target);
    await unbind(target);
  });

  it('is not taken from under a copy of its mount that another namespace keeps', async () => {
    const copy = (await holdInNamespace('echo held; read -r _')) ?? assert.fail('there is no copy');
    try {
      process.kill(daemon(), 'SIGKILL');
      await mounter.untilProblem(poolUuid, 'pool-dead');
      await waitUntil('the mounter says who keeps it', () => {
        return new RegExp(`cannot be recovered yet.*sh \\(pid ${copy.process.pid}\\)`).test(mounter.log);
      });
      assert.ok(cluster.mountPoints().includes(node.poolPath(poolUuid)));
      await assertSound();
    } finally {
      await copy.end();
    }
    await mounter.ready(poolUuid);
  });

  it('is not begun while another namespace has its device, and says which process does', async () => {
    const place = path.join(cluster.directory, 'famfs-elsewhere');
    const { lateUuid, end } = await node.plugAnd('dax2.0', async () => ({
      lateUuid: await node.format('dax2.0'),
      end: await mountElsewhere({
        famfs: `${node.places.root}/bin/famfs`,
        device: node.device('dax2.0'),
        place,
        env: { FAMFS_SIM_TMP: `${node.places.root}/run/tmp` },
      }),
    }));
    try {
      const state = await mounter.until('the device is held', (each) => {
        return each.devices.some((device) => device.problem?.reason === 'pool-held-elsewhere');
      });
      const device = state.devices.find(({ name }) => name === 'dax2.0');
      const says = new RegExp(`\\(pid \\d+\\) at ${place}`);
      assert.match(device?.problem?.message ?? '', says);
      await assert.rejects(bind(newTarget(), lateUuid), { reason: 'pool-not-found', message: says });
      assert.equal(cluster.mountPoints().includes(node.poolPath(lateUuid)), false);
    } finally {
      await end();
    }
    await mounter.ready(lateUuid);
  });

  it('is not used for one byte more when another host has formatted it', async () => {
    const target = newTarget();
    await bind(target);
    node.spoil('[ "$1" = logplay ] && echo replay >> $NOTES');
    const newUuid = await other.format('dax0.0', { force: true });
    await assert.rejects(bind(newTarget()), { reason: 'pool-reformatted', message: new RegExp(newUuid) });
    await mounter.untilProblem(poolUuid, 'pool-reformatted');
    assert.deepEqual(node.notes(), [], 'the log of the new pool is not replayed into the old mount');
    await assertSound();
    assert.deepEqual(await unbind(target), { wasBound: true });
    node.mend();
    await mounter.ready(newUuid);
    assert.equal(mounter.pool(newUuid)?.role, 2, 'this node is a client of the new pool');
    assert.equal(mounter.pool(poolUuid)?.phase, poolPhase.POOL_PHASE_LOST);
    await assert.rejects(bind(target), { reason: 'pool-reformatted' });
  });
});

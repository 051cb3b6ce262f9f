// Which devices a mounter takes up and how it takes them up: what is plugged, formatted, selected, and really mounted.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { sourceProgram } from '../../test/driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { EffectFolder } from '../../test/stress/effect-folder.ts';
import { type NodeState, poolPhase } from './client.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('the devices of a node', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let secondUuid: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await Promise.all([
      ...['memory', 'second', 'blank', 'system'].map((name) => cluster.addMemory(name)),
      cluster.addMemory('small', '1GiB'),
    ]);
    node = await cluster.addNode('a', {
      devices: {
        'dax0.0': 'memory',
        'dax1.0': 'second',
        'dax2.0': 'blank',
        'dax3.0': 'small',
        'dax4.0': 'system',
        'dax5.0': 'memory',
      },
    });
    [poolUuid, secondUuid] = await Promise.all([node.format('dax0.0'), node.format('dax1.0')]);
    bindDriver('dax4.0', 'kmem');
    for (const device of ['dax1.0', 'dax2.0', 'dax5.0']) node.unplug(device);
    mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
  });
  after(() => cluster.close());

  const problemOf = (device: string) =>
    mounter.state?.devices.find(({ name }) => name === device)?.problem?.reason;
  const untilProblem = (device: string, reason: string) =>
    mounter.until(`${device} shows ${reason}`, () => problemOf(device) === reason);

  it('tells why one is of no use', async () => {
    await mounter.until('all have been looked at', (state) => state.settled);
    assert.equal(problemOf('dax3.0'), 'device-unsuitable');
    assert.equal(problemOf('dax4.0'), 'device-unsuitable');
    assert.equal(problemOf('dax0.0'), undefined);
    node.plug('dax2.0');
    await untilProblem('dax2.0', 'superblock-refused');
    node.unplug('dax2.0');
    await mounter.until('it is gone', (state) => !state.devices.some(({ name }) => name === 'dax2.0'));
    await assert.rejects(
      mounter.calls.bind({ poolUuid: secondUuid, path: 'x', target: node.target('early'), volumeId: 'v' }),
      { reason: 'pool-not-found', message: new RegExp(secondUuid) },
    );
  });

  it('serves a pool from one of two devices that carry it', async () => {
    node.plug('dax5.0');
    const state = await untilProblem('dax5.0', 'device-unsuitable');
    const device = state.devices.find(({ name }) => name === 'dax5.0');
    assert.equal(device?.poolUuid, poolUuid);
    assert.match(device?.problem?.message ?? '', /served from dax0\.0 already/);
    assert.equal(mounter.pool(poolUuid)?.device, 'dax0.0');
    assert.equal(mounter.pool(poolUuid)?.phase, poolPhase.POOL_PHASE_READY);
    node.unplug('dax5.0');
  });

  it('believes in a mount only when it is there, and tries again', async () => {
    // `-D` is famfs's dummy mount, by which the device is identified; that one works.
    node.spoil('case "$1 $*" in "mount "*" -D "*) ;; "mount "*) exit 0 ;; esac');
    node.plug('dax1.0');
    await mounter.untilPool(secondUuid, 'is not there', (pool) => pool.problem !== null);
    assert.equal(mounter.pool(secondUuid)?.phase, poolPhase.POOL_PHASE_FOUND);
    await assert.rejects(
      mounter.calls.bind({ poolUuid: secondUuid, path: 'x', target: node.target('none'), volumeId: 'v' }),
    );
    assert.equal(cluster.mountPoints().includes(node.poolPath(secondUuid)), false);
    node.mend();
    await mounter.ready(secondUuid);
  });

  it('clears what a failed mount leaves behind, and makes it when the cause has gone', async () => {
    const daemon = cluster.daemonOf(node, secondUuid) ?? assert.fail('the pool has no daemon');
    const incompatible =
      'famfs_mmap_whole_file: mmap(/x/.meta/.superblock) not readable ** Kernel and libfuse are likely incompatible! **';
    node.spoil(
      `case "$1 $*" in "mount "*" -D "*) ;; "mount "*) "$REAL" "$@"; echo '${incompatible}' >&2; echo failed >> $NOTES; exit 99 ;; esac`,
    );
    process.kill(daemon, 'SIGKILL');
    await mounter.untilPool(secondUuid, 'cannot be mounted', (pool) => {
      return pool.phase === poolPhase.POOL_PHASE_FOUND && pool.problem !== null;
    });
    assert.ok(node.notes().length > 0);
    assert.equal(cluster.mountPoints().includes(node.poolPath(secondUuid)), false);
    assert.equal(cluster.daemonOf(node, secondUuid), undefined);
    assert.deepEqual(
      readdirSync(node.places.shadow).filter((name) => name.startsWith(secondUuid)),
      [],
    );
    node.mend();
    node.clearNotes();
    await mounter.ready(secondUuid);
  });

  it('loses a pool whose device has gone, and finds it again on another', async () => {
    const daemon = cluster.daemonOf(node, poolUuid) ?? assert.fail('the pool has no daemon');
    node.unplug('dax0.0');
    await mounter.until(
      'the device is gone',
      (state) => !state.devices.some(({ name }) => name === 'dax0.0'),
    );
    assert.equal(mounter.pool(poolUuid)?.phase, poolPhase.POOL_PHASE_READY, 'its mount still serves');
    process.kill(daemon, 'SIGKILL');
    await mounter.untilPool(poolUuid, 'is lost', (pool) => pool.phase === poolPhase.POOL_PHASE_LOST);
    await assert.rejects(mounter.calls.stat({ poolUuid, path: 'x' }), { reason: 'device-unsuitable' });
    node.plug('dax5.0');
    const pool = await mounter.untilPool(poolUuid, 'is back', (each) => {
      return each.phase === poolPhase.POOL_PHASE_READY;
    });
    assert.equal(pool.device, 'dax5.0');
  });

  it('mounts only the pools it is told to', async () => {
    const chosen = await cluster.addNode('b', { devices: { 'dax0.0': 'memory', 'dax1.0': 'second' } });
    const choosy = cluster.startMounter(chosen, { pools: secondUuid });
    await choosy.ready(secondUuid);
    const state = await choosy.until('both have been looked at', (each) => each.settled);
    assert.match(
      state.devices.find(({ poolUuid: uuid }) => uuid === poolUuid)?.problem?.message ?? '',
      /--pools/,
    );
    assert.deepEqual(
      state.pools.map(({ uuid }) => uuid),
      [secondUuid],
    );
    assert.equal(existsSync(chosen.poolPath(poolUuid)), false);
  });

  it('says what a node cannot do at all', async () => {
    const bare = await cluster.addNode('c');
    rmSync(path.join(bare.places.programs, 'famfs'));
    const useless = cluster.startMounter(bare);
    const state = await useless.until('it is settled', (each) => each.settled);
    assert.deepEqual(
      state.problems.map(({ reason }) => reason),
      ['famfs-missing'],
    );
    assert.equal(state.famfsLocation, 'image');
    await assert.rejects(useless.calls.stat({ poolUuid, path: 'x' }), { reason: 'famfs-missing' });
  });

  function bindDriver(device: string, driver: string): void {
    const link = path.join(node.places.root, 'sys/devices/simulated', device, 'driver');
    rmSync(link);
    symlinkSync(`../../../bus/dax/drivers/${driver}`, link);
  }
});

describe('a famfs daemon that ends while a device is looked at', { skip }, () => {
  let cluster: SimulatedCluster;
  let points: EffectFolder;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-effects-'));

  before(async () => {
    points = new EffectFolder(folder);
    cluster = new SimulatedCluster({ program: [...points.launcher, ...sourceProgram] });
    await cluster.addMemory();
  });
  after(async () => {
    await cluster?.close();
    rmSync(folder, { recursive: true });
  });

  it('is told as that, and not as the end of a pool, and the device is looked at again', async () => {
    const node = await cluster.addNode('a');
    const poolUuid = await node.format('dax0.0');
    // What is opened first is for famfs itself.
    points.arm('dummy daemon: before open backing', 2);
    const mounter = cluster.startMounter(node);
    const problemOf = ({ devices }: NodeState) => devices[0]?.problem?.reason;
    const state = await mounter.until('the look has failed', (each) => problemOf(each) !== undefined);
    assert.ok(points.killedAt);
    assert.equal(problemOf(state), 'operation-pending');
    await mounter.ready(poolUuid);
  });
});

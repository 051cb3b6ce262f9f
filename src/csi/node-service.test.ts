import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { phases, poolA, poolB } from '../../test/fake-mounter.ts';
import { codeOf, ServedCsi, target } from '../../test/served-csi.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { storageHealthTypes, volumeHealthTypes } from './protocol.ts';

let served: ServedCsi;
beforeEach(async () => {
  served = await ServedCsi.open();
});
afterEach(() => served.close());

describe('NodeGetVolumeStats', () => {
  it('tells bytes and log entries of a published volume', async () => {
    await served.publish();
    const { usage } = await served.node.nodeGetVolumeStats({ volumeId: 'vol-1', volumePath: target });
    assert.deepEqual(usage, [
      { unit: 1, total: 6_000_000n, used: 6_000_000n, available: 0n },
      { unit: 2, total: 25_575n, used: 4n, available: 25_565n },
    ]);
  });

  it('answers NOT_FOUND where the volume is not published', async () => {
    await served.publish();
    const stats = (volumeId: string, volumePath: string): Promise<string> =>
      codeOf(served.node.nodeGetVolumeStats({ volumeId, volumePath }));
    assert.equal(await stats('vol-1', `${target}2`), 'NOT_FOUND');
    assert.equal(await stats('vol-2', target), 'NOT_FOUND');
    assert.equal(await stats('', target), 'INVALID_ARGUMENT');
    assert.equal(await stats('vol-1', ''), 'INVALID_ARGUMENT');
  });
});

describe('NodeGetVolumeHealth', () => {
  it('is empty for a sound volume and tells problems by kind, each reason once', async () => {
    await served.publish();
    const health = () => served.node.nodeGetVolumeHealth({ volumeId: 'vol-1', volumePublishPath: target });
    assert.deepEqual((await health()).volumeHealth, { volumeId: 'vol-1', healthStatuses: [] });
    served.fake.problems = [
      { reason: 'pool-dead', message: 'the daemon is gone' },
      { reason: 'pool-dead', message: 'again' },
      { reason: 'log-refused', message: 'entry 7' },
      { reason: 'pool-reformatted', message: 'another UUID' },
      { reason: 'never-heard-of', message: 'new' },
    ];
    assert.deepEqual((await health()).volumeHealth?.healthStatuses, [
      { status: volumeHealthTypes.INACCESSIBLE, reason: 'PoolDead', message: 'the daemon is gone; again' },
      { status: volumeHealthTypes.DEGRADED, reason: 'LogRefused', message: 'entry 7' },
      { status: volumeHealthTypes.DATA_LOSS, reason: 'PoolReformatted', message: 'another UUID' },
      { status: volumeHealthTypes.INACCESSIBLE, reason: 'NeverHeardOf', message: 'new' },
    ]);
  });

  it('looks into a volume that could not be published, and knows no other', async () => {
    const health = (volumeId: string) => served.node.nodeGetVolumeHealth({ volumeId });
    assert.equal(await codeOf(health('vol-1')), 'NOT_FOUND');
    served.fake.failures.set('bind', 'pool-hung');
    await codeOf(served.publish());
    served.fake.problems = [{ reason: 'pool-hung', message: 'no answer for 2 s' }];
    assert.equal((await health('vol-1')).volumeHealth?.healthStatuses[0]?.reason, 'PoolHung');
    await served.unpublish();
    assert.equal(await codeOf(health('vol-1')), 'NOT_FOUND');
  });
});

describe('NodeGetStorageHealth', () => {
  it('reports node, pools and devices, and a mounter that is away', async () => {
    await served.follow();
    const health = async () => (await served.node.nodeGetStorageHealth({})).backendHealth;
    assert.deepEqual(await health(), []);
    served.fake.report({
      settled: true,
      problems: [{ reason: 'kernel-unsupported', message: 'old' }],
      devices: [{ name: 'dax1.0', problem: { reason: 'device-unsuitable', message: 'small' } }],
      pools: [
        {
          uuid: poolA,
          phase: phases.POOL_PHASE_UNHEALTHY,
          problem: { reason: 'pool-dead', message: 'gone' },
        },
        { uuid: poolB, phase: phases.POOL_PHASE_UNHEALTHY, problem: { reason: 'pool-dead', message: 'too' } },
      ],
    });
    await waitUntil('the report arrived', async () => (await health()).length > 0);
    const { STORAGE_UNREACHABLE, STORAGE_DEGRADED } = storageHealthTypes;
    const found = (await health()).map(({ status, reason, message }) => ({ status, reason, message }));
    assert.deepEqual(found, [
      { status: STORAGE_UNREACHABLE, reason: 'KernelUnsupported', message: 'old' },
      { status: STORAGE_UNREACHABLE, reason: 'PoolDead', message: `pool ${poolA}: gone; pool ${poolB}: too` },
      { status: STORAGE_DEGRADED, reason: 'DeviceUnsuitable', message: 'dax1.0: small' },
    ]);
    await served.fake.stop();
    await waitUntil('its absence is seen', async () => (await health())[0]?.reason === 'MounterUnavailable');
  });
});

describe('NodeGetStorageHealth of a pool that another has replaced', () => {
  const lost = {
    uuid: poolA,
    device: 'dax0.0',
    phase: phases.POOL_PHASE_LOST,
    problem: { reason: 'pool-reformatted', message: 'gone' },
  };
  const now = { uuid: poolB, device: 'dax0.0', phase: phases.POOL_PHASE_READY };

  it('tells of it for as long as a pod has it, or nothing serves its memory', async () => {
    await served.follow();
    const reasons = async () =>
      (await served.node.nodeGetStorageHealth({})).backendHealth.map(({ reason }) => reason);
    for (const pools of [[lost], [{ ...lost, binds: 1 }, now], [lost, { ...now, device: 'dax1.0' }]]) {
      served.fake.report({ settled: true, pools });
      await waitUntil('it is told', async () => (await reasons())[0] === 'PoolReformatted');
    }
    served.fake.report({ settled: true, pools: [lost, now] });
    await waitUntil('it is history', async () => (await reasons()).length === 0);
  });
});

describe('NodeGetInfo', () => {
  it('waits for the first look at all devices, then names every pool that is seen', async () => {
    assert.equal(await codeOf(served.node.nodeGetInfo({})), 'UNAVAILABLE');
    await served.follow();
    const info = await served.node.nodeGetInfo({});
    assert.equal(info.nodeId, 'node-1');
    assert.equal(info.maxVolumesPerNode, 0n);
    assert.deepEqual(info.accessibleTopology?.segments, {
      [`topology.famfs.io/pool-${poolA}`]: 'true',
      [`topology.famfs.io/pool-${poolB}`]: 'true',
    });
    served.fake.report({ settled: true, pools: [{ uuid: poolA, phase: phases.POOL_PHASE_LOST }] });
    await waitUntil('the pool is lost', async () => {
      return Object.keys((await served.node.nodeGetInfo({})).accessibleTopology?.segments ?? {}).length === 0;
    });
  });
});

// What an agent reports of its node, for any state that a mounter could tell.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { otherUuid, poolUuid } from '../../test/cluster-objects.ts';
import { bytesOf } from '../kubernetes/quantity.ts';
import type { Device, NodeState, Pool, Problem } from '../mounter/client.ts';
import { type NodeView, nodeReport, tellsTheSame } from './node-report.ts';

const problems: fc.Arbitrary<Problem> = fc.record({
  reason: fc.constantFrom('pool-dead', 'log-refused', 'kernel-unsupported'),
  message: fc.string(),
});
const perhapsProblem = fc.oneof(fc.constant(null), problems);
const sizes = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
const counts = fc.bigInt({ min: 0n, max: 1n << 40n });

const devices: fc.Arbitrary<Device> = fc.record({
  name: fc.string({ minLength: 1 }),
  path: fc.string(),
  sizeBytes: sizes,
  alignBytes: sizes,
  driver: fc.constantFrom('', 'fsdev_dax'),
  poolUuid: fc.constantFrom('', '11111111-1111-4111-8111-111111111111'),
  problem: perhapsProblem,
});
const uuids = fc.constantFrom(poolUuid, otherUuid);
const pools: fc.Arbitrary<Pool> = fc.record({
  uuid: fc.oneof(uuids, fc.uuid()),
  device: fc.string(),
  phase: fc.integer({ min: 0, max: 7 }),
  problem: perhapsProblem,
  role: fc.integer({ min: 0, max: 4 }),
  mode: fc.integer({ min: 0, max: 4 }),
  mountPath: fc.string(),
  sizeBytes: sizes,
  freeBytes: sizes,
  longestFreeRunBytes: sizes,
  logEntriesTotal: counts,
  logEntriesUsed: counts,
  logEntriesReplayed: counts,
  binds: fc.nat(),
  simulated: fc.boolean(),
  held: fc.boolean(),
  writers: fc.constantFrom('never', 'safe', 'unsafe', 'of a newer mounter'),
  healthyAtMs: counts,
  allocationUnitBytes: sizes,
});
const states: fc.Arbitrary<NodeState> = fc.record({
  revision: counts,
  settled: fc.boolean(),
  systemUuid: fc.constantFrom('', 'aaaaaaaa-1111-4111-8111-111111111111'),
  mode: fc.integer({ min: 0, max: 4 }),
  launcher: fc.string(),
  famfsLocation: fc.string(),
  kernelRelease: fc.string(),
  allowWrites: fc.string(),
  allowFormat: fc.string(),
  protocolVersion: fc.nat(),
  problems: fc.array(problems, { maxLength: 2 }),
  devices: fc.uniqueArray(devices, { selector: ({ name }) => name, maxLength: 5 }),
  pools: fc.uniqueArray(pools, { selector: ({ uuid }) => uuid, maxLength: 5 }),
});
const views: fc.Arbitrary<NodeView> = fc.record({
  state: fc.option(states, { nil: undefined }),
  problem: fc.option(problems, { nil: undefined }),
  binds: fc.option(
    fc.array(fc.record({ volumeId: fc.string(), poolUuid: uuids, path: fc.constantFrom('v/a', 'v/b', 'c') })),
    { nil: undefined },
  ),
  formats: fc.constant([]),
});

const at = (second: number) => ({ driverVersion: '1.2.3', now: new Date(second * 1000) });
const [first, later] = [at(1_000_000), at(2_000_000)];
const settled = (view: NodeView): boolean => view.state?.settled === true;

describe('the report of a node', () => {
  it('tells each device and each pool once, in order, and its sizes to the byte', () => {
    fc.assert(
      fc.property(views.filter(settled), (view) => {
        const report = nodeReport(view, undefined, first);
        const byName = (view.state?.devices ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1));
        assert.deepEqual(
          report.devices.map(({ name, size, fileSystemUUID }) => [name, bytesOf(size), fileSystemUUID ?? '']),
          byName.map(({ name, sizeBytes, poolUuid }) => [name, sizeBytes, poolUuid]),
        );
        const byUuid = (view.state?.pools ?? []).toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1));
        assert.deepEqual(
          report.pools.map((pool) => [
            ...[pool.uuid, bytesOf(pool.free), bytesOf(pool.longestFreeRun)],
            ...[BigInt(pool.logEntriesUsed), BigInt(pool.logEntriesReplayed), pool.problem?.message],
          ]),
          byUuid.map((pool) => [
            ...[pool.uuid, pool.freeBytes, pool.longestFreeRunBytes],
            ...[pool.logEntriesUsed, pool.logEntriesReplayed, pool.problem?.message],
          ]),
        );
      }),
    );
  });

  it('can be written as JSON and read back the same', () => {
    fc.assert(
      fc.property(views, (view) => {
        const report = nodeReport(view, undefined, first);
        assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
      }),
    );
  });

  it('keeps devices and pools of before while they cannot be known, and published volumes likewise', () => {
    fc.assert(
      fc.property(views, views, (before, now) => {
        const previous = nodeReport(before, undefined, first);
        const report = nodeReport(now, previous, later);
        if (!settled(now))
          assert.deepEqual([report.devices, report.pools], [previous.devices, previous.pools]);
        if (now.binds === undefined) assert.deepEqual(report.publishedVolumeIDs, previous.publishedVolumeIDs);
        else {
          const wanted = new Set(now.binds.map(({ volumeId }) => volumeId).filter((id) => id !== ''));
          assert.deepEqual(new Set(report.publishedVolumeIDs), wanted);
          assert.equal(report.publishedVolumeIDs.length, wanted.size);
        }
      }),
    );
  });

  it('tells of each pool what of it is mounted, each path once, and what was when that cannot be known', () => {
    let known = 0;
    fc.assert(
      fc.property(views, views.filter(settled), (before, now) => {
        const previous = nodeReport(before, undefined, first);
        for (const { uuid, boundPaths } of nodeReport(now, previous, later).pools) {
          const told = now.binds?.filter((bind) => bind.poolUuid === uuid).map(({ path }) => path);
          const was = previous.pools.find((pool) => pool.uuid === uuid)?.boundPaths ?? [];
          assert.deepEqual(boundPaths, told === undefined ? was : [...new Set(told)].sort());
          known += boundPaths.length;
        }
      }),
    );
    assert.ok(known > 0);
  });

  it('tells the same when nothing has changed, save for the time of its making', () => {
    fc.assert(
      fc.property(views, (view) => {
        const report = nodeReport(view, undefined, first);
        const again = nodeReport(view, report, later);
        assert.ok(tellsTheSame(again, report));
        assert.deepEqual(again, { ...report, reportedAt: later.now.toISOString() });
      }),
    );
  });

  it('is ready exactly when the mounter answers, has looked, and has no problem; says since when', () => {
    fc.assert(
      fc.property(views, views, (before, now) => {
        const previous = nodeReport(before, undefined, first);
        const [was] = previous.conditions;
        const [is, ...more] = nodeReport(now, previous, later).conditions;
        const isReady = now.problem === undefined && settled(now) && now.state?.problems.length === 0;
        assert.equal(is?.status, isReady ? 'True' : 'False');
        assert.match(is?.reason ?? '', /^[A-Z][A-Za-z]*$/);
        const since = is?.status === was?.status ? first.now : later.now;
        assert.equal(Date.parse(is?.lastTransitionTime ?? ''), since.getTime());
        assert.deepEqual(more, []);
      }),
    );
  });

  it('gives the reason of the mounter that is away', () => {
    const problem = { reason: 'mounter-unavailable', message: 'nobody listens' };
    const view = { state: undefined, problem, binds: undefined, formats: [] };
    const [ready] = nodeReport(view, undefined, first).conditions;
    assert.deepEqual(
      [ready?.status, ready?.reason, ready?.message],
      ['False', 'MounterUnavailable', 'nobody listens'],
    );
  });
});

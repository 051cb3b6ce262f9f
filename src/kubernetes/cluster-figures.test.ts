import assert from 'node:assert/strict';
import { test } from 'node:test';
import { famfsNode, famfsPool, otherUuid, poolUuid, reportedPool } from '../../test/cluster-objects.ts';
import { clusterFigures } from './cluster-figures.ts';
import type { FamfsPoolStatus } from './famfs-pool.ts';

const lastTransitionTime = '2026-01-01T00:00:00Z';

test('objects are figures: sizes in bytes, conditions by word, pools by node', () => {
  const status: FamfsPoolStatus = {
    fileSystemUUID: poolUuid,
    capacity: {
      ...{ size: '8Gi', allocated: '1Gi', free: '7Gi', longestFreeRun: '4Gi', allocationUnit: '2Mi' },
    },
    volumes: { count: 3, live: '512Mi', kept: '0', reusable: '512Mi' },
    logEntries: { used: 12, total: 15000 },
    conditions: [
      { type: 'Ready', status: 'False', reason: 'MasterAway', message: 'It is away.', lastTransitionTime },
    ],
  };
  const figures = clusterFigures({
    famfsPools: { list: () => [famfsPool('shelf', { status }), famfsPool('new')] },
    famfsNodes: {
      list: () => [
        famfsNode('a', {
          pools: [reportedPool(), reportedPool({ uuid: otherUuid, phase: 'Lost', logEntriesReplayed: 4 })],
        }),
      ],
    },
  });
  const gib = 2 ** 30;
  assert.deepEqual(figures.pools(), [
    {
      ...{ pool: 'shelf', poolUuid, sizeBytes: 8 * gib, freeBytes: 7 * gib, longestFreeRunBytes: 4 * gib },
      ...{ reusableBytes: gib / 2, volumes: 3, logEntriesUsed: 12, logEntriesLimit: 15000 },
    },
  ]);
  assert.deepEqual(figures.poolConditions(), [
    { name: 'shelf', condition: 'Ready', status: 'False', reason: 'MasterAway' },
  ]);
  assert.deepEqual(figures.nodeConditions(), [
    { name: 'a', condition: 'Ready', status: 'True', reason: 'MounterServes' },
  ]);
  assert.deepEqual(figures.nodePools(), [
    { node: 'a', poolUuid, phase: 'Ready', logEntriesReplayed: 10 },
    { node: 'a', poolUuid: otherUuid, phase: 'Lost', logEntriesReplayed: 4 },
  ]);
});

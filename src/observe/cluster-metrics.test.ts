import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { addClusterMetrics, type ConditionFigure, type PoolFigures } from './cluster-metrics.ts';

test('pools and nodes are figures as they are when somebody scrapes, and gone when they are', async () => {
  const registry = new Registry();
  let pools: PoolFigures[] = [
    {
      ...{
        pool: 'shelf',
        poolUuid: 'u',
        sizeBytes: 8,
        freeBytes: 7,
        longestFreeRunBytes: 6,
        reusableBytes: 5,
      },
      ...{ volumes: 4, logEntriesUsed: 3, logEntriesLimit: 2 },
    },
  ];
  let conditions: ConditionFigure[] = [
    { name: 'shelf', condition: 'Ready', status: 'False', reason: 'MasterAway' },
  ];
  addClusterMetrics(registry, {
    pools: () => pools,
    poolConditions: () => conditions,
    nodeConditions: () => [{ name: 'a', condition: 'Ready', status: 'True', reason: 'MounterServes' }],
    nodePools: () => [{ node: 'a', poolUuid: 'u', phase: 'Ready', logEntriesReplayed: 3 }],
  });
  const before = await registry.metrics();
  for (const line of [
    ...['size_bytes 8', 'free_bytes 7', 'longest_free_run_bytes 6', 'reusable_bytes 5', 'volumes 4'],
    ...['log_entries_used 3', 'log_entries_limit 2'],
  ].map((text) => `famfs_csi_pool_${text.replace(' ', '{pool="shelf",pool_uuid="u"} ')}\n`))
    assert.ok(before.includes(line), `${line} of ${before}`);
  for (const line of [
    'famfs_csi_pool_condition{pool="shelf",condition="Ready",status="False",reason="MasterAway"} 1\n',
    'famfs_csi_node_condition{node="a",condition="Ready",status="True",reason="MounterServes"} 1\n',
    'famfs_csi_node_pool_phase{node="a",pool_uuid="u",phase="Ready"} 1\n',
    'famfs_csi_node_pool_log_entries_replayed{node="a",pool_uuid="u"} 3\n',
  ])
    assert.ok(before.includes(line), `${line} of ${before}`);
  pools = [];
  conditions = [{ name: 'shelf', condition: 'Ready', status: 'True', reason: 'VolumesCanBeMade' }];
  const after = await registry.metrics();
  assert.ok(!after.includes('famfs_csi_pool_size_bytes{'));
  assert.ok(!after.includes('MasterAway'));
  assert.ok(after.includes('reason="VolumesCanBeMade"} 1\n'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { addApiMetrics } from './api-metrics.ts';

test('requests to the API server are figures, as they are when somebody scrapes', async () => {
  const registry = new Registry();
  let count = 1;
  addApiMetrics(registry, {
    requests: () => [{ verb: 'create', resource: 'famfsvolumes', code: '201', count, seconds: count / 4 }],
    lastSeenMs: () => ({ FamfsVolume: 1_700_000_000_500 }),
  });
  for (count = 1; count <= 3; count += 1) {
    const text = await registry.metrics();
    const labels = '{verb="create",resource="famfsvolumes",code="201"}';
    assert.ok(text.includes(`famfs_csi_api_requests_total${labels} ${count}\n`), text);
    assert.ok(text.includes(`famfs_csi_api_request_seconds_total${labels} ${count / 4}\n`), text);
    assert.ok(
      text.includes('famfs_csi_api_last_seen_timestamp_seconds{kind="FamfsVolume"} 1700000000.5\n'),
      text,
    );
  }
});

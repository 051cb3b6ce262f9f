// What is due when after failures, and that nothing is remembered for ever.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { waitUntil } from '../../test/wait-until.ts';
import { Retries } from './retries.ts';

const hourMs = 3_600_000;

it('what failed is due after a while, alone, and at once when that is cleared', async () => {
  const retries = new Retries({ firstBackOffMs: hourMs, longestBackOffMs: hourMs });
  assert.equal(retries.nextMs(), Number.POSITIVE_INFINITY);
  retries.later('one');
  assert.deepEqual([retries.isDue('one'), retries.isDue('other')], [false, true]);
  assert.ok(retries.nextMs() <= hourMs && retries.nextMs() > 0);
  retries.clear('one');
  assert.ok(retries.isDue('one'));
  retries.later('one');
  retries.clearAll();
  assert.ok(retries.isDue('one'));
  const quick = new Retries({ firstBackOffMs: 1, longestBackOffMs: 1 });
  quick.later('one');
  await waitUntil('it is due', () => quick.isDue('one'));
  assert.equal(quick.nextMs(), Number.POSITIVE_INFINITY, 'nothing waits any more');
});

it('what there is no more is forgotten', () => {
  const retries = new Retries({ firstBackOffMs: hourMs, longestBackOffMs: hourMs });
  for (let index = 0; index < 100; index++) retries.later(`volume ${index}`);
  retries.keepOnly(new Set(['volume 7', 'volume that never failed']));
  assert.equal(retries.size, 1);
  assert.ok(!retries.isDue('volume 7') && retries.isDue('volume 8'));
});

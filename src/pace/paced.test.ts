import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Paced } from './paced.ts';

test('does something at once the first time, and then once in an interval', async (t) => {
  let nowMs = 1000;
  t.mock.method(performance, 'now', () => nowMs);
  const act = mock.fn(async () => {});
  const paced = new Paced(100);
  const doneAt: number[] = [];
  for (; nowMs < 1300; nowMs += 10) {
    const before = act.mock.callCount();
    await paced.perhaps(act);
    if (act.mock.callCount() > before) doneAt.push(nowMs);
  }
  assert.deepEqual(doneAt, [1000, 1100, 1200]);
});

test('passes on what went wrong, and waits for the interval all the same', async () => {
  const paced = new Paced(60_000);
  await assert.rejects(
    paced.perhaps(() => Promise.reject(new Error('away'))),
    /away/,
  );
  await paced.perhaps(() => assert.fail('too soon'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { KeyedLock } from './keyed-lock.ts';

test('two pieces of work that share a key never overlap, and all of them get done', async () => {
  const keys = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.array(keys, { maxLength: 20 }), async (calls) => {
      const lock = new KeyedLock();
      const running = new Set<string>();
      let done = 0;
      await Promise.all(
        calls.map((wanted) =>
          lock.run(wanted, async () => {
            for (const key of wanted) assert.ok(!running.has(key), `${key} is held twice`);
            for (const key of wanted) running.add(key);
            await nextTurn();
            for (const key of wanted) running.delete(key);
            done++;
          }),
        ),
      );
      assert.equal(done, calls.length);
    }),
    { numRuns: 50 },
  );
});

test('work of other keys does not wait', async () => {
  const lock = new KeyedLock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = lock.run(['a'], () => promise);
  assert.equal(await lock.run(['b'], async () => 'done'), 'done');
  resolve();
  await held;
});

test('work that fails lets the next one in, in the order they came', async () => {
  const lock = new KeyedLock();
  const order: number[] = [];
  const calls = [1, 2, 3].map((number) =>
    lock.run(['a'], async () => {
      order.push(number);
      if (number === 1) throw new Error('the first fails');
      return number;
    }),
  );
  const ends = await Promise.allSettled(calls);
  assert.deepEqual(order, [1, 2, 3]);
  assert.deepEqual(
    ends.map((end) => end.status),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
});

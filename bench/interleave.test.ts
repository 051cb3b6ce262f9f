import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleave } from './interleave.ts';

test('every competitor runs once a round, and each round begins with another', async () => {
  const order: string[] = [];
  const run = (name: string) => async () => {
    order.push(name);
    return order.length;
  };
  const rounds = await interleave(4, { a: run('a'), b: run('b'), c: run('c') });
  assert.equal(order.join(''), 'abcbcacababc');
  assert.deepEqual(rounds, [
    { a: 1, b: 2, c: 3 },
    { a: 6, b: 4, c: 5 },
    { a: 8, b: 9, c: 7 },
    { a: 10, b: 11, c: 12 },
  ]);
});

test('two competitors never run at the same time', async () => {
  let running = 0;
  const run = async () => {
    running++;
    assert.equal(running, 1);
    await Promise.resolve();
    running--;
  };
  await interleave(3, { a: run, b: run });
});

test('a competitor that fails ends the run', async () => {
  const fail = () => Promise.reject(new Error('broken'));
  await assert.rejects(interleave(2, { a: async () => 1, b: fail }), /broken/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionOf, isTrue, withCondition } from './conditions.ts';

const noon = new Date('2026-01-01T12:00:00.500Z');
const later = new Date('2026-01-01T13:00:00Z');
const ready = { type: 'Ready', status: 'True', reason: 'Good', message: 'It works.' } as const;

test('a condition says since when its status is what it is, whatever else changes', () => {
  const first = withCondition(undefined, ready, noon);
  assert.deepEqual(first, [{ ...ready, lastTransitionTime: '2026-01-01T12:00:00Z' }]);
  const reworded = withCondition(first, { ...ready, message: 'It still works.' }, later);
  assert.equal(reworded[0]?.lastTransitionTime, '2026-01-01T12:00:00Z');
  const failed = withCondition(reworded, { ...ready, status: 'False', observedGeneration: 7 }, later);
  assert.equal(failed[0]?.lastTransitionTime, '2026-01-01T13:00:00Z');
  assert.equal(failed[0]?.observedGeneration, 7);
});

test('conditions keep their places, and there is one of a type', () => {
  const other = { ...ready, type: 'Lost' };
  const both = withCondition(withCondition(undefined, ready, noon), other, noon);
  const changed = withCondition(both, { ...ready, status: 'False' }, later);
  assert.deepEqual(
    changed.map(({ type }) => type),
    ['Ready', 'Lost'],
  );
  assert.equal(isTrue(changed, 'Lost'), true);
  assert.equal(isTrue(changed, 'Ready'), false);
  assert.equal(isTrue(undefined, 'Ready'), false);
  assert.equal(conditionOf(changed, 'Other'), undefined);
});

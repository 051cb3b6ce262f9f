import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Condition } from './api-object.ts';
import { isPoolChanged, noteOnNodes, noteOnPool, passingMs } from './pool-notes.ts';

function told(
  status: Condition['status'],
  reason: string,
  situation: { isNew?: boolean; sinceMs?: number; wasWarned?: boolean } = {},
): string | undefined {
  const condition = { type: 'Ready', status, reason, message: 'why', lastTransitionTime: '' };
  return noteOnPool(condition, { isNew: false, sinceMs: 0, wasWarned: false, ...situation })?.type;
}

describe('what is said of a pool', () => {
  test('is no warning on the way from the first look to ready', () => {
    for (const reason of ['PoolNotReady', 'PoolNotFound', 'MasterAway', 'MounterUnavailable'])
      assert.equal(told('False', reason, { isNew: true }), 'Normal', reason);
    assert.equal(told('True', 'VolumesCanBeMade', { isNew: true }), 'Normal');
  });

  test('is a warning at once of what only a person can mend', () => {
    for (const reason of [
      'TwoMasters',
      'SuperblockRefused',
      'PoolReformatted',
      'FormatRefused',
      'ConfigInvalid',
      'PoolDead',
    ])
      assert.equal(told('False', reason, { isNew: true }), 'Warning', reason);
    assert.equal(told('False', 'OfANewerRelease', { isNew: true }), 'Warning');
  });

  test('is a warning, once, of what should have passed and has not', () => {
    const late = { sinceMs: passingMs };
    assert.equal(told('False', 'PoolNotFound', { sinceMs: passingMs - 1 }), undefined);
    assert.equal(told('False', 'PoolNotFound', late), 'Warning');
    assert.equal(told('False', 'PoolNotFound', { ...late, wasWarned: true }), undefined);
    assert.equal(told('False', 'PoolReleased', late), undefined);
  });

  test('is nothing where nothing changed', () => {
    assert.equal(told('True', 'VolumesCanBeMade', { sinceMs: passingMs }), undefined);
    assert.equal(told('False', 'TwoMasters', { sinceMs: passingMs }), undefined);
  });
});

describe('a change of a pool', () => {
  const conditions = (reason: string, lost: Condition['status']): Condition[] => [
    { type: 'Ready', status: 'False', reason, message: 'why', lastTransitionTime: '' },
    { type: 'Lost', status: lost, reason, message: 'why', lastTransitionTime: '' },
  ];
  const failed = conditions('SuperblockRefused', 'False');
  const lost = conditions('SuperblockRefused', 'True');

  test('is another reason, and that what failed proves to be lost for the same reason', () => {
    assert.ok(isPoolChanged(failed, undefined));
    assert.ok(isPoolChanged(conditions('PoolDead', 'False'), failed));
    assert.ok(isPoolChanged(lost, failed));
  });

  test('is not that it stays as it was, nor that it is still lost while nobody sees it', () => {
    assert.ok(!isPoolChanged(failed, failed));
    assert.ok(!isPoolChanged(lost, lost));
    assert.ok(!isPoolChanged(conditions('SuperblockRefused', 'Unknown'), failed));
  });
});

describe('what is said of the nodes of a pool', () => {
  const condition = (status: Condition['status'], reason: string): Condition => {
    return { type: 'NodesServe', status, reason, message: 'why', lastTransitionTime: '' };
  };
  const well = condition('True', 'NoProblem');
  const dead = condition('False', 'PoolDead');

  test('is a warning when one fails, and when another thing fails', () => {
    assert.deepEqual(noteOnNodes(dead, well), { type: 'Warning', reason: 'PoolDead', message: 'why' });
    assert.equal(noteOnNodes(dead, undefined)?.type, 'Warning');
    assert.equal(noteOnNodes(condition('False', 'LogRefused'), dead)?.reason, 'LogRefused');
    assert.equal(noteOnNodes(dead, dead), undefined);
  });

  test('is told when all are well again, and not when they always were', () => {
    assert.deepEqual(noteOnNodes(well, dead), { type: 'Normal', reason: 'NodesServe', message: 'why' });
    for (const before of [undefined, well, condition('Unknown', 'NotSeen')])
      assert.equal(noteOnNodes(well, before), undefined);
  });
});

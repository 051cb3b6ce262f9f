import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from './api-object.ts';
import { OwnWrites } from './own-writes.ts';

function object(resourceVersion: string, uid = 'first'): ApiObject {
  return { apiVersion: 'v1', kind: 'Any', metadata: { name: 'a', uid, resourceVersion } };
}

test('what was written is read until the cache shows it or something later', () => {
  const own = new OwnWrites<ApiObject>();
  const [old, written, later] = [object('9'), object('10'), object('11')];
  own.wrote(written);
  assert.equal(own.newest('a', undefined), written);
  assert.equal(own.newest('a', old), written);
  assert.equal(own.newest('a', later), later);
  assert.deepEqual(own.names(), []);
  assert.equal(own.newest('a', old), old);
});

test('what was removed stays away, until it is made again', () => {
  const own = new OwnWrites<ApiObject>();
  own.removed(object('10'));
  assert.equal(own.newest('a', object('10')), undefined);
  assert.equal(own.newest('a', object('12')), undefined, 'the API server counts a removal as a change');
  const again = object('13', 'second');
  assert.equal(own.newest('a', again), again);
  own.removed(object('13', 'second'));
  assert.equal(own.newest('a', undefined), undefined);
  assert.deepEqual(own.names(), []);
});

test('an answer that was overtaken changes nothing', () => {
  const own = new OwnWrites<ApiObject>();
  const newer = object('12');
  own.wrote(newer);
  own.wrote(object('11'));
  assert.equal(own.newest('a', undefined), newer);
  own.removed(newer);
  own.wrote(newer);
  assert.equal(own.newest('a', newer), undefined);
  own.wrote(object('14', 'second'));
  assert.equal(own.newest('a', undefined)?.metadata.uid, 'second');
  own.forget('a', newer);
  assert.equal(own.newest('a', undefined)?.metadata.uid, 'second', 'somebody else asked about another life');
});

test('a write that the cache does not show for long is doubted', () => {
  let nowMs = 0;
  const own = new OwnWrites<ApiObject>(() => nowMs);
  const written = object('10');
  own.wrote(written);
  assert.equal(own.isDoubtful('a'), false);
  nowMs = 5_000;
  assert.equal(own.isDoubtful('a'), true);
  own.wrote(object('10'));
  assert.equal(own.isDoubtful('a'), false);
  assert.equal(own.isDoubtful('b'), false);
});
